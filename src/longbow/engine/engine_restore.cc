// Starting: the newest snapshot, its blocks in parallel.
#include <deque>

#include "longbow/engine/local_engine.h"
#include "longbow/engine/sealed_block_reader.h"
#include "longbow/engine/task_group.h"

namespace longbow::engine {
namespace {

// One block, a row group in memory at a time.
Status RestoreBlock(const storage::BlockEntry& entry, Sequence at,
                    const std::shared_ptr<const StoredLayout>& layout, storage::BlockStore* store,
                    Shard* shard, RestoredRows* out) {
  LB_ASSIGN_OR_RETURN(const auto reader, SealedBlockReader::Open(entry, layout, store));
  out->missing.resize(layout->schema->vectors.size());
  const VectorRoom room = [shard](size_t column, RowOrdinal row) {
    return shard->RoomForVector(column, row);
  };
  for (int group = 0; group < reader->row_groups(); ++group) {
    LB_ASSIGN_OR_RETURN(const SealedRows rows, reader->Read(group, room));
    LB_RETURN_NOT_OK(shard->RestoreRows(
        rows, at, [&](RowOrdinal row) { return entry.IsDead(row); }, out));
  }
  return Status::OK();
}

}  // namespace

Status LocalEngine::RestoreCatalog(const storage::Manifest& manifest, const CatalogState& state) {
  const auto lock = catalog_.append_lock();
  for (const auto& name : state.namespaces) {
    catalog_.AddNamespaceAppended(name);
    catalog_.ShowNamespace(name);
  }
  for (const auto& dataset_state : state.datasets) {
    LB_ASSIGN_OR_RETURN(auto dataset,
                        Dataset::Make(&parts_, dataset_state.id, dataset_state.name, dataset_state.schema));
    LB_RETURN_NOT_OK(dataset->Restored(manifest.StateOf(dataset_state.id), dataset_state));
    dataset->shard().BeginRestore(dataset_state.rows);
    catalog_.AddWritable(dataset);
    replaying_[dataset_state.id] = std::move(dataset);
  }
  if (state.next_id > 0) catalog_.SkipId(state.next_id - 1);
  for (const auto& batch : state.retries) parts_.retries.Finish(batch.dataset, batch.key, batch.ack);
  return Status::OK();
}

Status LocalEngine::RestoreSnapshot(const storage::Manifest& manifest, const CatalogState& state,
                                    RecoveryProgress* progress) {
  LB_RETURN_NOT_OK(RestoreCatalog(manifest, state));
  // Stays where it is while tasks fill it.
  std::map<DatasetId, std::deque<RestoredRows>> restored;
  TaskGroup blocks(parts_.environment.builders);
  for (const auto& entry : manifest.blocks) {
    const auto found = replaying_.find(entry.shard);
    if (found == replaying_.end() || entry.end_row > found->second->shard().end()) {
      return Error(ErrorCode::kCorruption, "manifest: block ", entry.file,
                   " is of rows that no dataset has; restore the file from a copy");
    }
    Dataset* dataset = found->second.get();
    RestoredRows* out = &restored[entry.shard].emplace_back();
    blocks.Post([this, &entry, &manifest, dataset, out, progress]() -> Status {
      LB_RETURN_NOT_OK(RestoreBlock(entry, manifest.StateOf(entry.shard), dataset->appended_layout(),
                                    &snapshotter_->store(), &dataset->shard(), out));
      if (progress != nullptr) progress->bytes.fetch_add(static_cast<int64_t>(entry.bytes));
      return Status::OK();
    });
  }
  LB_RETURN_NOT_OK(blocks.Wait());
  TaskGroup shards(parts_.environment.builders);
  for (auto& [id, dataset] : replaying_) {
    shards.Post([&shard = dataset->shard(), rows = &restored[id], at = manifest.StateOf(id)] {
      shard.FinishRestore(at, {std::make_move_iterator(rows->begin()), std::make_move_iterator(rows->end())});
      return Status::OK();
    });
  }
  LB_RETURN_NOT_OK(shards.Wait());
  for (const auto& entry : manifest.derived) {
    const auto found = replaying_.find(entry.shard);
    if (found == replaying_.end() ||
        entry.column >= found->second->appended_layout()->schema->vectors.size()) {
      continue;
    }
    found->second->shard().LoadLater(static_cast<int>(entry.column),
                                     storage::BlockStore::DerivedPath(entry.file), entry.sequence);
  }
  return Status::OK();
}

}  // namespace longbow::engine
