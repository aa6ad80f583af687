#include "longbow/engine/local_engine.h"

#include <arrow/type.h>

#include "longbow/engine/dataset_writer.h"
#include "longbow/engine/join.h"

namespace longbow::engine {
namespace {

constexpr ShardId kCatalogShard = 0;

Status NoDataset(std::string_view name) { return NotFound("dataset not found: ", name.substr(0, 256)); }

}  // namespace

LocalEngine::LocalEngine(const Environment& environment, MemoryLedger* ledger, SlabArena* arena,
                         EngineOptions options)
    : parts_(environment, ledger, arena, std::move(options)),
      catalog_queue_(std::make_shared<ApplyQueue>(environment.appliers, parts_.gate, [] {})),
      catalog_owner_(std::make_shared<char>()),
      snapshotter_(std::make_shared<Snapshotter>(&parts_, &catalog_, catalog_queue_.get())) {
  catalog_queue_->set_owner(catalog_owner_);
}

// The log's end settles every append; what is then left on the strands is applied here, so that every write
// hears of its outcome before the engine is gone.
LocalEngine::~LocalEngine() {
  snapshotter_->Stop();
  parts_.log.reset();
  parts_.gate->Close();
  for (const auto& dataset : catalog_.All()) dataset->queue().Drain();
  catalog_queue_->Drain();
}

Result<std::shared_ptr<Dataset>> LocalEngine::Find(std::string_view name) const {
  LB_ASSIGN_OR_RETURN(const auto parsed, DatasetName::Parse(name));
  auto dataset = catalog_.Visible(parsed.ToString());
  if (dataset == nullptr) return NoDataset(name);
  return dataset;
}

Result<std::shared_ptr<Dataset>> LocalEngine::CreateLocked(const std::string& name,
                                                           const arrow::Schema& schema) {
  LB_ASSIGN_OR_RETURN(auto read, ReadSchema(schema, parts_.options.schema_limits));
  LB_ASSIGN_OR_RETURN(auto message, EncodeSchema(schema));
  LB_ASSIGN_OR_RETURN(auto dataset, Dataset::Make(&parts_, catalog_.NextId(), name, std::move(read)));
  LB_RETURN_NOT_OK(dataset->AppendCreate(message, [this, weak = std::weak_ptr<Dataset>(dataset)] {
    const auto created = weak.lock();
    if (created == nullptr) return;
    catalog_.Show(created);
    parts_.counters.datasets_created.Add();
  }));
  catalog_.AddWritable(dataset);
  return dataset;
}

Result<std::shared_ptr<DatasetWriter>> LocalEngine::OpenWriter(std::string_view name,
                                                               const arrow::Schema& schema) {
  LB_ASSIGN_OR_RETURN(const auto parsed, DatasetName::Parse(name));
  const std::string full = parsed.ToString();
  const auto lock = catalog_.append_lock();
  auto dataset = catalog_.Writable(full);
  std::shared_ptr<const StoredLayout> layout;
  if (dataset == nullptr) {
    LB_ASSIGN_OR_RETURN(dataset, CreateLocked(full, schema));
    layout = dataset->appended_layout();
  } else {
    LB_ASSIGN_OR_RETURN(layout, dataset->Evolve(schema));
  }
  return StreamWriter::Make(&parts_, std::move(dataset), std::move(layout), schema);
}

Result<uint64_t> LocalEngine::AppliedThrough(std::string_view name, const std::string& client,
                                             const std::string& stream) const {
  const auto applied = parts_.retries.AppliedThrough(client, stream);
  if (!name.empty()) {
    LB_ASSIGN_OR_RETURN(const auto dataset, Find(name));
    const auto found = applied.find(dataset->id());
    return found == applied.end() ? 0 : found->second;
  }
  uint64_t through = 0;
  int datasets = 0;  // that still are there
  for (const auto& dataset : catalog_.VisibleAll()) {
    const auto found = applied.find(dataset->id());
    if (found == applied.end()) continue;
    through = found->second;
    ++datasets;
  }
  if (datasets > 1) {
    return InvalidArgument("this client wrote to ", datasets,
                           " datasets under that stream's name; say which, in \"dataset\"");
  }
  return through;
}

void LocalEngine::Delete(std::string_view name, std::vector<std::string> keys, WriteDone done) {
  auto dataset = Find(name);
  if (!dataset.ok()) return done(dataset.status());
  (*dataset)->AppendDelete(keys, std::move(done));
}

void LocalEngine::AddEdges(std::string_view name, std::vector<NewEdge> edges, WriteDone done) {
  auto dataset = Find(name);
  if (!dataset.ok()) return done(dataset.status());
  (*dataset)->AppendEdges(edges, std::move(done));
}

Result<std::shared_ptr<const EdgeStore>> LocalEngine::Edges(std::string_view name) const {
  LB_ASSIGN_OR_RETURN(const auto dataset, Find(name));
  return dataset->edges();
}

void LocalEngine::DropDataset(std::string_view name, Done done) {
  const auto append = [&]() -> Status {
    LB_ASSIGN_OR_RETURN(const auto parsed, DatasetName::Parse(name));
    const auto lock = catalog_.append_lock();
    const auto dataset = catalog_.Writable(parsed.ToString());
    if (dataset == nullptr) return NoDataset(name);
    LB_RETURN_NOT_OK(dataset->AppendDrop(
        [this, dataset] {
          catalog_.Hide(*dataset);
          dataset->Drop();
          parts_.counters.datasets_dropped.Add();
        },
        [done](const Result<WriteAck>& ack) { done(ack.status()); }));
    catalog_.RemoveWritable(*dataset);
    return Status::OK();
  };
  const Status status = append();
  if (!status.ok()) done(status);
}

// One record, but several queues that its effect waits for: each applies its part where it belongs among its
// own.
Status LocalEngine::AppendCatalog(RecordKind kind, BufferChain payload, std::vector<ApplyQueue*> queues,
                                  std::vector<std::shared_ptr<Mutation>> mutations) {
  storage::LogAppend append;
  append.shard = kCatalogShard;
  append.kind = static_cast<storage::RecordKind>(kind);
  append.durability = storage::Durability::kFsync;
  append.payload = std::move(payload);
  std::vector<std::shared_ptr<ApplyQueue>> held;
  for (ApplyQueue* queue : queues) held.push_back(queue->shared_from_this());
  auto settle = [held, mutations](const storage::LogPosition& position, const Status& status) {
    for (size_t i = 0; i < held.size(); ++i) held[i]->Settle(mutations[i], position, status);
  };
  LB_RETURN_NOT_OK(parts_.log->Append(std::move(append), std::move(settle)).status());
  for (size_t i = 0; i < queues.size(); ++i) queues[i]->Push(mutations[i]);
  return Status::OK();
}

void LocalEngine::CreateNamespace(std::string_view text, Done done) {
  const std::string name(text);
  const auto append = [&]() -> Status {
    LB_RETURN_NOT_OK(CheckNamespaceName(name));
    const auto lock = catalog_.append_lock();
    if (catalog_.HasNamespaceAppended(name)) {
      return Error(ErrorCode::kAlreadyExists, "namespace already exists: ", name);
    }
    auto mutation = std::make_shared<Mutation>();
    mutation->apply = [this, name](const storage::LogPosition& position) {
      catalog_.ShowNamespace(name);
      return WriteAck{position.sequence, 0, storage::Durability::kFsync};
    };
    mutation->done = [done](const Result<WriteAck>& ack) { done(ack.status()); };
    LB_RETURN_NOT_OK(AppendCatalog(RecordKind::kCreateNamespace, Encode(CreateNamespaceRecord{name}),
                                   {catalog_queue_.get()}, {mutation}));
    catalog_.AddNamespaceAppended(name);
    return Status::OK();
  };
  const Status status = append();
  if (!status.ok()) done(status);
}

void LocalEngine::DropNamespace(std::string_view text, Done done) {
  const std::string name(text);
  const auto append = [&]() -> Status {
    if (name == "default") {
      return Error(ErrorCode::kFailedPrecondition, "namespace default cannot be dropped; drop its datasets");
    }
    const auto lock = catalog_.append_lock();
    if (!catalog_.HasNamespaceAppended(name)) return NotFound("namespace not found: ", text.substr(0, 256));
    const auto datasets = catalog_.WritableIn(name);
    DropNamespaceRecord record{name, {}};
    std::vector<ApplyQueue*> queues{catalog_queue_.get()};
    std::vector<std::shared_ptr<Mutation>> mutations{std::make_shared<Mutation>()};
    const WriteDone one_done = [joined = Join(1 + datasets.size(), done)](const Result<WriteAck>& ack) {
      joined(ack.status());
    };
    mutations[0]->apply = [this, name](const storage::LogPosition& position) {
      catalog_.HideNamespace(name);
      return WriteAck{position.sequence, 0, storage::Durability::kFsync};
    };
    mutations[0]->done = one_done;
    for (const auto& dataset : datasets) {
      dataset->StopWrites();
      record.datasets.push_back(dataset->id());
      queues.push_back(&dataset->queue());
      mutations.push_back(std::make_shared<Mutation>());
      mutations.back()->apply = [this, dataset](const storage::LogPosition& position) {
        catalog_.Hide(*dataset);
        dataset->Drop();
        parts_.counters.datasets_dropped.Add();
        return WriteAck{position.sequence, 0, storage::Durability::kFsync};
      };
      mutations.back()->done = one_done;
      mutations.back()->passes_fence = true;
    }
    const Status status = AppendCatalog(RecordKind::kDropNamespace, Encode(record), queues, mutations);
    for (const auto& dataset : datasets) {
      if (!status.ok()) {
        dataset->ResumeWrites();
      } else {
        catalog_.RemoveWritable(*dataset);
      }
    }
    if (status.ok()) catalog_.RemoveNamespaceAppended(name);
    return status;
  };
  const Status status = append();
  if (!status.ok()) done(status);
}

Result<std::shared_ptr<const View>> LocalEngine::Pin(std::string_view name) const {
  LB_ASSIGN_OR_RETURN(const auto dataset, Find(name));
  return dataset->Pin();
}

Result<DatasetInfo> LocalEngine::Info(std::string_view name) const {
  LB_ASSIGN_OR_RETURN(const auto dataset, Find(name));
  return dataset->Info();
}

std::vector<DatasetInfo> LocalEngine::Datasets() const {
  std::vector<DatasetInfo> out;
  for (const auto& dataset : catalog_.VisibleAll()) {
    auto info = dataset->Info();
    if (info.ok()) out.push_back(std::move(*info));
  }
  return out;
}

void LocalEngine::WhenIndexed(std::string_view name, Done done) {
  std::vector<std::shared_ptr<Dataset>> datasets;
  if (name.empty()) {
    datasets = catalog_.VisibleAll();
  } else {
    auto dataset = Find(name);
    if (!dataset.ok()) return done(dataset.status());
    datasets.push_back(std::move(*dataset));
  }
  if (datasets.empty()) return done(Status::OK());
  const Done one_done = Join(datasets.size(), std::move(done));
  for (const auto& dataset : datasets) {
    dataset->WhenIndexed(one_done);
  }
}

void LocalEngine::Compact(std::string_view name, SnapshotDone done) {
  if (name.empty()) return snapshotter_->RequestCompaction(std::nullopt, std::move(done));
  const auto dataset = Find(name);
  if (!dataset.ok()) return done(dataset.status());
  if (const Status fence = (*dataset)->queue().fence(); !fence.ok()) return done(fence);
  snapshotter_->RequestCompaction((*dataset)->id(), std::move(done));
}

void LocalEngine::WhenDurable(std::optional<Sequence> sequence, Done done) {
  const Sequence newest = parts_.log->last_appended();
  const Sequence wanted = sequence.value_or(newest);
  if (wanted <= parts_.log->committed()) return done(Status::OK());
  if (wanted > newest) {
    return done(InvalidArgument("the sequence to wait for is ", wanted, ", the newest one is ", newest,
                                "; pass the token of an acknowledgement by this server"));
  }
  parts_.log->WhenDurable(std::move(done));
}

int64_t LocalEngine::IndexBacklog(std::string_view name) const {
  const auto dataset = Find(name);
  return dataset.ok() ? (*dataset)->IndexBacklog() : 0;
}

void LocalEngine::ListCounters(CounterVisitor& visitor) const {
  const auto& c = parts_.counters;
  visitor.Visit("batches_written_total", "Record batches acknowledged.", {}, c.batches_written);
  visitor.Visit("rows_written_total", "Rows acknowledged.", {}, c.rows_written);
  visitor.Visit("bytes_written_total", "Log payload bytes of acknowledged batches.", {}, c.bytes_written);
  visitor.Visit("rows_deleted_total", "Rows that deletes removed.", {}, c.rows_deleted);
  visitor.Visit("edges_added_total", "Edges added or weighed anew.", {}, c.edges_added);
  visitor.Visit("batches_rejected_total", "Record batches refused before they were logged.", {},
                c.batches_rejected);
  visitor.Visit("duplicates_ignored_total", "Batches recognised as sent again.", {}, c.duplicates_ignored);
  visitor.Visit("datasets_created_total", "Datasets created.", {}, c.datasets_created);
  visitor.Visit("datasets_dropped_total", "Datasets dropped.", {}, c.datasets_dropped);
  visitor.Visit("datasets_fenced_total", "Datasets fenced because work for them failed.", {},
                c.datasets_fenced);
  visitor.Visit("background_task_failures_total", "Tasks in the background that ended with an exception.", {},
                TaskFailures());
  visitor.Visit("bm25_documents_indexed_total", "Rows whose text or weights were indexed.", {},
                *parts_.documents_indexed);
  visitor.Visit("blocks_merged_total", "Row blocks merged into larger ones.", {}, c.blocks_merged);
  visitor.Visit("apply_duration_seconds", "Time to apply one batch.", {}, c.apply_nanos, 1e-9);
  visitor.Visit("write_ack_duration_seconds", "Time from append to acknowledgement.", {}, c.ack_nanos, 1e-9);
  visitor.VisitValue("namespaces_total", "Namespaces.", {},
                     static_cast<double>(catalog_.Namespaces().size()));
  visitor.Visit("wal_replay_duration_seconds", "Time to replay the log at the start.", {}, c.replay_nanos,
                1e-9);
  int64_t indexed = 0, behind = 0, waiting = catalog_queue_->waiting();
  for (const auto& dataset : catalog_.VisibleAll()) {
    const auto info = dataset->Info();
    if (!info.ok()) continue;
    const int64_t backlog = dataset->IndexBacklog();
    const int64_t nodes = info->schema->vectors.empty() ? 0 : std::max<int64_t>(0, info->rows - backlog);
    indexed += nodes;
    behind += backlog;
    waiting += dataset->queue().waiting();
    const Labels labels{{"dataset", info->name}};
    visitor.VisitValue(
        "dataset_durability", "1; the level is its label.",
        {{"dataset", info->name}, {"level", std::string(storage::DurabilityName(info->schema->durability))}},
        1);
    if (const Status fence = dataset->queue().fence(); !fence.ok()) {
      visitor.VisitValue("dataset_fenced", "1 for a dataset that is refused until it is loaded again.",
                         {{"dataset", info->name}, {"reason", std::string(fence.message())}}, 1);
    }
    visitor.VisitValue("hnsw_node_count", "Rows in a dataset's vector index.", labels,
                       static_cast<double>(nodes));
    visitor.VisitValue("sharded_hnsw_shard_size", "Alias of hnsw_node_count: a dataset has one shard.",
                       {{"dataset", info->name}, {"shard", "0"}}, static_cast<double>(nodes));
    visitor.VisitValue("dataset_bytes", "Bytes of vectors and payload.", labels,
                       static_cast<double>(info->bytes));
    visitor.VisitValue("dataset_rows", "Visible rows.", labels, static_cast<double>(info->rows));
    visitor.VisitValue("schema_version_current", "Schema version.", labels, info->schema->version);
    visitor.VisitValue("tombstones_total", "Row versions that died.", labels,
                       static_cast<double>(dataset->tombstones()));
    dataset->ListIndexGauges(visitor);
  }
  visitor.VisitValue("vector_index_size", "Rows in vector indexes.", {}, static_cast<double>(indexed));
  visitor.VisitValue("index_queue_depth", "Rows visible and not yet indexed.", {},
                     static_cast<double>(behind));
  visitor.VisitValue("ingestion_lag_count", "Writes and other changes handed to the log, not yet applied.",
                     {}, static_cast<double>(waiting));
  snapshotter_->counters().List(visitor);
  parts_.log->counters().List(visitor);
}

}  // namespace longbow::engine
