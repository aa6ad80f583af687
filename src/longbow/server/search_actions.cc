// Searches by DoAction.
#include <arrow/record_batch.h>

#include <utility>

#include "longbow/protocol/actions.h"
#include "longbow/server/action_list.h"
#include "longbow/server/search_call.h"

namespace longbow::server {
namespace {

using Bodies = Result<std::vector<std::string>>;

// How hits become the bodies of results.
using EncodeRows = Result<std::string> (*)(const arrow::RecordBatch& hits, int64_t first, int64_t end);

// One body a query.
Bodies EncodeHits(const query::SearchAnswer& answer, EncodeRows encode) {
  std::vector<std::string> out;
  for (size_t query = 0; query + 1 < answer.offsets.size(); ++query) {
    const int64_t first = answer.offsets[query], end = answer.offsets[query + 1];
    LB_ASSIGN_OR_RETURN(out.emplace_back(), encode(*answer.hits, first, end));
  }
  return out;
}

void FinishCounted(const ActionCall& action, const Bodies& bodies) {
  FlightCounters& counters = action.shared().counters;
  counters.vector_search_actions.Add();
  if (!bodies.ok()) counters.vector_search_action_errors.Add();
  counters.vector_search_action_nanos.Record(action.shared().clock().MonotonicNanos() - action.start_ns());
  action.Finish(bodies);
}

void Run(const ActionCall& action, protocol::SearchCall call, EncodeRows encode) {
  FillLimits(&call, action.shared(), action.deadline_ns(), action.stop());
  action.RunSearch(std::move(call), [action, encode](const Result<query::SearchAnswer>& answer) {
    FinishCounted(action, answer.ok() ? EncodeHits(*answer, encode) : Bodies(answer.status()));
  });
}

}  // namespace

void VectorSearch(const ActionCall& action) {
  auto body = protocol::ReadVectorSearch(action.body());
  if (!body.ok()) return FinishCounted(action, body.status());
  Run(action, std::move(body->call), body->json ? protocol::HitsJson : protocol::HitsStream);
}

void VectorSearchByKey(const ActionCall& action) {
  auto call = protocol::ReadVectorSearchByKey(action.body());
  if (!call.ok()) return FinishCounted(action, call.status());
  Run(action, *std::move(call), protocol::HitsJson);
}

void HybridSearch(const ActionCall& action) {
  auto call = protocol::ReadHybridSearch(action.body());
  if (!call.ok()) return FinishCounted(action, call.status());
  Run(action, *std::move(call), protocol::HitObjectsJson);
}

}  // namespace longbow::server
