// Actions on a dataset and its rows.
#include <arrow/array.h>
#include <arrow/type.h>

#include <optional>
#include <utility>

#include "longbow/engine/key.h"
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
    LB_RETURN_NOT_OK(engine.Pin(name).status());  // why it is fenced
    rows = info->rows;
  }
  const int64_t backlog = engine.IndexBacklog(name);
  if (backlog == 0) return ReadinessJson("READY", "", rows);
  return ReadinessJson("BUSY", std::to_string(backlog) + " rows are not indexed yet", rows - backlog);
}

// The key of a row that is there; absent for one that no longer is. NotFound for a number never given out.
Result<std::optional<std::string>> KeyOfRow(const engine::View& view, const std::string& dataset,
                                            int64_t number) {
  if (number < 0 || number >= static_cast<int64_t>(view.visibility().end)) {
    return NotFound("vector_id ", number, " not found in dataset ", dataset);
  }
  const auto row = static_cast<RowOrdinal>(number);
  if (!view.visibility().Visible(row)) return std::nullopt;
  const engine::DatasetSchema& schema = *view.schema();
  if (schema.key == engine::KeyKind::kSigned) {
    return std::to_string(static_cast<int64_t>(view.KeyNumber(row)));
  }
  if (schema.key != engine::KeyKind::kString) return std::to_string(view.KeyNumber(row));
  LB_ASSIGN_OR_RETURN(const auto keys,
                      view.TakeColumn(schema.arrow->field(schema.key_field)->name(), {&row, 1}));
  return std::string(engine::TextAt(*keys->data(), 0));
}

engine::WriteDone SayDeleted(const ActionCall& action) {
  return [action](const Result<engine::WriteAck>& done) {
    action.FinishOne(done.ok() ? Result<std::string>("deleted") : done.status());
  };
}

engine::SnapshotDone SaySnapshot(const ActionCall& action) {
  return [action](const Result<engine::SnapshotInfo>& info) {
    action.FinishOne(info.ok() ? Result<std::string>(protocol::SnapshotJson(*info)) : info.status());
  };
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
  action.engine().Delete(body->dataset, std::move(body->keys), SayDeleted(action));
}

void DeleteRowByNumber(const ActionCall& action) {
  auto body = protocol::ReadRowNumber(action.body());
  if (!body.ok()) return action.FinishOne(body.status());
  const auto view = action.engine().Pin(body->dataset);
  if (!view.ok()) return action.FinishOne(view.status());
  auto key = KeyOfRow(**view, body->dataset, body->row);
  if (!key.ok()) return action.FinishOne(key.status());
  if (!*key) return action.FinishOne(std::string("deleted"));  // before
  action.engine().Delete(body->dataset, {**std::move(key)}, SayDeleted(action));
}

void PutStatus(const ActionCall& action) {
  auto body = protocol::ReadPutStatus(action.body());
  if (!body.ok()) return action.FinishOne(body.status());
  const auto through = action.engine().AppliedThrough(body->dataset, body->client, body->stream);
  action.FinishOne(through.ok() ? Result<std::string>(protocol::PutStatusJson(*through)) : through.status());
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

void ForceSnapshot(const ActionCall& action) { action.engine().TakeSnapshot(SaySnapshot(action)); }

void Compact(const ActionCall& action) {
  auto name = SubjectDataset(action.body());
  if (!name.ok()) return action.FinishOne(name.status());
  action.engine().Compact(*name, SaySnapshot(action));
}

void CancelCompaction(const ActionCall& action) {
  const bool ended = action.engine().CancelCompaction();
  action.FinishOne(Result<std::string>(protocol::StatusJson(ended ? "CANCELLED" : "IDLE")));
}

void WaitDurable(const ActionCall& action) {
  const auto sequence = protocol::ReadDurabilityToken(action.body());
  if (!sequence.ok()) return action.FinishOne(sequence.status());
  action.engine().WhenDurable(*sequence, [action](const Status& done) {
    action.FinishOne(done.ok() ? Result<std::string>(protocol::StatusJson("DURABLE")) : done);
  });
}

}  // namespace longbow::server
