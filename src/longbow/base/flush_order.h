// When a flush that went well can be believed.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <vector>

namespace longbow {

// A disk may forget everything that a failed flush covered, bytes of other files too, and tell only who
// asked. So after a failed one no flush is believed any more; and as a failure is heard of later than it
// happens, one that went well waits for those that were under way beside it. Thread-safe.
class FlushOrder {
 public:
  // Before the flush is asked for; what it returns goes to End.
  uint64_t Begin();
  // The flush has ended. Calls `then(believed)` once all have that are under way now, or one has failed: at
  // once, or from the End of another.
  void End(uint64_t flush, bool failed, std::function<void(bool)> then);
  // The same for a thread that may block.
  bool EndAndWait(uint64_t flush, bool failed);

 private:
  struct Waiting {
    uint64_t last = 0;  // the newest flush that it waits for
    std::function<void(bool)> then;
  };
  std::mutex mutex_;  // the rest is guarded by it
  uint64_t next_ = 1;
  std::set<uint64_t> under_way_;
  std::vector<Waiting> waiting_;  // `last` never descends
  bool failed_ = false;
};

}  // namespace longbow
