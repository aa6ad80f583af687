// Actions on namespaces.
#include <algorithm>
#include <utility>

#include "longbow/engine/dataset_schema.h"
#include "longbow/protocol/actions.h"
#include "longbow/server/action_list.h"

namespace longbow::server {
namespace {

Result<std::string> SubjectName(const std::string& body) {
  LB_ASSIGN_OR_RETURN(auto subject, protocol::ReadSubject(body));
  if (subject.name.empty()) return InvalidArgument("expected \"name\" to be a namespace's name");
  return std::move(subject.name);
}

engine::Done Answer(const ActionCall& action, std::string body) {
  return [action, body = std::move(body)](const Status& done) {
    action.FinishOne(done.ok() ? Result<std::string>(body) : done);
  };
}

}  // namespace

void CreateNamespace(const ActionCall& action) {
  auto name = SubjectName(action.body());
  if (!name.ok()) return action.FinishOne(name.status());
  action.engine().CreateNamespace(*name, Answer(action, protocol::StatusJson("created")));
}

// Old clients call datasets namespaces: `dataset` means a dataset, and a `name` that is no namespace may mean
// one.
void DeleteNamespace(const ActionCall& action) {
  auto subject = protocol::ReadSubject(action.body());
  if (!subject.ok()) return action.FinishOne(subject.status());
  if (!subject->dataset.empty()) {
    return action.engine().DropDataset(subject->dataset, Answer(action, "deleted"));
  }
  if (subject->name.empty()) {
    return action.FinishOne(
        InvalidArgument("expected \"name\" to be a namespace or \"dataset\" to be a dataset"));
  }
  const std::string deleted = protocol::StatusJson("deleted");
  const auto namespaces = action.engine().Namespaces();
  const bool is_namespace =
      std::find(namespaces.begin(), namespaces.end(), subject->name) != namespaces.end();
  if (!is_namespace && action.engine().Info(subject->name).ok()) {
    return action.engine().DropDataset(subject->name, Answer(action, deleted));
  }
  action.engine().DropNamespace(subject->name, Answer(action, deleted));
}

void ListNamespaces(const ActionCall& action) {
  action.FinishOne(protocol::NamespacesJson(action.engine().Namespaces()));
}

void CountNamespaces(const ActionCall& action) {
  action.FinishOne(protocol::CountJson(static_cast<int64_t>(action.engine().Namespaces().size())));
}

void CountDatasets(const ActionCall& action) {
  auto name = SubjectName(action.body());
  if (!name.ok()) return action.FinishOne(name.status());
  const auto namespaces = action.engine().Namespaces();
  if (std::find(namespaces.begin(), namespaces.end(), *name) == namespaces.end()) {
    return action.FinishOne(NotFound("namespace not found: ", *name));
  }
  int64_t count = 0;
  for (const auto& dataset : action.engine().Datasets()) {
    const auto parsed = engine::DatasetName::Parse(dataset.name);
    if (parsed.ok() && parsed->name_space == *name) ++count;
  }
  action.FinishOne(protocol::CountJson(count));
}

}  // namespace longbow::server
