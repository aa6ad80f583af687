// Actions on a dataset and its rows.
#include <utility>

#include "longbow/protocol/actions.h"
#include "longbow/server/action_list.h"

namespace longbow::server {
namespace {

using protocol::ReadinessJson;

Result<std::string> Readiness(engine::Engine& engine, const std::string& name) {
  int64_t rows = 0;
  if (name.empty()) {
    for (const auto& dataset : engine.Datasets()) rows += dataset.rows;
  } else {
    auto info = engine.Info(name);
    if (!info.ok() && CodeOf(info.status()) == ErrorCode::kNotFound) {
      return ReadinessJson("NOT_FOUND", "dataset not found: " + name, 0);
    }
    LB_RETURN_NOT_OK(info.status());
    rows = info->rows;
  }
  const int64_t backlog = engine.IndexBacklog(name);
  if (backlog == 0) return ReadinessJson("READY", "", rows);
  return ReadinessJson("BUSY", std::to_string(backlog) + " rows are not indexed yet", rows - backlog);
}

// Either word: `dataset` is what most clients send.
Result<std::string> SubjectDataset(const std::string& body) {
  LB_ASSIGN_OR_RETURN(auto subject, protocol::ReadSubject(body));
  return std::move(subject.dataset.empty() ? subject.name : subject.dataset);
}

}  // namespace

void DeleteRows(const ActionCall& action) {
  auto body = protocol::ReadDelete(action.body());
  if (!body.ok()) return action.FinishOne(body.status());
  action.engine().Delete(body->dataset, std::move(body->keys),
                         [action](const Result<engine::WriteAck>& done) {
                           action.FinishOne(done.ok() ? Result<std::string>("deleted") : done.status());
                         });
}

void DeleteDataset(const ActionCall& action) {
  auto name = SubjectDataset(action.body());
  if (name.ok() && name->empty()) name = InvalidArgument("expected \"dataset\" to be a dataset's name");
  if (!name.ok()) return action.FinishOne(name.status());
  action.engine().DropDataset(*name, [action](const Status& done) {
    action.FinishOne(done.ok() ? Result<std::string>("deleted") : done);
  });
}

void CheckReadiness(const ActionCall& action) {
  auto name = SubjectDataset(action.body());
  if (!name.ok()) return action.FinishOne(name.status());
  if (action.serving().engine() == nullptr) {
    return action.FinishOne(ReadinessJson("BUSY", action.serving().readiness().message(), 0));
  }
  action.FinishOne(Readiness(action.engine(), *name));
}

void WaitIndexed(const ActionCall& action) {
  auto name = SubjectDataset(action.body());
  if (!name.ok()) return action.FinishOne(name.status());
  action.engine().WhenIndexed(*name, [action, name = *name](const Status& done) {
    action.FinishOne(done.ok() ? Readiness(action.engine(), name) : done);
  });
}

void WaitDurable(const ActionCall& action) {
  const auto sequence = protocol::ReadDurabilityToken(action.body());
  if (!sequence.ok()) return action.FinishOne(sequence.status());
  action.engine().WhenDurable(*sequence, [action](const Status& done) {
    action.FinishOne(done.ok() ? Result<std::string>(protocol::StatusJson("DURABLE")) : done);
  });
}

}  // namespace longbow::server
