#include "longbow/base/clock.h"

#include <ctime>

namespace longbow {
namespace {

class KernelClock : public Clock {
 public:
  int64_t MonotonicNanos() const override {
    const timespec t = Now(CLOCK_MONOTONIC);
    return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  }
  int64_t WallMicros() const override {
    const timespec t = Now(CLOCK_REALTIME);
    return int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
  }

 private:
  static timespec Now(clockid_t id) {
    timespec t;
    clock_gettime(id, &t);
    return t;
  }
};

}  // namespace

Clock* SystemClock() {
  static KernelClock* const clock = new KernelClock();
  return clock;
}

}  // namespace longbow
