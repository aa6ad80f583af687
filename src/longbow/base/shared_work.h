// Work that several threads take pieces of, among them the one that asks.
#pragma once

#include <functional>

#include "longbow/base/executor.h"

namespace longbow {

// Calls `work` here and, meanwhile, on up to `helpers` of the executor's threads as they become free; each
// call takes pieces of something shared until none is left. Returns when all calls have returned; an executor
// whose threads are busy, or none (null), only means fewer calls. Throws what the first call threw that
// threw. Also from inside a task of that executor.
void WorkTogether(Executor* executor, int helpers, const std::function<void()>& work);

}  // namespace longbow
