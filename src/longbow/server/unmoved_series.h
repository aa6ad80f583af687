// Series that dashboards of the Go program ask for and that tell of what this server does not have.
#pragma once

#include "longbow/base/counters.h"

namespace longbow::server {

// At zero, so that panels show that and alerts stay quiet: a cluster, eviction, queues that overflow, indexes
// that change their kind.
void ListUnmovedSeries(CounterVisitor& visitor);

}  // namespace longbow::server
