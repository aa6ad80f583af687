// Actions on the edges between a dataset's keys.
#include <utility>

#include "longbow/engine/edge_store.h"
#include "longbow/protocol/actions.h"
#include "longbow/protocol/graph_actions.h"
#include "longbow/server/action_list.h"

namespace longbow::server {
namespace {

// About what a walk at its limits takes; it need not be exact, only be no handler's work.
constexpr double kTraversalNanos = 1'000'000;

Result<std::string> Traverse(const engine::Engine& engine, const protocol::TraversalBody& body) {
  LB_ASSIGN_OR_RETURN(const auto edges, engine.Edges(body.dataset));
  LB_ASSIGN_OR_RETURN(const auto start, engine::ParseKey(edges->keys(), body.start));
  LB_ASSIGN_OR_RETURN(const auto paths, query::FindPaths(*edges, start, body.options));
  return protocol::PathsJson(paths, edges->keys());
}

}  // namespace

void AddEdge(const ActionCall& action) {
  auto body = protocol::ReadAddEdges(action.body());
  if (!body.ok()) return action.FinishOne(body.status());
  const std::string added = body->edges.size() == 1 ? "edge added" : "edges added";
  action.engine().AddEdges(body->dataset, std::move(body->edges),
                           [action, added](const Result<engine::WriteAck>& done) {
                             action.FinishOne(done.ok() ? Result<std::string>(added) : done.status());
                           });
}

void TraverseGraph(const ActionCall& action) {
  auto body = protocol::ReadTraversal(action.body());
  if (!body.ok()) return action.FinishOne(body.status());
  action.RunSearch(kTraversalNanos,
                   [action, body = *std::move(body)] { action.FinishOne(Traverse(action.engine(), body)); });
}

void GetGraphStats(const ActionCall& action) {
  auto subject = protocol::ReadSubject(action.body());
  if (!subject.ok()) return action.FinishOne(subject.status());
  const std::string name = subject->dataset.empty() ? subject->name : subject->dataset;
  action.RunSearch(kTraversalNanos, [action, name] {
    const auto edges = action.engine().Edges(name);
    action.FinishOne(edges.ok() ? Result<std::string>(protocol::EdgeStatsJson(query::CountEdges(**edges)))
                                : edges.status());
  });
}

}  // namespace longbow::server
