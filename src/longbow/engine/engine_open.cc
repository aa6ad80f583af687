// Starting: taking the directory, and replaying the log through the same apply that writes use.
#include <algorithm>

#include "longbow/engine/local_engine.h"
#include "longbow/engine/node_identity.h"

namespace longbow::engine {

int RecoveryProgress::percent() const {
  if (finished.load()) return 100;
  const int64_t total = bytes_total.load();
  return total <= 0 ? 0 : static_cast<int>(std::min<int64_t>(99, bytes.load() * 100 / total));
}

Result<std::unique_ptr<Engine>> Engine::Open(const Environment& environment, MemoryLedger* ledger,
                                             SlabArena* arena, EngineOptions options,
                                             RecoveryProgress* progress) {
  auto engine = std::make_unique<LocalEngine>(environment, ledger, arena, std::move(options));
  LB_RETURN_NOT_OK(engine->Start(progress));
  return engine;
}

Status LocalEngine::Start(RecoveryProgress* progress) {
  FileSystem* files = parts_.environment.files;
  lock_ = parts_.options.directory_lock;
  if (lock_ == nullptr) {
    LB_ASSIGN_OR_RETURN(lock_, files->Lock(kDirectoryLock, parts_.options.holder));
  }
  LB_ASSIGN_OR_RETURN(node_id_, ReadOrMakeNodeId(files, parts_.environment.random));
  LB_ASSIGN_OR_RETURN(const auto manifest, ReadManifest());
  CatalogState state;
  if (!manifest.catalog.empty()) LB_RETURN_NOT_OK(DecodeCatalog(manifest.catalog).Value(&state));
  if (progress != nullptr) Measure(manifest, progress);
  LB_RETURN_NOT_OK(snapshotter_->Open(manifest, state));
  LB_RETURN_NOT_OK(RestoreSnapshot(manifest, state, progress));
  auto log_options = parts_.options.log;
  log_options.generation = manifest.log_generation;
  log_options.least_sequence = manifest.snapshot_sequence;
  LB_ASSIGN_OR_RETURN(parts_.log, storage::OpenCommitLog(parts_.environment, parts_.ledger, log_options));
  LB_RETURN_NOT_OK(ReplayLog(manifest, progress));
  for (const auto& [id, dataset] : replaying_) {
    dataset->shard().LoadIndexes(dataset->replayed());
    dataset->Publish();
    catalog_.Show(dataset);
  }
  replaying_.clear();
  parts_.recovering = false;
  snapshotter_->Start(replayed_bytes_);
  parts_.published = [this] { snapshotter_->RequestIfDue(); };
  parts_.answer = [this](int64_t bytes, Result<WriteAck> ack, const WriteDone& done) {
    snapshotter_->Answer(bytes, std::move(ack), done);
  };
  if (progress != nullptr) progress->finished.store(true);
  return Status::OK();
}

// What is in the snapshot already is passed over.
Status LocalEngine::ReplayLog(const storage::Manifest& manifest, RecoveryProgress* progress) {
  const int64_t began = parts_.environment.clock->MonotonicNanos();
  LB_ASSIGN_OR_RETURN(recovery_, parts_.log->Replay([&](const storage::LogRecord& record) -> Status {
    if (progress != nullptr) {
      progress->records.fetch_add(1);
      progress->bytes.fetch_add(record.payload.size());
    }
    if (record.position.sequence <= manifest.StateOf(record.position.shard)) return Status::OK();
    replayed_bytes_ += static_cast<uint64_t>(record.payload.size());
    const Status status = ReplayRecord(record);
    return status.ok() ? status
                       : WithContext(status, "log record " + std::to_string(record.position.sequence) +
                                                 " of shard " + std::to_string(record.position.shard));
  }));
  parts_.counters.replay_nanos.Record(parts_.environment.clock->MonotonicNanos() - began);
  return Status::OK();
}

Result<storage::Manifest> LocalEngine::ReadManifest() {
  auto manifest = storage::LoadManifest(parts_.environment.files);
  if (manifest.ok() || CodeOf(manifest.status()) != ErrorCode::kNotFound) return manifest;
  LB_RETURN_NOT_OK(CheckFresh());
  storage::Manifest fresh;
  LB_RETURN_NOT_OK(storage::SaveManifest(parts_.environment.files, fresh));
  return fresh;
}

// A directory without a manifest has never been used: it is written before anything that it would name.
Status LocalEngine::CheckFresh() {
  FileSystem* files = parts_.environment.files;
  LB_ASSIGN_OR_RETURN(bool used, snapshotter_->store().HasBlocks());
  LB_ASSIGN_OR_RETURN(const bool has_log, files->Exists(parts_.options.log.directory));
  if (has_log) {
    LB_ASSIGN_OR_RETURN(const auto names, files->List(parts_.options.log.directory));
    for (const auto& name : names) used = used || name.ends_with(".log");
  }
  if (!used) return Status::OK();
  return Error(ErrorCode::kCorruption,
               "the file 'manifest' of the data directory is missing and there are blocks or a log that it "
               "named; restore it from a copy");
}

// Log segments are preallocated, so this is an upper bound; it only serves the percentage.
void LocalEngine::Measure(const storage::Manifest& manifest, RecoveryProgress* progress) {
  for (const auto& block : manifest.blocks) {
    progress->bytes_total.fetch_add(static_cast<int64_t>(block.bytes));
  }
  FileSystem* files = parts_.environment.files;
  const auto names = files->List(parts_.options.log.directory);
  if (!names.ok()) return;
  for (const auto& name : *names) {
    if (!name.ends_with(".log")) continue;
    auto file = files->Open(parts_.options.log.directory + "/" + name, OpenMode::kRead);
    if (!file.ok()) continue;
    progress->bytes_total.fetch_add(static_cast<int64_t>((*file)->Size().ValueOr(0)));
  }
}

Status LocalEngine::ReplayRecord(const storage::LogRecord& record) {
  const auto kind = static_cast<RecordKind>(record.kind);
  switch (kind) {
    case RecordKind::kCreateNamespace: {
      CreateNamespaceRecord create;
      LB_RETURN_NOT_OK(Decode(record.payload, &create));
      const auto lock = catalog_.append_lock();
      catalog_.AddNamespaceAppended(create.name);
      catalog_.ShowNamespace(create.name);
      return Status::OK();
    }
    case RecordKind::kDropNamespace:
      return ReplayDropNamespace(record);
    case RecordKind::kCreateDataset:
      return ReplayCreate(record);
    default:
      break;
  }
  const auto found = replaying_.find(record.position.shard);
  if (found == replaying_.end()) {
    return Error(ErrorCode::kCorruption, "a record of kind ", record.kind,
                 " for a dataset that does not exist");
  }
  const std::shared_ptr<Dataset> dataset = found->second;
  switch (kind) {
    case RecordKind::kEvolveSchema:
      return dataset->ReplayEvolve(record);
    case RecordKind::kPut:
      return dataset->ReplayPut(record);
    case RecordKind::kDelete:
      return dataset->ReplayDelete(record);
    case RecordKind::kAddEdges:
      return dataset->ReplayEdges(record);
    case RecordKind::kDropDataset:
      ReplayDrop(dataset);
      return Status::OK();
    default:
      return Error(ErrorCode::kFailedPrecondition, "a record of unknown kind ", record.kind,
                   ": written by a newer program; use that one");
  }
}

Status LocalEngine::ReplayCreate(const storage::LogRecord& record) {
  CreateDatasetRecord create;
  LB_RETURN_NOT_OK(Decode(record.payload, &create));
  BatchDecoder decoder;
  IncomingBatch none;
  LB_RETURN_NOT_OK(decoder.Next(create.schema, &none).status());
  LB_ASSIGN_OR_RETURN(auto schema, ReadSchema(*decoder.schema(), kReplayLimits));
  LB_ASSIGN_OR_RETURN(auto dataset, Dataset::Make(&parts_, create.id, create.name, std::move(schema)));
  dataset->ReplayCreated(record.position.sequence);
  // The namespace stays when the dataset goes.
  LB_ASSIGN_OR_RETURN(const auto name, DatasetName::Parse(create.name));
  catalog_.ShowNamespace(name.name_space);
  const auto lock = catalog_.append_lock();
  catalog_.AddWritable(dataset);
  catalog_.SkipId(create.id);
  replaying_[create.id] = std::move(dataset);
  return Status::OK();
}

Status LocalEngine::ReplayDropNamespace(const storage::LogRecord& record) {
  DropNamespaceRecord drop;
  LB_RETURN_NOT_OK(Decode(record.payload, &drop));
  for (const DatasetId id : drop.datasets) {
    const auto found = replaying_.find(id);
    if (found != replaying_.end()) ReplayDrop(std::shared_ptr<Dataset>(found->second));
  }
  const auto lock = catalog_.append_lock();
  catalog_.RemoveNamespaceAppended(drop.name);
  catalog_.HideNamespace(drop.name);
  return Status::OK();
}

void LocalEngine::ReplayDrop(const std::shared_ptr<Dataset>& dataset) {
  dataset->Drop();
  replaying_.erase(dataset->id());
  const auto lock = catalog_.append_lock();
  catalog_.RemoveWritable(*dataset);
}

}  // namespace longbow::engine
