// One completion for several.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

#include "longbow/engine/engine.h"

namespace longbow::engine {

// Calls `done` once the result was called `count` times (at least one), with the first error. Thread-safe.
inline Done Join(size_t count, Done done) {
  struct Waiting {
    std::mutex mutex;
    size_t left;    // guarded by mutex
    Status status;  // guarded by mutex
    Done done;
  };
  auto waiting = std::make_shared<Waiting>();
  waiting->left = count;
  waiting->done = std::move(done);
  return [waiting](Status status) {
    {
      std::lock_guard lock(waiting->mutex);
      if (waiting->status.ok()) waiting->status = std::move(status);
      if (--waiting->left > 0) return;
    }
    waiting->done(waiting->status);
  };
}

}  // namespace longbow::engine
