// The actions of DoAction: one row each. Adding one is a function in an *_actions.cc file and a row in
// action_list.cc.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/server/request_call.h"

namespace longbow::server {

// One action under way: what its function works with. Copies share the call.
// Immutable; the call itself is guarded.
class ActionCall {
 public:
  ActionCall(std::shared_ptr<RequestCall> call, std::string body)
      : call_(std::move(call)), body_(std::move(body)) {}

  const std::string& body() const { return body_; }
  Serving& serving() const { return call_->serving(); }
  engine::Engine& engine() const { return *call_->serving().engine(); }  // for actions that need it
  query::QueryEngine& query() const { return *call_->serving().query(); }
  FlightShared& shared() const { return call_->shared(); }
  int64_t deadline_ns() const { return call_->deadline_ns(); }
  int64_t start_ns() const { return call_->start_ns(); }
  const StopSource* stop() const { return call_->stop(); }

  // Ends the action: bodies of its results, or an error. From any thread, once.
  void Finish(const Result<std::vector<std::string>>& bodies) const;
  void FinishOne(Result<std::string> body) const;
  // Runs `work` where searches run; what it throws ends the action.
  void RunSearch(double nanos, std::function<void()> work) const;
  // Searches as FlightShared does, with others that wait if it can; what `done` throws ends the action.
  void RunSearch(protocol::SearchCall search, query::SearchBatcher::Done done) const;

 private:
  std::shared_ptr<RequestCall> call_;
  std::string body_;
};

struct ActionType {
  std::string_view name;
  std::string_view description;
  bool needs_engine;  // waits for recovery to end
  void (*run)(const ActionCall& action);
};

std::span<const ActionType> ActionTypes();

void DoAction(std::shared_ptr<RequestCall> call, std::string request);
void ListActions(std::shared_ptr<RequestCall> call, std::string request);

// search_actions.cc
void VectorSearch(const ActionCall& action);
void VectorSearchByKey(const ActionCall& action);
void HybridSearch(const ActionCall& action);
// allow_list_actions.cc
void PutAllowList(const ActionCall& action);
void DropAllowList(const ActionCall& action);
// dataset_actions.cc
void DeleteRows(const ActionCall& action);
void DeleteRowByNumber(const ActionCall& action);
void DeleteDataset(const ActionCall& action);
void PutStatus(const ActionCall& action);
void CheckReadiness(const ActionCall& action);
void WaitIndexed(const ActionCall& action);
void ForceSnapshot(const ActionCall& action);
void Compact(const ActionCall& action);
void CancelCompaction(const ActionCall& action);
void WaitDurable(const ActionCall& action);
// namespace_actions.cc
void CreateNamespace(const ActionCall& action);
void DeleteNamespace(const ActionCall& action);
void ListNamespaces(const ActionCall& action);
void CountNamespaces(const ActionCall& action);
void CountDatasets(const ActionCall& action);
// graph_actions.cc
void AddEdge(const ActionCall& action);
void TraverseGraph(const ActionCall& action);
void GetGraphStats(const ActionCall& action);
// cluster_actions.cc
void ClusterStatus(const ActionCall& action);
void NoMesh(const ActionCall& action);
// info_actions.cc
void CancelFlightInfo(const ActionCall& action);

}  // namespace longbow::server
