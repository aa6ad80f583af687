// Actions that Flight itself defines.
#include "longbow/protocol/flight_messages.h"
#include "longbow/server/action_list.h"

namespace longbow::server {

// A flight info names a dataset, which is there before and after: no work was begun for it.
void CancelFlightInfo(const ActionCall& action) {
  const Status request = protocol::CheckCancelFlightInfo(action.body());
  action.FinishOne(request.ok() ? Result<std::string>(protocol::EncodeNotCancellable()) : request);
}

}  // namespace longbow::server
