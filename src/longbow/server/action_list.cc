#include "longbow/server/action_list.h"

#include <algorithm>
#include <utility>

#include "longbow/protocol/error_text.h"
#include "longbow/protocol/flight_messages.h"

namespace longbow::server {
namespace {

constexpr ActionType kActions[] = {
    {"VectorSearch", "Nearest rows to one or more vectors; one Arrow stream a vector", true, VectorSearch},
    {"VectorSearchByID", "Nearest rows to a stored row; JSON", true, VectorSearchByKey},
    {"HybridSearch", "Nearest rows by vector and text; JSON with the rows' columns", true, HybridSearch},
    {"delete", "Deletes rows by key", true, DeleteRows},
    {"Delete", "The same as delete", true, DeleteRows},
    {"delete-vector", "Deletes the row with a number of this server's own", true, DeleteRowByNumber},
    {"delete-dataset", "Drops a dataset", true, DeleteDataset},
    {"put.status", "How far a client's DoPut stream has been applied, to go on after a break", true,
     PutStatus},
    {"check_readiness", "Whether a dataset, or the server, is recovered and indexed", false, CheckReadiness},
    {"wait_indexed", "Waits until every row of a dataset, or of all, is indexed", true, WaitIndexed},
    {"ForceSnapshot", "Takes a snapshot of everything acknowledged so far; JSON", true, ForceSnapshot},
    {"compact", "Writes blocks with dead rows again without them, and takes a snapshot; JSON", true, Compact},
    {"cancel-compaction", "Ends compactions that were asked for, under way or waiting; JSON", true,
     CancelCompaction},
    {"wait_durable", "Waits until the write that an acknowledgement's token stands for, or all, is on disk",
     true, WaitDurable},
    {"CreateNamespace", "Creates a namespace", true, CreateNamespace},
    {"DeleteNamespace", "Drops a namespace with its datasets, or the dataset of that name", true,
     DeleteNamespace},
    {"ListNamespaces", "Names of all namespaces", true, ListNamespaces},
    {"GetTotalNamespaceCount", "Number of namespaces", true, CountNamespaces},
    {"GetNamespaceDatasetCount", "Number of datasets in a namespace", true, CountDatasets},
    {"put-allow-list", "Keeps lists of values by name, for filters to name", true, PutAllowList},
    {"drop-allow-list", "Forgets a list of values", true, DropAllowList},
    {"add-edge", "Adds edges between keys of a dataset, or weighs them anew", true, AddEdge},
    {"traverse-graph", "Paths along a dataset's edges; JSON", true, TraverseGraph},
    {"GetGraphStats", "Number of a dataset's edges, communities, and predicates", true, GetGraphStats},
    {"CancelFlightInfo", "Tells that a flight info holds nothing that could be cancelled", false,
     CancelFlightInfo},
    {"cluster-status", "Members of the cluster", false, ClusterStatus},
    {"MeshIdentity", "This member of the cluster", false, NoMesh},
    {"MeshStatus", "Members of the cluster", false, NoMesh},
    {"DiscoveryStatus", "How members find each other", false, NoMesh},
};

}  // namespace

std::span<const ActionType> ActionTypes() { return kActions; }

void ActionCall::Finish(const Result<std::vector<std::string>>& bodies) const {
  if (!bodies.ok()) return call_->Finish(bodies.status());
  std::vector<std::string> messages;
  messages.reserve(bodies->size());
  for (const auto& body : *bodies) messages.push_back(protocol::EncodeActionResult(body));
  call_->Finish(std::move(messages));
}

void ActionCall::FinishOne(Result<std::string> body) const {
  if (!body.ok()) return call_->Finish(body.status());
  Finish(std::vector<std::string>{*std::move(body)});
}

void ActionCall::RunSearch(double nanos, std::function<void()> work) const {
  const Status placed =
      shared().RunSearch(nanos, [call = call_, work = std::move(work)] { call->Guard(work); });
  if (!placed.ok()) FinishOne(placed);
}

void ActionCall::RunSearch(protocol::SearchCall search, query::SearchBatcher::Done done) const {
  const Status placed = shared().RunSearch(
      std::move(search), [call = call_, done = std::move(done)](Result<query::SearchAnswer> answer) {
        call->Guard([&] { done(std::move(answer)); });
      });
  if (!placed.ok()) FinishOne(placed);
}

void DoAction(std::shared_ptr<RequestCall> call, std::string request) {
  auto action = protocol::ParseAction(request);
  if (!action.ok()) return call->Finish(action.status());
  request = {};  // the body may be as large as a message may be: it is held once
  const auto type = std::find_if(std::begin(kActions), std::end(kActions),
                                 [&](const ActionType& t) { return t.name == action->type; });
  if (type == std::end(kActions)) {
    return call->Finish(Error(ErrorCode::kUnimplemented, "unknown action type ",
                              protocol::PrintableText(action->type, 128),
                              ": ListActions tells the known ones"));
  }
  const ActionCall running(call, std::move(action->body));
  if (!type->needs_engine) return type->run(running);
  call->WhenOpen([running, run = type->run] { run(running); });
}

void ListActions(std::shared_ptr<RequestCall> call, std::string) {
  std::vector<std::string> out;
  for (const ActionType& type : kActions)
    out.push_back(protocol::EncodeActionType(type.name, type.description));
  call->Finish(std::move(out));
}

}  // namespace longbow::server
