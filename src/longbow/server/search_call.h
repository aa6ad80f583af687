// What the edge adds to a search before it is run.
#pragma once

#include "longbow/base/budget.h"
#include "longbow/protocol/ticket.h"
#include "longbow/server/flight_shared.h"

namespace longbow::server {

// The deadline: the nearest of the client's own, the call's, the server's. `deadline_ns` of the call, 0 for
// none.
void FillLimits(protocol::SearchCall* call, const FlightShared& shared, int64_t deadline_ns,
                const StopSource* stop);

}  // namespace longbow::server
