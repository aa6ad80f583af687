// Actions about the cluster. A node on its own says what old clients know as "no cluster" and go on without.
#include "longbow/server/action_list.h"

namespace longbow::server {

void ClusterStatus(const ActionCall& action) {
  action.FinishOne(Error(ErrorCode::kUnavailable, "gossip mesh not enabled"));
}

void NoMesh(const ActionCall& action) {
  action.FinishOne(Error(ErrorCode::kFailedPrecondition, "gossip mesh not enabled"));
}

}  // namespace longbow::server
