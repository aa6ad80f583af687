// The engine of one node over one directory.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "longbow/engine/catalog.h"
#include "longbow/engine/dataset.h"
#include "longbow/engine/snapshotter.h"
#include "longbow/storage/manifest.h"

namespace longbow::engine {

// Thread-safe, by its parts.
class LocalEngine final : public Engine {
 public:
  LocalEngine(const Environment& environment, MemoryLedger* ledger, SlabArena* arena, EngineOptions options);
  ~LocalEngine() override;

  // Once, before anything else: directory, identity, snapshot, log, replay.
  Status Start(RecoveryProgress* progress);

  Result<std::shared_ptr<DatasetWriter>> OpenWriter(std::string_view dataset,
                                                    const arrow::Schema& schema) override;
  Result<uint64_t> AppliedThrough(std::string_view dataset, const std::string& client,
                                  const std::string& stream) const override;
  void Delete(std::string_view dataset, std::vector<std::string> keys, WriteDone done) override;
  void AddEdges(std::string_view dataset, std::vector<NewEdge> edges, WriteDone done) override;
  Result<std::shared_ptr<const EdgeStore>> Edges(std::string_view dataset) const override;
  void DropDataset(std::string_view dataset, Done done) override;
  void CreateNamespace(std::string_view name, Done done) override;
  void DropNamespace(std::string_view name, Done done) override;
  std::vector<std::string> Namespaces() const override { return catalog_.Namespaces(); }

  Result<std::shared_ptr<const View>> Pin(std::string_view dataset) const override;
  Result<DatasetInfo> Info(std::string_view dataset) const override;
  std::vector<DatasetInfo> Datasets() const override;
  void WhenIndexed(std::string_view dataset, Done done) override;
  int64_t IndexBacklog(std::string_view dataset) const override;

  void TakeSnapshot(SnapshotDone done) override { snapshotter_->Request(std::move(done)); }
  void Compact(std::string_view dataset, SnapshotDone done) override;
  bool CancelCompaction() override { return snapshotter_->CancelCompaction(); }
  Sequence committed() const override { return parts_.log->committed(); }
  void WhenDurable(std::optional<Sequence> sequence, Done done) override;
  Status health() const override { return parts_.log->health(); }
  const storage::RecoveryReport& recovery() const override { return recovery_; }
  const std::string& node_id() const override { return node_id_; }
  void ListCounters(CounterVisitor& visitor) const override;

 private:
  // ---- starting (engine_open.cc) ----
  Result<storage::Manifest> ReadManifest();
  Status CheckFresh();
  void Measure(const storage::Manifest& manifest, RecoveryProgress* progress);
  Status ReplayLog(const storage::Manifest& manifest, RecoveryProgress* progress);
  // engine_restore.cc
  Status RestoreCatalog(const storage::Manifest& manifest, const CatalogState& state);
  Status RestoreSnapshot(const storage::Manifest& manifest, const CatalogState& state,
                         RecoveryProgress* progress);
  Status ReplayRecord(const storage::LogRecord& record);
  Status ReplayCreate(const storage::LogRecord& record);
  Status ReplayDropNamespace(const storage::LogRecord& record);
  void ReplayDrop(const std::shared_ptr<Dataset>& dataset);

  Result<std::shared_ptr<Dataset>> Find(std::string_view name) const;
  Result<std::shared_ptr<Dataset>> CreateLocked(const std::string& name, const arrow::Schema& schema);
  // Logs a record of shard 0.
  Status AppendCatalog(RecordKind kind, BufferChain payload, std::vector<ApplyQueue*> queues,
                       std::vector<std::shared_ptr<Mutation>> mutations);

  EngineParts parts_;
  Catalog catalog_;
  const std::shared_ptr<ApplyQueue> catalog_queue_;  // of records about namespaces
  const std::shared_ptr<char> catalog_owner_;        // what the queue's tasks may rely on
  const std::shared_ptr<Snapshotter> snapshotter_;
  std::map<DatasetId, std::shared_ptr<Dataset>> replaying_;  // only in Start
  std::shared_ptr<FileLock> lock_;
  std::string node_id_;
  storage::RecoveryReport recovery_;
  uint64_t replayed_bytes_ = 0;
};

}  // namespace longbow::engine
