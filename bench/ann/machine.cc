#include "ann/machine.h"

#include <malloc.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string_view>
#include <vector>

namespace longbow::bench {
namespace {

constexpr uintptr_t kHugePage = uintptr_t{2} << 20;
#if !defined(MADV_COLLAPSE)
constexpr int MADV_COLLAPSE = 25;
#endif

double Read(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

}  // namespace

Times Stopwatch::Now() const {
  return {Read(CLOCK_MONOTONIC),
          Read(of_ == Of::kThread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID)};
}

void AskForHugePages() {
  malloc_trim(0);
  struct Range {
    uintptr_t begin, end;
  };
  std::vector<Range> ranges;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    char access[5] = "", path[8] = "";
    unsigned long offset = 0, inode = 0;
    unsigned major = 0, minor = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %lx %x:%x %lu %7s", &begin, &end, access, &offset, &major,
                    &minor, &inode, path) < 7)
      continue;
    const bool named = inode != 0 || (path[0] == '[' && std::string_view(path) != "[heap]");
    if (named || access[1] != 'w' || access[3] != 'p') continue;
    begin = (begin + kHugePage - 1) / kHugePage * kHugePage;
    end = end / kHugePage * kHugePage;
    if (begin < end) ranges.push_back({begin, end});
  }
  for (const Range& range : ranges) {
    madvise(reinterpret_cast<void*>(range.begin), range.end - range.begin, MADV_HUGEPAGE);
    for (uintptr_t at = range.begin; at < range.end;
         at += kHugePage)  // what is empty is refused, and stays so
      madvise(reinterpret_cast<void*>(at), kHugePage, MADV_COLLAPSE);
  }
}

MemoryUsed ReadMemoryUsed() {
  malloc_trim(0);
  MemoryUsed used;
  std::ifstream in("/proc/self/smaps_rollup");
  for (std::string line; std::getline(in, line);) {
    long long kilobytes = 0;
    if (std::sscanf(line.c_str(), "Anonymous: %lld", &kilobytes) == 1) used.anonymous = kilobytes * 1024;
    if (std::sscanf(line.c_str(), "AnonHugePages: %lld", &kilobytes) == 1) used.huge = kilobytes * 1024;
  }
  return used;
}

int64_t LastLevelCacheBytes() {
  for (int index = 4; index >= 0; --index) {  // the largest is listed last
    std::ifstream in("/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/size");
    int64_t kilobytes = 0;
    if (in >> kilobytes) return kilobytes * 1024;
  }
  return sysconf(_SC_LEVEL3_CACHE_SIZE);
}

std::string ProcessorName() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

}  // namespace longbow::bench
