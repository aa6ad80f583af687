// Time, asked for in one place. Order never comes from here: it comes from the log.
#pragma once

#include <cstdint>

namespace longbow {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t MonotonicNanos() const = 0;  // for intervals and deadlines
  virtual int64_t WallMicros() const = 0;      // since 1970 UTC; for people to read
};

Clock* SystemClock();  // lives for ever

}  // namespace longbow
