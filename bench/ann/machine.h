// Clocks, pages and memory of this process.
#pragma once

#include <cstdint>
#include <string>

namespace longbow::bench {

struct Times {
  double wall = 0, processor = 0;  // seconds
};

// Measures from its making. `processor` is this thread's, or the whole process's: what others do on a shared
// machine is left out of it as far as it can be.
class Stopwatch {
 public:
  enum class Of { kThread, kProcess };
  explicit Stopwatch(Of of = Of::kThread) : of_(of), start_(Now()) {}
  Times Elapsed() const {
    const Times now = Now();
    return {now.wall - start_.wall, now.processor - start_.processor};
  }

 private:
  Times Now() const;
  const Of of_;
  const Times start_;
};

// Has the kernel put all memory of the process on huge pages, now and from now on, whoever allocated it.
void AskForHugePages();

struct MemoryUsed {
  int64_t anonymous = 0, huge = 0;  // bytes
};
MemoryUsed ReadMemoryUsed();

int64_t LastLevelCacheBytes();
std::string ProcessorName();

}  // namespace longbow::bench
