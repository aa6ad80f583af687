#include "longbow/engine/dataset.h"

#include <arrow/type.h>

#include <algorithm>

#include "longbow/base/check.h"
#include "longbow/engine/join.h"
#include "longbow/engine/text_columns.h"

namespace longbow::engine {
namespace {

// Ordinals are 32 bits wide; batches are refused before the last ones are handed out.
constexpr uint64_t kMaxRowVersions = uint64_t{kNoRow} - (uint64_t{1} << 26);

// Appended, not yet on disk, not a client's: creation, evolution and drops are always flushed.
constexpr auto kCatalogDurability = storage::Durability::kFsync;

// Beyond so many dimensions vectors are what the log consists of, and it looks whether they compress.
constexpr uint32_t kWideVector = 1024;

bool HasWideVectors(const DatasetSchema& schema) {
  return std::any_of(schema.vectors.begin(), schema.vectors.end(),
                     [](const VectorColumn& column) { return column.dim > kWideVector; });
}

int64_t RowBytes(const VectorColumn& column) {
  return static_cast<int64_t>(distance::ScalarBytes(column.type)) * distance::ScalarsPerElement(column.type) *
         column.dim;
}

}  // namespace

ShardInput EngineParts::shard_input() const {
  return {environment, ledger, arena, gate, documents_indexed, recovering};
}

Result<std::shared_ptr<Dataset>> Dataset::Make(EngineParts* parts, DatasetId id, std::string name,
                                               std::shared_ptr<const DatasetSchema> schema) {
  auto dataset =
      std::shared_ptr<Dataset>(new Dataset(parts, id, std::move(name), StoredLayout::Make(schema)));
  dataset->queue_->set_owner(dataset);
  dataset->queue_->WhenFenced([parts, name = dataset->name_](const Status& why) {
    parts->counters.datasets_fenced.Add();
    parts->options.fenced(name, why);
  });
  // Not the dataset itself: who lets go of it last would wait for its own task.
  dataset->shard_->WhenBroken([weak = std::weak_ptr<ApplyQueue>(dataset->queue_)](const std::string& what) {
    if (const auto queue = weak.lock()) queue->Fence(what);
  });
  dataset->shard_->WhenForgetDue([weak = std::weak_ptr<Dataset>(dataset)] {
    if (const auto self = weak.lock()) self->PostForget();
  });
  LB_ASSIGN_OR_RETURN(auto vectors, dataset->shard_->MakeVectors(*schema, 0));
  dataset->shard_->AddVectors(std::move(vectors));
  return dataset;
}

Dataset::Dataset(EngineParts* parts, DatasetId id, std::string name,
                 std::shared_ptr<const StoredLayout> layout)
    : parts_(parts),
      id_(id),
      name_(std::move(name)),
      queue_(std::make_shared<ApplyQueue>(parts->environment.appliers, parts->gate, [this] { Publish(); })),
      edges_(std::make_shared<EdgeStore>(layout->schema->key, parts->ledger)),
      appended_(layout),
      shard_(std::make_shared<Shard>(parts->shard_input(), name_, *layout, id)),
      applied_(layout) {
  published_.shard = shard_;
  published_.layout = std::move(layout);
  published_.blocks = std::make_shared<const RowBlocks>();
}

Dataset::~Dataset() = default;

std::shared_ptr<const StoredLayout> Dataset::appended_layout() const {
  std::lock_guard lock(append_mutex_);
  return appended_;
}

Dataset::Published Dataset::published() const {
  std::lock_guard lock(state_mutex_);
  return published_;
}

Status Dataset::Append(RecordKind kind, storage::Durability durability, BufferChain payload,
                       std::shared_ptr<Mutation> mutation, std::vector<KnownCrc> known_crcs) {
  storage::LogAppend append;
  append.shard = id_;
  append.kind = static_cast<storage::RecordKind>(kind);
  append.schema_version = appended_->schema->version;
  append.durability = durability;
  append.async_window = appended_->schema->async_window;
  append.try_compression = kind == RecordKind::kPut && HasWideVectors(*appended_->schema);
  append.gives_room = kind == RecordKind::kDelete || kind == RecordKind::kDropDataset;
  append.payload = std::move(payload);
  append.known_crcs = std::move(known_crcs);
  auto settle = [self = shared_from_this(), mutation](const storage::LogPosition& position, Status status) {
    self->queue_->Settle(mutation, position, std::move(status));
  };
  LB_RETURN_NOT_OK(parts_->log->Append(std::move(append), std::move(settle)).status());
  queue_->Push(std::move(mutation));
  return Status::OK();
}

Status Dataset::AppendCreate(const IpcMessage& schema, std::function<void()> applied) {
  CreateDatasetRecord record{id_, name_, schema};
  auto mutation = std::make_shared<Mutation>();
  mutation->apply = [this, applied = std::move(applied)](const storage::LogPosition& position) {
    applied_sequence_ = position.sequence;
    Publish();
    applied();
    return WriteAck{position.sequence, 0, kCatalogDurability};
  };
  mutation->done = [](const Result<WriteAck>&) {};
  std::lock_guard lock(append_mutex_);
  return Append(RecordKind::kCreateDataset, kCatalogDurability, Encode(record), std::move(mutation));
}

Result<std::shared_ptr<const StoredLayout>> Dataset::Evolve(const arrow::Schema& incoming) {
  std::lock_guard lock(append_mutex_);
  const auto shard = published().shard;
  if (dropped_ || shard == nullptr) return NotThere();
  LB_RETURN_NOT_OK(queue_->fence());
  LB_ASSIGN_OR_RETURN(auto merged, MergeSchema(appended_->schema, incoming, parts_->options.schema_limits));
  if (merged == appended_->schema) return appended_;
  const size_t known = appended_->schema->vectors.size();
  int64_t bytes = 0;  // rows so far get room for their missing vectors
  for (size_t i = known; i < merged->vectors.size(); ++i) {
    bytes += static_cast<int64_t>(rows_appended_) * RowBytes(merged->vectors[i]);
  }
  auto mutation = std::make_shared<Mutation>();
  LB_ASSIGN_OR_RETURN(mutation->memory, parts_->ledger->Reserve(MemoryUse::kSlabs, bytes));
  LB_ASSIGN_OR_RETURN(auto vectors, shard->MakeVectors(*merged, known));
  auto made = std::make_shared<std::vector<std::unique_ptr<ShardVectors>>>(std::move(vectors));
  auto layout = StoredLayout::Make(merged);
  EvolveSchemaRecord record;
  LB_ASSIGN_OR_RETURN(record.schema, EncodeSchema(incoming));
  mutation->apply = [this, layout, made](const storage::LogPosition& position) {
    ApplyLayout(position.sequence, layout, std::move(*made));
    return WriteAck{position.sequence, 0, kCatalogDurability};
  };
  mutation->done = [](const Result<WriteAck>&) {};
  LB_RETURN_NOT_OK(
      Append(RecordKind::kEvolveSchema, kCatalogDurability, Encode(record), std::move(mutation)));
  appended_ = layout;
  return layout;
}

void Dataset::AppendPut(PreparedPut put, PutRecord record, MemoryReservation message,
                        MemoryReservation memory, WriteDone done) {
  const auto now = EnterPut(std::move(put), std::move(record), std::move(message), std::move(memory), &done);
  if (!now.ok()) {
    done(now.status());
  } else if (now->has_value()) {
    done(**now);
  }
}

Result<std::optional<WriteAck>> Dataset::EnterPut(PreparedPut put, PutRecord record,
                                                  MemoryReservation message, MemoryReservation memory,
                                                  WriteDone* done) {
  std::lock_guard lock(append_mutex_);
  if (dropped_) return NotThere();
  LB_RETURN_NOT_OK(queue_->fence());
  const auto rows = static_cast<uint64_t>(put.rows);
  if (rows_appended_ + rows > kMaxRowVersions) {
    return Error(ErrorCode::kResourceExhausted, "dataset ", name_, " has had ", rows_appended_,
                 " row versions, all that one shard can number; write to a new dataset");
  }
  WriteAck known;
  switch (parts_->retries.Begin(id_, record.retry, done, &known)) {
    case RetryTable::Verdict::kKnown:
      parts_->counters.duplicates_ignored.Add();
      return known;
    case RetryTable::Verdict::kUnderWay:
      parts_->counters.duplicates_ignored.Add();
      return std::nullopt;
    case RetryTable::Verdict::kNew:
      break;
  }
  record.rows = put.rows;
  record.hidden_keys = appended_->schema->key == KeyKind::kHidden;
  if (record.hidden_keys) {
    record.first_hidden_key = next_hidden_key_;
    put.DrawKeys(next_hidden_key_);
  }
  BufferChain payload = Encode(record);
  auto known_crcs = KnownCrcs(put, record.batch.body);
  for (auto& known : known_crcs) known.offset += payload.size() - record.batch.body.size();  // it comes last
  auto shared_done = std::make_shared<WriteDone>(std::move(*done));
  auto mutation = std::make_shared<Mutation>();
  mutation->message = std::move(message);
  mutation->memory = std::move(memory);
  mutation->done = WhenPut(record, payload.size(), shared_done);
  mutation->apply =
      [this, prepared = std::make_shared<PreparedPut>(std::move(put))](const storage::LogPosition& position) {
        return ApplyPut(position.sequence, prepared.get());
      };
  const Status status = Append(RecordKind::kPut, appended_->schema->durability, std::move(payload),
                               std::move(mutation), std::move(known_crcs));
  if (!status.ok()) {
    // Under the append lock, so no second sender can be waiting for this one.
    parts_->retries.Abandon(id_, record.retry);
    *done = std::move(*shared_done);
    return status;
  }
  if (record.hidden_keys) next_hidden_key_ += rows;
  rows_appended_ += rows;
  return std::nullopt;
}

// Counts the put, and answers its sender and those who sent the same again meanwhile.
WriteDone Dataset::WhenPut(const PutRecord& record, int64_t bytes, std::shared_ptr<WriteDone> sender) const {
  return [parts = parts_, id = id_, retry = record.retry, rows = record.rows, bytes,
          began = parts_->environment.clock->MonotonicNanos(),
          sender = std::move(sender)](const Result<WriteAck>& ack) {
    auto waiters = ack.ok() ? parts->retries.Finish(id, retry, *ack) : parts->retries.Abandon(id, retry);
    if (ack.ok()) {
      parts->counters.batches_written.Add();
      parts->counters.rows_written.Add(rows);
      parts->counters.bytes_written.Add(bytes);
      parts->counters.ack_nanos.Record(parts->environment.clock->MonotonicNanos() - began);
    }
    (*sender)(ack);
    for (auto& waiter : waiters) waiter(ack);
  };
}

void Dataset::AppendDelete(const std::vector<std::string>& texts, WriteDone done) {
  const auto append = [&]() -> Status {
    DeleteRecord record;
    record.kind = published().layout->schema->key;
    for (const auto& text : texts) {
      LB_ASSIGN_OR_RETURN(auto key, ParseKey(record.kind, text));
      record.keys.push_back(std::move(key));
    }
    LB_RETURN_NOT_OK(CheckKeysKnown(record.keys, texts));
    std::lock_guard lock(append_mutex_);
    if (dropped_) return NotThere();
    LB_RETURN_NOT_OK(queue_->fence());
    const auto durability = appended_->schema->durability;
    BufferChain payload = Encode(record);
    auto mutation = std::make_shared<Mutation>();
    auto keys = std::make_shared<std::vector<Key>>(std::move(record.keys));
    mutation->apply = [this, keys, durability](const storage::LogPosition& position) {
      const int64_t died = shard_->Delete(position.sequence, *keys);
      applied_sequence_ = position.sequence;
      CountRows(0, died);
      parts_->counters.rows_deleted.Add(died);
      return WriteAck{position.sequence, died, durability};
    };
    auto shared_done = std::make_shared<WriteDone>(std::move(done));
    mutation->done = [shared_done](Result<WriteAck> ack) { (*shared_done)(std::move(ack)); };
    const Status status = Append(RecordKind::kDelete, durability, std::move(payload), std::move(mutation));
    if (!status.ok()) done = std::move(*shared_done);
    return status;
  };
  const Status status = append();
  if (!status.ok()) done(status);
}

Status Dataset::CheckKeysKnown(const std::vector<Key>& keys, const std::vector<std::string>& texts) const {
  const Published state = published();
  if (state.shard == nullptr) return NotThere();
  const ReadEpoch reading(state.shard->epochs());
  const Visibility visibility{&state.shard->versions(), state.sequence, state.end};
  for (size_t i = 0; i < keys.size(); ++i) {
    bool known = false;
    state.shard->FindKey(keys[i], *state.blocks, visibility, &known);
    if (!known) return NotFound("id ", texts[i].substr(0, 256), " not found in dataset ", name_);
  }
  return Status::OK();
}

Status Dataset::AppendDrop(std::function<void()> applied, WriteDone done) {
  auto mutation = std::make_shared<Mutation>();
  mutation->apply = [applied = std::move(applied)](const storage::LogPosition& position) {
    applied();
    return WriteAck{position.sequence, 0, kCatalogDurability};
  };
  mutation->done = std::move(done);
  mutation->passes_fence = true;
  std::lock_guard lock(append_mutex_);
  if (dropped_) return NotThere();
  LB_RETURN_NOT_OK(
      Append(RecordKind::kDropDataset, kCatalogDurability, Encode(DropDatasetRecord{}), mutation));
  dropped_ = true;
  return Status::OK();
}

bool Dataset::StopWrites() {
  std::lock_guard lock(append_mutex_);
  return !std::exchange(dropped_, true);
}

void Dataset::ResumeWrites() {
  std::lock_guard lock(append_mutex_);
  dropped_ = false;
}

// ---- apply ----

void Dataset::CountRows(int64_t put, int64_t died) {
  if (applied_->schema->durability == storage::Durability::kMemory) return;
  parts_->rows_put.fetch_add(put, std::memory_order_relaxed);
  parts_->rows_died.fetch_add(died, std::memory_order_relaxed);
}

Result<WriteAck> Dataset::ApplyPut(Sequence at, PreparedPut* put) {
  const int64_t began = parts_->environment.clock->MonotonicNanos();
  CountRows(put->rows, shard_->Put(at, *put));
  applied_sequence_ = at;
  parts_->counters.blocks_merged.Add(shard_->blocks_merged() - merged_counted_);
  merged_counted_ = shard_->blocks_merged();
  parts_->counters.apply_nanos.Record(parts_->environment.clock->MonotonicNanos() - began);
  return WriteAck{at, put->rows, applied_->schema->durability};
}

void Dataset::ApplyLayout(Sequence at, std::shared_ptr<const StoredLayout> layout,
                          std::vector<std::unique_ptr<ShardVectors>> vectors) {
  shard_->AddVectors(std::move(vectors));
  applied_ = std::move(layout);
  applied_sequence_ = at;
}

void Dataset::Publish() {
  if (shard_ == nullptr) return;
  std::shared_ptr<const View> old_view;  // let go of outside the lock
  std::shared_ptr<const RowBlocks> blocks;
  {
    std::lock_guard lock(state_mutex_);
    if (published_.sequence == applied_sequence_ && !std::exchange(renew_, false)) return;
    published_.layout = applied_;
    blocks = published_.blocks = std::make_shared<const RowBlocks>(shard_->block_list().blocks());
    published_.end = shard_->end();
    published_.sequence = applied_sequence_;
    published_.live_rows = shard_->live_rows();
    published_.bytes = shard_->vector_bytes() + shard_->block_list().bytes();
    old_view = std::move(view_);
    view_ = nullptr;
  }
  old_view = nullptr;
  shard_->Published(applied_sequence_, blocks, shard_->end());
  if (texted_ != applied_) BeginTexts(blocks);
  parts_->published();
}

void Dataset::BeginTexts(const std::shared_ptr<const RowBlocks>& blocks) {
  texted_ = applied_;
  const auto columns = DeclaredTextColumns(*applied_->schema);
  if (!columns) return;
  (void)shard_->Texts(*columns, blocks, shard_->end());  // beyond their number searches are told
}

void Dataset::PostForget() {
  if (forget_posted_.exchange(true)) return;
  auto forget = std::make_shared<Mutation>();
  forget->apply = [this](const storage::LogPosition&) {
    forget_posted_ = false;
    if (shard_ != nullptr) renew_ = shard_->Forget() || renew_;
    return WriteAck{};
  };
  forget->done = [](const Result<WriteAck>&) {};
  forget->settled = true;
  std::lock_guard lock(append_mutex_);
  queue_->Push(std::move(forget));
}

void Dataset::Drop() {
  std::shared_ptr<const View> old_view;
  Published old;
  {
    std::lock_guard lock(state_mutex_);
    old_view = std::move(view_);
    view_ = nullptr;
    old = std::move(published_);
    published_ = Published{};
    published_.layout = old.layout;
  }
  if (shard_ != nullptr) CountRows(0, shard_->live_rows());
  shard_ = nullptr;
}

// ---- reading ----

Result<std::shared_ptr<const View>> Dataset::Pin() const {
  LB_RETURN_NOT_OK(queue_->fence());
  std::lock_guard lock(state_mutex_);
  if (published_.shard == nullptr) return NotThere();
  if (view_ == nullptr) {
    view_ = std::make_shared<const View>(
        published_.shard, published_.layout->schema, published_.blocks,
        Visibility{&published_.shard->versions(), published_.sequence, published_.end}, published_.live_rows);
  }
  return view_;
}

Result<DatasetInfo> Dataset::Info() const {
  const Published state = published();
  if (state.shard == nullptr) return NotThere();
  return DatasetInfo{name_, state.layout->schema, state.live_rows, state.bytes};
}

void Dataset::WhenIndexed(Done when_indexed) const {
  if (const Status fence = queue_->fence(); !fence.ok()) return when_indexed(fence);
  // Of what fails meanwhile the fence says more.
  Done done = [weak = std::weak_ptr<ApplyQueue>(queue_),
               when_indexed = std::move(when_indexed)](const Status& status) {
    const auto queue = weak.lock();
    const Status fence = queue == nullptr ? Status::OK() : queue->fence();
    when_indexed(fence.ok() ? status : fence);
  };
  const Published state = published();
  if (state.shard == nullptr) return done(NotThere());
  const size_t columns = state.layout->schema->vectors.size();
  const auto texts = state.shard->texts().Made();
  if (columns + texts.size() == 0) return done(Status::OK());
  const Done one_done = Join(columns + texts.size(), std::move(done));
  for (size_t i = 0; i < columns; ++i) {
    state.shard->vectors(static_cast<int>(i)).index->WhenIndexed(state.end, one_done);
  }
  for (text::TextIndex* index : texts) index->WhenIndexed(state.end, one_done);
}

int64_t Dataset::IndexBacklog() const {
  const Published state = published();
  if (state.shard == nullptr) return 0;
  RowOrdinal indexed = state.end;
  for (size_t i = 0; i < state.layout->schema->vectors.size(); ++i) {
    indexed = std::min(indexed, state.shard->vectors(static_cast<int>(i)).index->indexed_end());
  }
  for (const text::TextIndex* index : state.shard->texts().Made()) {
    indexed = std::min(indexed, index->indexed_end());
  }
  return int64_t{state.end} - indexed;
}

void Dataset::ListIndexGauges(CounterVisitor& visitor) const {
  const Published state = published();
  if (state.shard == nullptr) return;
  const auto& columns = state.layout->schema->vectors;
  for (size_t i = 0; i < columns.size(); ++i) {
    const index::VectorIndex& index = *state.shard->vectors(static_cast<int>(i)).index;
    const Labels labels{{"dataset", name_}, {"column", columns[i].name}};
    visitor.VisitValue("index_bytes", "Bytes of a column's vector index, beside the vectors.", labels,
                       static_cast<double>(index.memory_bytes()));
    for (const index::IndexGauge& gauge : index.Gauges()) {
      visitor.VisitValue("index_" + std::string(gauge.name), gauge.help, labels, gauge.value);
    }
  }
}

int64_t Dataset::tombstones() const {
  const Published state = published();
  return state.shard == nullptr ? 0 : state.shard->tombstones();
}

}  // namespace longbow::engine
