#include "longbow/engine/snapshotter.h"

#include <algorithm>
#include <bit>
#include <exception>
#include <iterator>
#include <limits>
#include <new>
#include <utility>

#include "longbow/base/writers_busy.h"
#include "longbow/engine/join.h"
#include "longbow/engine/sealed_block_writer.h"

namespace longbow::engine {
namespace {

// An index is saved again once this share of its rows came or went; until then a start links the rest.
constexpr int64_t kSaveIndexShare = 8;
// A snapshot that failed, for want of space or another reason that may pass, is tried again after so long.
constexpr int64_t kTryAgainNanos = 1'000'000'000;
// One that is due steps aside while puts arrive, and until none did for so many looks, but not beyond so many
// times the log that made it due.
constexpr uint64_t kMostLogAside = 2;
constexpr int64_t kLookAgainNanos = 50'000'000;
constexpr int kQuietLooks = 20;
// One is due once what died holds this share of what lives, and more; answers to puts wait for it beyond that
// one, unless they are so small that they do not matter.
constexpr int64_t kDueShare = 4;
constexpr int64_t kHoldShare = 2;
constexpr int64_t kLeastHeld = int64_t{64} << 10;
constexpr int64_t kHoldNanos = 1'000'000'000;
// Segments of the log are this share of what lives, but no smaller than that.
constexpr uint64_t kSegmentsOfLive = 16;
// Rows replace rows where at least one in so many put makes one die.
constexpr int64_t kReplaces = 5;
constexpr uint64_t kLeastSegment = uint64_t{16} << 20;

Status Cancelled() { return Error(ErrorCode::kCancelled, "snapshot: the engine is being closed"); }
Status CompactionCancelled() { return Error(ErrorCode::kCancelled, "the compaction was cancelled"); }

int64_t LiveRows(const storage::BlockEntry& block) {
  int64_t dead = 0;
  for (const char byte : block.dead) dead += std::popcount(static_cast<unsigned char>(byte));
  return int64_t{block.end_row} - block.first_row - dead;
}

// An exception fences the dataset of which something was to be written; of a fenced one nothing is.
Status FenceOnFailure(ApplyQueue* queue, const std::function<Status()>& write) {
  if (!queue->fence().ok()) return Status::OK();
  try {
    return write();
  } catch (const std::bad_alloc&) {
    throw;  // which is not of this dataset; it is tried again
  } catch (...) {
    queue->Fence("writing it to a snapshot failed: " + CurrentFailure());
    return Status::OK();
  }
}

}  // namespace

void SnapshotCounters::List(CounterVisitor& visitor) const {
  const char* const help = "Snapshots by outcome.";
  visitor.Visit("snapshot_operations_total", help, {{"status", "ok"}}, taken);
  visitor.Visit("snapshot_operations_total", help, {{"status", "error"}}, failed);
  visitor.Visit("snapshot_operations_total", help, {{"status", "cancelled"}}, cancelled);
  visitor.Visit("snapshot_duration_seconds", "Time to take a snapshot.", {}, nanos, 1e-9);
  visitor.Visit("snapshot_running", "1 while a snapshot is taken.", {}, running);
  visitor.Visit("snapshot_sequence", "Sequence of the newest snapshot.", {}, sequence);
  visitor.Visit("snapshot_datasets_behind",
                "Fenced datasets of which the newest snapshot has an older state; the log is kept for them.",
                {}, datasets_behind);
  visitor.Visit("snapshot_blocks", "Sealed row blocks of the newest snapshot.", {}, blocks);
  visitor.Visit("snapshot_block_bytes", "Bytes in them.", {}, block_bytes);
  visitor.Visit("snapshot_blocks_written_total", "Sealed row blocks written.", {}, blocks_written);
  visitor.Visit("snapshot_block_bytes_written_total", "Bytes of sealed row blocks written.", {},
                block_bytes_written);
  visitor.Visit("compaction_blocks_total",
                "Sealed row blocks written again, or left out, for their dead rows.", {}, blocks_compacted);
  visitor.Visit("compaction_running", "1 while a compaction that was asked for is under way.", {},
                compacting);
  visitor.Visit("compaction_cancelled_total", "Compactions that were asked for and cancelled.", {},
                compactions_cancelled);
  visitor.Visit("compaction_failed_total",
                "Snapshots that were taken and could not write blocks again without their dead rows.", {},
                compactions_failed);
  visitor.Visit("compaction_blocks_merged_total", "Small sealed row blocks merged into larger ones.", {},
                blocks_merged);
  visitor.Visit("snapshot_answers_held_total",
                "Puts whose answer waited for a snapshot, as rows were replaced faster than it went.", {},
                answers_held);
  visitor.Visit("snapshot_indexes_written_total", "Indexes saved.", {}, derived_written);
  visitor.Visit("snapshot_files_removed_total", "Files removed that no manifest names any more.", {},
                files_removed);
}

Snapshotter::Snapshotter(EngineParts* parts, Catalog* catalog, ApplyQueue* catalog_queue)
    : parts_(parts), catalog_(catalog), catalog_queue_(catalog_queue), store_(parts->environment.files) {}

Status Snapshotter::Open(storage::Manifest manifest, const CatalogState& state) {
  LB_RETURN_NOT_OK(store_.Open(manifest));
  manifest_ = std::move(manifest);
  for (const auto& dataset : state.datasets) sealed_end_[dataset.id] = dataset.rows;
  for (const auto& entry : manifest_.derived) {
    int64_t live = 0;
    for (const auto& block : manifest_.blocks) live += block.shard == entry.shard ? LiveRows(block) : 0;
    const RowOrdinal end = sealed_end_[entry.shard];
    saved_[{entry.shard, entry.column}] = {end, int64_t{end} - live};
  }
  ShowBlocks();
  return Status::OK();
}

void Snapshotter::ShowBlocks() {
  int64_t bytes = 0, rows = 0, live = 0;
  for (const auto& block : manifest_.blocks) {
    bytes += static_cast<int64_t>(block.bytes);
    rows += block.rows;
    live += LiveRows(block);
  }
  block_rows_ = rows;
  live_rows_ = live;
  counters_.blocks.Set(static_cast<int64_t>(manifest_.blocks.size()));
  counters_.block_bytes.Set(bytes);
  counters_.sequence.Set(static_cast<int64_t>(manifest_.snapshot_sequence));
  counters_.datasets_behind.Set(static_cast<int64_t>(manifest_.behind.size()));
}

void Snapshotter::Start(uint64_t replayed) {
  counters_.files_removed.Add(store_.RemoveUnnamed(manifest_));
  SetMark({LogBytes() - replayed, 0, 0});
  log_mark_ = mark();
  SetLogRoom(/*replaces=*/true);
  started_ = true;
  PostTimer();
}

uint64_t Snapshotter::LogBytes() const {
  return static_cast<uint64_t>(parts_->log->counters().bytes_appended.value());
}

Snapshotter::Mark Snapshotter::MarkNow() const {
  return {LogBytes(), parts_->rows_put.load(std::memory_order_relaxed),
          parts_->rows_died.load(std::memory_order_relaxed)};
}

Snapshotter::Mark Snapshotter::mark() const {
  std::lock_guard lock(mark_mutex_);
  return mark_;
}

void Snapshotter::SetMark(const Mark& mark) {
  std::lock_guard lock(mark_mutex_);
  mark_ = mark;
}

// What rows that died since then take, in the log and in blocks, beyond that share of what lives.
double Snapshotter::DeadBytesBeyond(const Mark& since, int64_t share) const {
  const Mark now = MarkNow();
  const int64_t put = now.rows_put - since.rows_put, died = now.rows_died - since.rows_died;
  const int64_t more = died - (live_rows_ + put - died) / share, rows = block_rows_ + put;
  if (more <= 0 || rows <= 0) return 0;
  const double bytes = static_cast<double>(counters_.block_bytes.value()) +
                       static_cast<double>(now.log_bytes - since.log_bytes);
  return bytes / static_cast<double>(rows) * static_cast<double>(more);
}

bool Snapshotter::ManyDied() const {
  return DeadBytesBeyond(mark(), kDueShare) >= static_cast<double>(parts_->options.snapshot_dead_bytes);
}

bool Snapshotter::TooManyDied() const {
  if (stopping_ || counters_.running.value() == 0) return false;
  Mark cut;
  {
    std::lock_guard lock(mark_mutex_);
    cut = log_mark_;
  }
  return DeadBytesBeyond(cut, kHoldShare) >= static_cast<double>(parts_->options.snapshot_dead_bytes);
}

void Snapshotter::Answer(int64_t bytes, Result<WriteAck> ack, const WriteDone& done) {
  if (bytes < kLeastHeld || !TooManyDied()) return done(std::move(ack));
  bool first = false;
  {
    std::lock_guard lock(held_mutex_);
    first = held_.empty();
    held_.push_back([done, ack = std::move(ack)] { done(ack); });
  }
  counters_.answers_held.Add();
  if (stopping_) return LetAnswersGo();
  if (!first) return;
  // Not on a builder: they may all wait for the disk.
  parts_->environment.appliers->PostAfter(kHoldNanos, [gate = gate_, weak = weak_from_this()] {
    gate->Run([&] {
      if (const auto self = weak.lock()) self->LetAnswersGo();
    });
  });
}

void Snapshotter::LetAnswersGo() {
  std::vector<std::function<void()>> held;
  {
    std::lock_guard lock(held_mutex_);
    held.swap(held_);
  }
  for (const auto& answer : held) answer();
}

void Snapshotter::RequestIfDue() {
  const uint64_t limit = parts_->options.snapshot_log_bytes;
  bool due = false;
  gate_->Run([&] {
    const uint64_t logged = LogBytes() - mark().log_bytes;
    const bool many_died = limit > 0 && started_ && ManyDied();
    due = limit > 0 && started_ && (many_died || logged >= limit) &&
          parts_->environment.clock->MonotonicNanos() >= not_before_ns_;
    if (!due) {
      quiet_looks_ = 0;
    } else if (!many_died && logged / limit < kMostLogAside && StepsAside()) {
      due = false;
      LookAgain();
    }
  });
  if (!due || due_posted_.exchange(true)) return;
  parts_->environment.builders->Post([gate = gate_, weak = weak_from_this()] {
    gate->Run([&] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      self->Request([weak](const Result<SnapshotInfo>&) {
        if (const auto waiting = weak.lock()) waiting->due_posted_ = false;
      });
    });
  });
}

bool Snapshotter::StepsAside() {
  if (WritersBusy(*parts_->ledger)) quiet_looks_ = 0;
  return quiet_looks_ < kQuietLooks;
}

void Snapshotter::LookAgain() {
  if (looking_again_.exchange(true)) return;
  parts_->environment.builders->PostAfter(kLookAgainNanos, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->looking_again_ = false;
    ++self->quiet_looks_;
    self->RequestIfDue();
  });
}

void Snapshotter::PostTimer() {
  const int64_t interval = parts_->options.snapshot_interval_ns;
  if (interval <= 0) return;
  parts_->environment.builders->PostAfter(interval, [gate = gate_, weak = weak_from_this()] {
    gate->Run([&] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      if (self->LogBytes() != self->mark().log_bytes) self->Request([](const Result<SnapshotInfo>&) {});
      self->PostTimer();
    });
  });
}

void Snapshotter::Request(SnapshotDone done) {
  Enqueue({std::move(done)}, [](Compaction*) {});
}

void Snapshotter::RequestCompaction(std::optional<DatasetId> dataset, SnapshotDone done) {
  Enqueue({std::move(done), /*compacts=*/true}, [&](Compaction* compaction) {
    if (dataset) compaction->datasets.insert(*dataset);
    compaction->all = compaction->all || !dataset;
  });
}

bool Snapshotter::CancelCompaction() {
  std::vector<Waiter> cancelled;
  bool under_way = false;
  {
    std::lock_guard lock(mutex_);
    const auto stays =
        std::partition(waiting_.begin(), waiting_.end(), [](const Waiter& w) { return !w.compacts; });
    cancelled.assign(std::make_move_iterator(stays), std::make_move_iterator(waiting_.end()));
    waiting_.erase(stays, waiting_.end());
    compaction_ = {};
    under_way = current_ != nullptr && current_->compaction.any() && !current_->cancelled.exchange(true);
  }
  counters_.compactions_cancelled.Add(static_cast<int64_t>(cancelled.size()));
  for (const Waiter& waiter : cancelled) waiter.done(CompactionCancelled());
  return under_way || !cancelled.empty();
}

void Snapshotter::Enqueue(Waiter waiter, const std::function<void(Compaction*)>& ask) {
  std::unique_lock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    return waiter.done(Cancelled());
  }
  waiting_.push_back(std::move(waiter));
  ask(&compaction_);
  const bool begin = !std::exchange(running_, true);
  lock.unlock();
  if (begin) Begin();
}

void Snapshotter::Begin() {
  auto cut = std::make_shared<Cut>();
  {
    std::lock_guard lock(mutex_);
    cut->waiters.swap(waiting_);
    cut->compaction = std::exchange(compaction_, {});
    current_ = cut;
  }
  counters_.running.Set(1);
  counters_.compacting.Set(cut->compaction.any() ? 1 : 0);
  cut->began_ns = parts_->environment.clock->MonotonicNanos();
  const Status status = TakeCut(cut.get());
  if (!status.ok()) return Finish(cut, status);
  // What was appended up to the cut has to be applied, and known to the retry table.
  const Done acknowledged = Join(cut->datasets.size() + 1, [self = shared_from_this(), cut](Status applied) {
    if (!applied.ok()) return self->Finish(cut, WithContext(applied, "snapshot"));
    self->Then(cut, &Snapshotter::Write);
  });
  for (const auto& dataset : cut->datasets) {
    const Done one = [acknowledged,
                      queue = dataset.dataset->queue().shared_from_this()](const Status& applied) {
      acknowledged(queue->fence().ok() ? applied : Status::OK());  // others go on without a fenced one
    };
    dataset.dataset->WhenAcknowledged(one);
  }
  catalog_queue_->WhenApplied(acknowledged);
}

// The one moment that the snapshot shows: under the lock that creates, evolves and drops.
Status Snapshotter::TakeCut(Cut* cut) {
  const auto lock = catalog_->append_lock();
  LB_RETURN_NOT_OK(parts_->log->health());
  const Mark now = MarkNow();
  cut->mark_before = mark();
  const int64_t died = now.rows_died - cut->mark_before.rows_died;
  cut->replaces = died > 0 && kReplaces * died >= now.rows_put - cut->mark_before.rows_put;
  SetMark(now);
  cut->mark = now;
  cut->state = catalog_->AppendedState();
  for (const auto& dataset : catalog_->WritableAll()) {
    cut->datasets.push_back({dataset, dataset->appended_layout(), dataset->Pin().ValueOr(nullptr)});
  }
  cut->sequence = parts_->log->last_appended();
  return Status::OK();
}

// Runs the step on a builder unless the engine is being closed.
void Snapshotter::Then(std::shared_ptr<Cut> cut, void (Snapshotter::*step)(const std::shared_ptr<Cut>&)) {
  parts_->environment.builders->Post([gate = gate_, weak = weak_from_this(), cut = std::move(cut), step] {
    gate->Run([&] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      try {
        ((*self).*step)(cut);
      } catch (const std::exception& error) {
        self->Finish(cut, Error(ErrorCode::kInternal, "snapshot: ", error.what()));
      }
    });
  });
}

Status Snapshotter::MayGoOn(const Cut& cut) const {
  if (stopping_) return Cancelled();
  return cut.cancelled ? CompactionCancelled() : Status::OK();
}

void Snapshotter::Write(const std::shared_ptr<Cut>& cut) {
  const Status status = WriteFiles(cut.get());
  if (!status.ok()) {
    RemoveWhatFailed();
    return Finish(cut, status);
  }
  // Blocks and indexes may hold rows of `async` datasets that the log has not flushed yet, and indexes and
  // edges what was applied behind the snapshot: a manifest that names them must not be there without what the
  // log holds.
  parts_->log->WhenDurable([self = shared_from_this(), cut](Status durable) {
    if (!durable.ok()) return self->Finish(cut, WithContext(durable, "snapshot"));
    self->Then(cut, &Snapshotter::Commit);
  });
}

// A full disk gets its space back, unless the manifest on it may be one that names such files.
void Snapshotter::RemoveWhatFailed() {
  if (manifest_known_) counters_.files_removed.Add(store_.RemoveUnnamed(manifest_));
}

Status Snapshotter::WriteFiles(Cut* cut) {
  cut->manifest.version = manifest_.version + 1;
  cut->manifest.log_generation = manifest_.log_generation;
  cut->manifest.snapshot_sequence = cut->sequence;
  for (const auto& dataset : cut->datasets) {
    LB_RETURN_NOT_OK(MayGoOn(*cut));
    LB_RETURN_NOT_OK(WriteDataset(cut, dataset));
  }
  LB_RETURN_NOT_OK(store_.SyncNames());
  cut->state.retries = parts_->retries.KnownThrough(cut->sequence);
  LB_ASSIGN_OR_RETURN(cut->manifest.catalog, EncodeCatalog(cut->state));
  cut->manifest.next_file = store_.next_number();
  return Status::OK();
}

// Of a fenced dataset nothing in memory is to be relied on, nor what was written of it if it is fenced by
// now.
Status Snapshotter::WriteDataset(Cut* cut, const DatasetCut& dataset) {
  DatasetState state;
  state.id = dataset.dataset->id();
  state.name = dataset.dataset->name();
  state.schema = dataset.layout->schema;
  if (state.schema->durability == storage::Durability::kMemory) {
    cut->state.datasets.push_back(std::move(state));
    return Status::OK();
  }
  ApplyQueue& queue = dataset.dataset->queue();
  LB_RETURN_NOT_OK(FenceOnFailure(&queue, [&]() -> Status {
    LB_RETURN_NOT_OK(SealRows(cut, dataset, &state));
    LB_RETURN_NOT_OK(SaveIndexes(cut, dataset));
    state.edges = EdgeReader(*dataset.dataset->edges()).Copy();
    return Status::OK();
  }));
  if (!queue.fence().ok()) return KeepLast(cut, state.id);
  cut->state.datasets.push_back(std::move(state));
  return Status::OK();
}

// The dataset as the snapshot before has it, if it has it; the log is kept from there on, and a start replays
// it.
Status Snapshotter::KeepLast(Cut* cut, DatasetId id) {
  const auto of_it = [id](const auto& entry) { return entry.shard == id; };
  std::erase_if(cut->manifest.blocks, of_it);
  std::erase_if(cut->manifest.derived, of_it);
  std::erase_if(cut->saved, [id](const auto& saved) { return saved.first.first == id; });
  std::copy_if(manifest_.blocks.begin(), manifest_.blocks.end(), std::back_inserter(cut->manifest.blocks),
               of_it);
  std::copy_if(manifest_.derived.begin(), manifest_.derived.end(), std::back_inserter(cut->manifest.derived),
               of_it);
  cut->manifest.behind.push_back({id, manifest_.StateOf(id)});
  if (manifest_.catalog.empty()) return Status::OK();
  LB_ASSIGN_OR_RETURN(CatalogState last, DecodeCatalog(manifest_.catalog));
  for (auto& state : last.datasets) {
    if (state.id == id) cut->state.datasets.push_back(std::move(state));
  }
  return Status::OK();
}

Status Snapshotter::SealRows(Cut* cut, const DatasetCut& dataset, DatasetState* state) {
  const auto view = dataset.dataset->PinAt(cut->sequence, *dataset.layout);
  if (view == nullptr) return Status::OK();  // the log drops it again
  state->rows = view->visibility().end;
  if (state->schema->key == KeyKind::kHidden && state->rows > 0) {
    state->next_hidden_key = view->KeyNumber(state->rows - 1) + 1;
  }
  std::vector<storage::BlockEntry> old;
  std::copy_if(manifest_.blocks.begin(), manifest_.blocks.end(), std::back_inserter(old),
               [&](const auto& block) { return block.shard == state->id; });
  PlanInput input;
  input.blocks = &old;
  input.visibility = view->visibility();
  if (const auto sealed = sealed_end_.find(state->id); sealed != sealed_end_.end()) {
    input.sealed_end = sealed->second;
  }
  input.row_bytes = SealedRowBytes(*view, 0, state->rows);
  input.limits = parts_->options.blocks;
  if (cut->compaction.Holds(state->id)) {
    input.limits.dead_percent = 0;
    input.limits.compaction_bytes = std::numeric_limits<int64_t>::max() / 2;
  }
  BlockPlan plan = PlanBlocks(input);
  std::vector<storage::BlockEntry> blocks = std::move(plan.kept);
  LB_RETURN_NOT_OK(Seal(cut, *view, state->id, plan.written, &blocks));
  counters_.blocks_merged.Add(plan.merged);
  counters_.blocks_compacted.Add(plan.compacted);
  for (auto& block : blocks) cut->manifest.blocks.push_back(std::move(block));
  for (auto& rewrite : plan.rewrites) {
    cut->rewrites.push_back({dataset.dataset, view, std::move(rewrite)});
  }
  return Status::OK();
}

// Adds what was written to `blocks`, which are of one shard, and brings them into order.
Status Snapshotter::Seal(Cut* cut, const View& view, DatasetId id, const std::vector<RowRange>& ranges,
                         std::vector<storage::BlockEntry>* blocks) {
  for (const RowRange& range : ranges) {
    SealRequest request;
    request.view = &view;
    request.shard = id;
    request.generation = manifest_.log_generation;
    request.first = range.first;
    request.end = range.end;
    request.may_go_on = [this, cut] { return MayGoOn(*cut); };
    LB_ASSIGN_OR_RETURN(auto block, SealBlock(request, &store_));
    const uint32_t span = block.end_row - block.first_row;
    if (block.rows < span) {
      block.dead.assign((span + 7) / 8, '\0');
      for (uint32_t i = 0; i < span; ++i) {
        if (view.visibility().Visible(block.first_row + i)) continue;
        block.dead[i / 8] = static_cast<char>(block.dead[i / 8] | 1 << (i % 8));
      }
    }
    ++cut->info.blocks_written;
    cut->info.bytes_written += static_cast<int64_t>(block.bytes);
    counters_.blocks_written.Add();
    counters_.block_bytes_written.Add(static_cast<int64_t>(block.bytes));
    blocks->push_back(std::move(block));
  }
  std::sort(blocks->begin(), blocks->end(),
            [](const auto& a, const auto& b) { return a.first_row < b.first_row; });
  return Status::OK();
}

Status Snapshotter::SaveIndexes(Cut* cut, const DatasetCut& dataset) {
  Sequence applied = 0;
  const auto before = dataset.dataset->Derivable(&applied);
  if (before == nullptr) return Status::OK();
  const DatasetId id = dataset.dataset->id();
  for (uint32_t column = 0; column < dataset.layout->schema->vectors.size(); ++column) {
    LB_RETURN_NOT_OK(MayGoOn(*cut));
    const auto known =
        std::find_if(manifest_.derived.begin(), manifest_.derived.end(),
                     [&](const auto& entry) { return entry.shard == id && entry.column == column; });
    LB_ASSIGN_OR_RETURN(const bool saved, SaveIndex(cut, *before, id, static_cast<int>(column)));
    if (!saved && known != manifest_.derived.end()) cut->manifest.derived.push_back(*known);
  }
  // What was applied while the indexes were saved may be in them.
  (void)dataset.dataset->Derivable(&applied);
  for (auto& entry : cut->manifest.derived) {
    if (entry.shard == id && entry.sequence == kNever) entry.sequence = applied;
  }
  return Status::OK();
}

// False when what was saved before is good enough, or nothing was saved.
Result<bool> Snapshotter::SaveIndex(Cut* cut, const Shard& shard, DatasetId id, int column) {
  if (shard.loading()) return false;
  const SavedIndex now{shard.vectors(column).index->indexed_end(), shard.tombstones()};
  const auto key = std::pair(id, static_cast<uint32_t>(column));
  if (const auto last = saved_.find(key); last != saved_.end()) {
    const int64_t changed =
        int64_t{now.indexed_end} - last->second.indexed_end + now.tombstones - last->second.tombstones;
    if (changed * kSaveIndexShare <= int64_t{last->second.indexed_end} - last->second.tombstones) {
      return false;
    }
  }
  const uint64_t number = store_.NewNumber();
  LB_ASSIGN_OR_RETURN(const std::string directory, store_.CreateDerived(number));
  LB_RETURN_NOT_OK(shard.vectors(column).index->Save(parts_->environment.files, directory));
  LB_ASSIGN_OR_RETURN(const auto names, parts_->environment.files->List(directory));
  cut->saved[key] = now;
  if (names.empty()) return false;
  counters_.derived_written.Add();
  cut->manifest.derived.push_back({number, id, static_cast<uint32_t>(column), kNever});
  return true;
}

void Snapshotter::Commit(const std::shared_ptr<Cut>& cut) {
  const Status status = SaveAndCutLog(cut.get());
  if (!status.ok() || cut->rewrites.empty()) return Finish(cut, status);
  cut->committed = true;
  Then(cut, &Snapshotter::Compact);
}

// The manifest last; only then may anything go that an older one needs.
Status Snapshotter::SaveAndCutLog(Cut* cut) {
  LB_RETURN_NOT_OK(MayGoOn(*cut));
  LB_RETURN_NOT_OK(Save(std::move(cut->manifest)));
  sealed_end_.clear();
  for (const auto& dataset : cut->state.datasets) sealed_end_[dataset.id] = dataset.rows;
  for (const auto& [key, saved] : cut->saved) saved_[key] = saved;
  std::erase_if(saved_, [&](const auto& saved) { return !sealed_end_.contains(saved.first.first); });
  ShowBlocks();
  counters_.files_removed.Add(store_.RemoveUnnamed(manifest_));
  SetLogRoom(cut->replaces);
  (void)parts_->log->ReleaseThrough(manifest_.log_begin());  // what stays goes with the next one
  {
    std::lock_guard lock(mark_mutex_);
    log_mark_ = cut->mark;
  }
  LetAnswersGo();
  return Status::OK();
}

Status Snapshotter::Save(storage::Manifest manifest) {
  manifest_known_ = false;
  LB_RETURN_NOT_OK(storage::SaveManifest(parts_->environment.files, manifest));
  manifest_known_ = true;
  manifest_ = std::move(manifest);
  return Status::OK();
}

// Where rows replace rows the log is cut when a quarter of what lives has died, and needs no more segments
// than that; where data grows it may take what it likes.
void Snapshotter::SetLogRoom(bool replaces) {
  const double blocks = static_cast<double>(counters_.block_bytes.value());
  const auto live = static_cast<uint64_t>(
      block_rows_ > 0 ? blocks * static_cast<double>(live_rows_) / static_cast<double>(block_rows_) : 0);
  storage::LogRoom room{.segment_bytes = parts_->options.log.segment_bytes};
  if (replaces && live > 0) {
    const uint64_t share = std::max(kLeastSegment, live / kSegmentsOfLive);
    // Sizes that change make used segments useless: so not for a little more or less.
    if (share < log_segment_ / 4 * 3 || share / 5 * 2 >= log_segment_) log_segment_ = std::bit_floor(share);
    room.segment_bytes = log_segment_;
    room.most_bytes = live / 2 + parts_->options.snapshot_dead_bytes;
  }
  parts_->log->SetRoom(room);
}

// Blocks with dead rows are written again one after the other, each with a manifest of its own: none but that
// one takes room twice, and the log was cut before.
void Snapshotter::Compact(const std::shared_ptr<Cut>& cut) {
  if (cut->rewrites.empty()) return Finish(cut, Status::OK());
  const Rewrite rewrite = std::move(cut->rewrites.front());
  cut->rewrites.pop_front();
  const Status status = RewriteBlocks(cut.get(), rewrite);
  if (!status.ok()) {
    RemoveWhatFailed();
    return Finish(cut, status);
  }
  Then(cut, &Snapshotter::Compact);
}

Status Snapshotter::RewriteBlocks(Cut* cut, const Rewrite& rewrite) {
  LB_RETURN_NOT_OK(MayGoOn(*cut));
  ApplyQueue& queue = rewrite.dataset->queue();
  std::vector<storage::BlockEntry> blocks;
  LB_RETURN_NOT_OK(FenceOnFailure(&queue, [&] {
    return Seal(cut, *rewrite.view, rewrite.dataset->id(), rewrite.blocks.written, &blocks);
  }));
  if (!queue.fence().ok()) return Status::OK();
  LB_RETURN_NOT_OK(store_.SyncNames());
  LB_RETURN_NOT_OK(MayGoOn(*cut));
  storage::Manifest manifest = manifest_;
  ++manifest.version;
  manifest.next_file = store_.next_number();
  const auto replaced = [&](const auto& block) {
    return std::find(rewrite.blocks.files.begin(), rewrite.blocks.files.end(), block.file) !=
           rewrite.blocks.files.end();
  };
  const auto first = std::find_if(manifest.blocks.begin(), manifest.blocks.end(), replaced);
  const auto place = first - manifest.blocks.begin();
  std::erase_if(manifest.blocks, replaced);
  manifest.blocks.insert(manifest.blocks.begin() + place, blocks.begin(), blocks.end());
  LB_RETURN_NOT_OK(Save(std::move(manifest)));
  ShowBlocks();
  counters_.files_removed.Add(store_.RemoveUnnamed(manifest_));
  return Status::OK();
}

void Snapshotter::Finish(const std::shared_ptr<Cut>& cut, const Status& status) {
  const int64_t nanos = parts_->environment.clock->MonotonicNanos() - cut->began_ns;
  const bool taken = status.ok() || cut->committed;
  bool again = false;
  {
    std::lock_guard lock(mutex_);
    if (current_ != cut) return;  // answered already
    current_ = nullptr;
    if (cut->cancelled && CodeOf(status) == ErrorCode::kCancelled) {
      if (!taken) PutBackOthers(cut.get());
      counters_.compactions_cancelled.Add(std::count_if(
          cut->waiters.begin(), cut->waiters.end(), [](const Waiter& waiter) { return waiter.compacts; }));
    } else if (taken && !status.ok() && !stopping_) {
      counters_.compactions_failed.Add();
    }
    again = !waiting_.empty() && !stopping_;
    running_ = again;
  }
  if (taken) {
    counters_.taken.Add();
    counters_.nanos.Record(nanos);
  } else {
    const bool cancelled = CodeOf(status) == ErrorCode::kCancelled;
    (cancelled ? counters_.cancelled : counters_.failed).Add();
    if (!cancelled) TryAgainLater(*cut, nanos);
    if (cancelled && cut->sequence > 0) SetMark(cut->mark_before);
  }
  counters_.running.Set(again ? 1 : 0);
  counters_.compacting.Set(0);
  cut->info.sequence = cut->sequence;
  cut->info.blocks = counters_.blocks.value();
  cut->info.bytes = counters_.block_bytes.value();
  cut->info.seconds = static_cast<double>(nanos) * 1e-9;
  if (!taken) LetAnswersGo();
  cut->datasets.clear();
  for (const auto& waiter : cut->waiters) {
    const bool served = status.ok() || (taken && !waiter.compacts);
    waiter.done(served ? Result<SnapshotInfo>(cut->info) : status);
  }
  if (again) Begin();
}

// Who wanted a snapshot and no compaction gets the next one.
void Snapshotter::PutBackOthers(Cut* cut) {
  const auto compact =
      std::partition(cut->waiters.begin(), cut->waiters.end(), [](const Waiter& w) { return !w.compacts; });
  waiting_.insert(waiting_.end(), std::make_move_iterator(cut->waiters.begin()),
                  std::make_move_iterator(compact));
  cut->waiters.erase(cut->waiters.begin(), compact);
}

// On a full disk it may be the log itself that fills it, and nothing but a snapshot gives that space back: so
// it does not wait for more log.
void Snapshotter::TryAgainLater(const Cut& cut, int64_t nanos) {
  if (cut.sequence == 0) return;  // failed before it was taken
  SetMark(cut.mark_before);
  const int64_t pause = std::max(kTryAgainNanos, 2 * nanos);
  not_before_ns_ = parts_->environment.clock->MonotonicNanos() + pause;
  parts_->environment.builders->PostAfter(pause, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->RequestIfDue();
  });
}

void Snapshotter::Stop() {
  stopping_ = true;
  gate_->Close();
  std::shared_ptr<Cut> cut;
  std::vector<Waiter> waiting;
  {
    std::lock_guard lock(mutex_);
    cut = std::exchange(current_, nullptr);
    waiting.swap(waiting_);
    running_ = false;
  }
  if (cut != nullptr) {
    counters_.cancelled.Add();
    cut->datasets.clear();  // a step that was posted and never runs must not keep them beyond the engine
    for (auto& waiter : cut->waiters) waiter.done(Cancelled());
  }
  for (auto& waiter : waiting) waiter.done(Cancelled());
  LetAnswersGo();
}

}  // namespace longbow::engine
