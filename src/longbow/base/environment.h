// The injected sources of surprise, together. The engine asks nobody else.
#pragma once

#include "longbow/base/clock.h"
#include "longbow/base/executor.h"
#include "longbow/base/filesystem.h"
#include "longbow/base/random.h"

namespace longbow {

// Pointers outlive what they are given to.
struct Environment {
  FileSystem* files = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  Executor* appliers = nullptr;   // strands of shards
  Executor* searchers = nullptr;  // searches that are too long for a handler
  Executor* builders = nullptr;   // index builds, consolidation, background work
};

}  // namespace longbow
