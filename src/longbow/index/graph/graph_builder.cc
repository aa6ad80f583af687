#include "longbow/index/graph/graph_builder.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "longbow/base/check.h"
#include "longbow/base/writers_busy.h"
#include "longbow/index/graph/graph_file.h"

namespace longbow::index {
namespace {

// Of a squared length: what distances taken from inner products may be off.
constexpr float kSameShare = 1e-3f;

// An estimate's error is about 0.75 / 0.36 / 0.19 / 0.1 times |query - node||edge| / sqrt(n) with 1 to 4
// bits; two to three hundredths are enough for a walk, and fewer bytes are faster than fewer errors
// (docs/decisions).
uint32_t BitsFor(size_t n) { return n <= 64 ? 4 : n <= 384 ? 2 : 1; }

codec::VectorCode OwnCode(std::string_view codec) {
  if (codec == "f32") return codec::VectorCode::kFloat32;
  if (codec == "f16") return codec::VectorCode::kFloat16;
  return codec::VectorCode::kSq8;
}

// Longer walks find 0.1 to 0.5 points more of the nearest at equal hops, and take a third more time. Where
// nodes give way to others, generation after generation, what short ones miss adds up
// (docs/decisions/graph-node.md).
GraphOptions Resolve(GraphOptions options, std::string_view codec, size_t n) {
  const bool neighbor_codes = codec == "auto" || codec == "rabitq";
  if (!options.bits.has_value()) options.bits = neighbor_codes ? BitsFor(n) : 0;
  if (options.link.ef == 0) options.link.ef = n <= 384 ? 96 : 128;
  if (options.link.renewal_ef == 0) options.link.renewal_ef = n <= 384 ? 160 : 200;
  return options;
}

}  // namespace

int64_t GraphBuilder::RowBytes(distance::Metric metric, size_t scalars, std::string_view codec,
                               GraphOptions options) {
  const size_t n = codec::PaddedDim(scalars);
  const GraphOptions resolved = Resolve(options, codec, n);
  const NodeLayout layout(n, resolved.degree, *resolved.bits, OwnCode(codec),
                          metric == distance::Metric::kInnerProduct);
  return static_cast<int64_t>(layout.bytes + sizeof(RowOrdinal)) + RowCodes::RowBytes(n);
}

GraphBuilder::GraphBuilder(const IndexInput& input, GraphOptions options)
    : input_(input),
      options_(Resolve(options, input.codec, codec::PaddedDim(input.store->scalars()))),
      row_bytes_(RowBytes(input.metric, input.store->scalars(), input.codec, options)),
      chains_(input.ledger) {}

GraphBuilder::~GraphBuilder() {
  stopping_.store(true);
  if (input_.builders != nullptr) {
    input_.builders->WaitUntil([this] { return tasks_.load() == 0 && !maintaining(); });
  }
  Owe(-static_cast<int64_t>(appended_end() - indexed_end()));
  for (Waiter& waiter : waiters_) {
    waiter.done(Error(ErrorCode::kCancelled, "index: closed before row ", waiter.end, " was indexed"));
  }
}

void GraphBuilder::RowsAppended(RowOrdinal first, RowOrdinal end) {
  LB_CHECK(first >= appended_end());
  LB_CHECK(end >= first);
  chains_.Grow(end);
  Owe(static_cast<int64_t>(end - appended_end()));
  appended_end_.store(end, std::memory_order_release);
  StartBuilders();
}

// So that rows are refused while there is room for the index of those that were taken.
void GraphBuilder::Owe(int64_t rows) {
  if (input_.ledger != nullptr) input_.ledger->Charge(MemoryUse::kIndex, rows * row_bytes_);
}

void GraphBuilder::StartBuilders() {
  if (input_.builders == nullptr) {  // whoever appends builds
    tasks_.fetch_add(1);
    return RunBuilder([this] { BuildTurn(); });
  }
  int wanted;
  {
    std::lock_guard lock(mutex_);
    const RowOrdinal left = appended_end() - claimed_end_;
    wanted = static_cast<int>(std::min<RowOrdinal>((left + kRowsATurn - 1) / kRowsATurn, kMostBuilders));
    if (CodingDue()) wanted = std::max(wanted, 1);
  }
  for (int tasks = tasks_.load(); tasks < wanted; tasks = tasks_.load()) {
    if (!tasks_.compare_exchange_strong(tasks, tasks + 1)) continue;
    try {
      PostTurn();
    } catch (...) {
      tasks_.fetch_sub(1);
      throw;
    }
  }
}

void GraphBuilder::PostTurn() {
  input_.builders->Post([this] { RunBuilder([this] { BuildTurn(); }); });
}

template <typename Work>
void GraphBuilder::RunBuilder(Work work) {
  try {
    work();
  } catch (...) {
    const struct CountDown {
      std::atomic<int>& tasks;
      ~CountDown() { tasks.fetch_sub(1); }
    } ended{tasks_};
    Fail(CurrentFailure());
    if (input_.builders == nullptr) throw;  // to who appended
  }
}

void GraphBuilder::Fail(const std::string& what) {
  stopping_.store(true);
  std::vector<Waiter> waiters;
  Status failure;
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) return;
    failure = failure_ = Error(ErrorCode::kInternal, "index: building it failed: ", what);
    waiters.swap(waiters_);
  }
  if (input_.failed != nullptr) input_.failed(what);
  for (Waiter& waiter : waiters) waiter.done(failure);
}

bool GraphBuilder::Claim(RowOrdinal* first, RowOrdinal* end) {
  std::lock_guard lock(mutex_);
  if (claimed_end_ == appended_end() || stopping_.load()) return false;
  *first = claimed_end_;
  *end = claimed_end_ = std::min(appended_end(), claimed_end_ + kRowsAClaim);
  return true;
}

void GraphBuilder::BuildTurn() {
  if (WritersBusy() && !stopping_.load()) return StepAside();
  BuildRows();
}

bool GraphBuilder::WritersBusy() const {
  return input_.builders != nullptr && input_.ledger != nullptr && longbow::WritersBusy(*input_.ledger);
}

void GraphBuilder::StepAside() {
  if (aside_.exchange(true)) {
    tasks_.fetch_sub(1);  // the one that waits starts others
    return;
  }
  looks_ = quiet_looks_ = 0;
  input_.builders->PostAfter(kLookAgainNanos, [this] { RunBuilder([this] { LookAgain(); }); });
}

void GraphBuilder::LookAgain() {
  quiet_looks_ = WritersBusy() ? 0 : quiet_looks_ + 1;
  if (!stopping_.load() && quiet_looks_ < kQuietLooks && ++looks_ < kMostLooks) {
    input_.builders->PostAfter(kLookAgainNanos, [this] { RunBuilder([this] { LookAgain(); }); });
    return;
  }
  aside_.store(false);
  StartBuilders();
  BuildRows();
}

// Whether there is more.
bool GraphBuilder::BuildSome() {
  const ReadEpoch reading(input_.epochs);
  const bool beside_writers = WritersBusy();  // it has waited long enough
  CodeRows();
  auto bench = TakeBench();
  RowOrdinal first, end, left = input_.builders == nullptr ? kNoRow : kRowsATurn;
  bool more = true;
  if (HelpSweep(bench.get())) left = 0;
  while (left > 0 && (beside_writers || !WritersBusy()) && (more = Claim(&first, &end))) {
    for (RowOrdinal row = first; row < end; ++row) Insert(row, bench.get());
    left -= std::min(left, end - first);
    Finish(first, end);
  }
  ReturnBench(std::move(bench));
  CodeRows();  // the first turn began without a space to code in
  return more;
}

// A builder that finds nothing to do counts itself out first and looks again then, so that rows appended
// meanwhile always find a builder. Once it is counted out, or another turn may be, the epochs may be gone.
void GraphBuilder::BuildRows() {
  const bool more = BuildSome();
  if (more && input_.builders != nullptr) return PostTurn();
  if (stopping_.load() || input_.builders == nullptr) {
    tasks_.fetch_sub(1);
    return;
  }
  if (MaintenanceDue()) StartMaintenance();
  {
    std::lock_guard lock(mutex_);
    if (claimed_end_ == appended_end() && !CodingDue()) {
      tasks_.fetch_sub(1);
      return;
    }
  }
  PostTurn();
}

void GraphBuilder::Finish(RowOrdinal first, RowOrdinal end) {
  std::vector<Waiter> ready;
  int64_t linked = 0;
  {
    std::lock_guard lock(mutex_);
    finished_.emplace(first, end);
    const RowOrdinal before = indexed_end();
    RowOrdinal reached = before;
    for (auto it = finished_.begin(); it != finished_.end() && it->first == reached;
         it = finished_.erase(it)) {
      reached = it->second;
    }
    indexed_end_.store(reached, std::memory_order_release);
    linked = static_cast<int64_t>(reached - before);
    const auto waiting =
        std::partition(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return w.end > reached; });
    ready.assign(std::make_move_iterator(waiting), std::make_move_iterator(waiters_.end()));
    waiters_.erase(waiting, waiters_.end());
  }
  Owe(-linked);
  for (Waiter& waiter : ready) waiter.done(Status::OK());
}

void GraphBuilder::WhenIndexed(RowOrdinal end, std::function<void(Status)> done) {
  Status failure;
  {
    std::lock_guard lock(mutex_);
    if (indexed_end() < end) {
      failure = failure_;
      if (failure.ok()) {
        waiters_.push_back({end, std::move(done)});
        return;
      }
    }
  }
  done(failure);
}

std::unique_ptr<GraphBuilder::Bench> GraphBuilder::TakeBench() {
  std::lock_guard lock(mutex_);
  if (benches_.empty()) return std::make_unique<Bench>(options_.link);
  auto bench = std::move(benches_.back());
  benches_.pop_back();
  return bench;
}

void GraphBuilder::ReturnBench(std::unique_ptr<Bench> bench) {
  std::lock_guard lock(mutex_);
  benches_.push_back(std::move(bench));
}

Graph* GraphBuilder::StartGraph() {
  const RowOrdinal sampled = std::min(appended_end(), kSampledRows);
  space_ = std::make_unique<GraphSpace>(input_.metric, input_.store, input_.seed, 0, sampled);
  owned_graph_ = std::make_unique<Graph>(space_.get(), options_.degree, *options_.bits, OwnCode(input_.codec),
                                         input_.ledger);
  graph_.store(owned_graph_.get(), std::memory_order_release);
  MakeCodes();
  return owned_graph_.get();
}

void GraphBuilder::MakeCodes() {
  owned_codes_ = std::make_unique<RowCodes>(space_.get(), input_.store, input_.ledger);
  codes_.store(owned_codes_.get(), std::memory_order_release);
}

bool GraphBuilder::CodingDue() const {
  const RowCodes* codes = this->codes();
  return codes != nullptr && appended_end() > codes->coded_end();
}

// Ahead of linking: many times faster, and what is coded is soon scanned. One builder does it.
void GraphBuilder::CodeRows() {
  if (!CodingDue()) return;
  const std::unique_lock lock(coding_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  while (!stopping_.load() && codes_.load(std::memory_order_relaxed)->Code(appended_end(), kRowsToCode) &&
         !WritersBusy()) {
  }
}

void GraphBuilder::Insert(RowOrdinal row, Bench* bench) {
  if (!input_.store->Present(row) || chains_.erased(row) || chains_.placed(row)) return;
  if (linked_.load(std::memory_order_acquire) >= kFirstNodes &&
      live_.load(std::memory_order_relaxed) >= kFirstNodes)
    return InsertAlone(row, bench);
  std::lock_guard lock(first_mutex_);
  if (graph() == nullptr) StartGraph();
  InsertAlone(row, bench);
}

void GraphBuilder::InsertAlone(RowOrdinal row, Bench* bench) {
  const ReadEpoch linking(&linking_);
  Graph& graph = *this->graph();
  if (calibration_.Due(live_.load(std::memory_order_relaxed))) {
    calibration_.Observe(graph, chains_, input_, row, indexed_end());
  }
  bench->vector.resize(space_->scratch_doubles());
  bench->point.resize(space_->n());
  const float bias = space_->PlaceRow(row, bench->vector.data(), bench->point.data());
  const Slot slot = graph.MakeNode(bench->point.data(), bias);
  const uint64_t alive = live_.load(std::memory_order_relaxed);
  const bool renewal = graph.size() > alive + std::max(kLeastDead, alive / kDeadShare);
  const uint32_t ef = renewal ? options_.link.renewal_ef : options_.link.ef;
  const auto candidates = bench->linker.FindCandidates(graph, slot, ef);
  if (JoinEqual(graph, slot, row, candidates)) return graph.FreeNode(slot);
  const bool placed = chains_.Place(graph, slot, row);
  if (!placed) return graph.FreeNode(slot);
  const uint64_t live = live_.fetch_add(1, std::memory_order_relaxed) + 1;
  bench->linker.Link(graph, slot);
  graph.OfferEntry(slot, linked_.fetch_add(1, std::memory_order_acq_rel), live);
}

// Rows of equal vectors share a node: side by side they would fill each other's lists and leave no way out.
bool GraphBuilder::JoinEqual(Graph& graph, Slot slot, RowOrdinal row, std::span<const Candidate> candidates) {
  for (const Candidate& c : candidates) {
    if (space_->biased()) {  // others may come first
      const float bias = graph.bias(slot);
      if (c.distance - bias - graph.bias(c.slot) > -kSameShare * bias) continue;
    } else if (c.distance > 0) {
      return false;
    }
    const RowOrdinal other = graph.header(c.slot).row.load(std::memory_order_acquire);
    if (other == kNoRow) continue;
    if (std::memcmp(input_.store->Row(other), input_.store->Row(row), input_.store->row_bytes()) != 0)
      continue;
    if (chains_.Join(graph, c.slot, other, row) != RowChains::Joined::kStale) return true;
  }
  return false;
}

void GraphBuilder::Erase(std::span<const RowOrdinal> rows) {
  for (RowOrdinal row : rows) {
    // A row that a snapshot left out has no vector any more; a graph saved before may have a node for it.
    const bool present = input_.store->Present(row);
    if (!present && !chains_.placed(row)) continue;
    if (present) erased_.fetch_add(1, std::memory_order_relaxed);
    const Slot slot = chains_.Erase(graph_, row);
    if (slot != kNoSlot) Bury(slot);
  }
  if (MaintenanceDue()) StartMaintenance();
}

RowOrdinal GraphBuilder::settled_end() const {
  const RowCodes* codes = this->codes();
  return codes == nullptr ? indexed_end() : std::min(indexed_end(), codes->coded_end());
}

void GraphBuilder::Forget(RowOrdinal first, RowOrdinal end) {
  chains_.Forget(first);
  if (RowCodes* codes = codes_.load(std::memory_order_acquire)) codes->Forget(first, end);
}

void GraphBuilder::Bury(Slot slot) {
  std::lock_guard lock(mutex_);
  dead_.push_back(slot);
  live_.fetch_sub(1, std::memory_order_relaxed);
  dead_count_.fetch_add(1, std::memory_order_relaxed);
}

bool GraphBuilder::MaintenanceDue() const {
  const uint64_t live = live_.load(std::memory_order_relaxed);
  const auto dead = static_cast<uint64_t>(dead_nodes());
  const uint64_t fresh =
      linked_.load(std::memory_order_relaxed) - linked_at_maintenance_.load(std::memory_order_relaxed);
  return dead > std::max(kLeastDead, live / kDeadShare) || fresh > std::max(kLeastNew, live / kNewShare);
}

// Some nodes of a sweep under way that has fallen behind; false when there are none.
bool GraphBuilder::HelpSweep(Bench* bench) {
  const auto dead = static_cast<uint64_t>(dead_nodes());
  if (stopping_.load() ||
      dead <= std::max(kLeastDead, live_.load(std::memory_order_relaxed) / kMostDeadShare))
    return false;
  std::shared_ptr<GraphSweeper> sweeper;
  {
    std::lock_guard lock(mutex_);
    sweeper = sweeper_;
  }
  const ReadEpoch linking(&linking_);
  return sweeper != nullptr && sweeper->Help(&bench->mender, kNodesAHelp);
}

void GraphBuilder::StartMaintenance() {
  if (stopping_.load()) return;
  Maintenance state = Maintenance::kIdle;
  while (!maintenance_.compare_exchange_weak(
      state, state == Maintenance::kIdle ? Maintenance::kRunning : Maintenance::kAsked)) {
  }
  if (state == Maintenance::kIdle) PostMaintenance();
}

void GraphBuilder::PostMaintenance() {
  if (input_.builders == nullptr) return Maintain();
  try {
    input_.builders->Post([this] { RunMaintenance([this] { Maintain(); }); });
  } catch (...) {
    maintenance_.store(Maintenance::kIdle);
    throw;
  }
}

// As RunBuilder.
template <typename Work>
void GraphBuilder::RunMaintenance(Work work) {
  try {
    work();
  } catch (...) {
    const struct GiveUp {
      GraphBuilder* builder;
      ~GiveUp() { builder->EndMaintenance(); }
    } ended{this};
    Fail(CurrentFailure());
  }
}

void GraphBuilder::Maintain() {
  if (graph() == nullptr) return EndMaintenance();
  {
    std::lock_guard lock(mutex_);
    dying_.swap(dead_);
  }
  linked_at_maintenance_.store(linked_.load(std::memory_order_relaxed));
  AfterInsertions(linking_.Advance(), &GraphBuilder::StartSweep);
}

void GraphBuilder::AfterInsertions(uint64_t epoch, void (GraphBuilder::*next)()) {
  if (stopping_.load()) return EndMaintenance();
  if (linking_.Over(epoch)) return (this->*next)();
  input_.builders->PostAfter(kInsertionNanos, [this, epoch, next] {
    RunMaintenance([this, epoch, next] { AfterInsertions(epoch, next); });
  });
}

// From here on no edge to the dead is made any more.
void GraphBuilder::StartSweep() {
  auto sweeper = std::make_shared<GraphSweeper>(*graph(), options_.link, std::exchange(dying_, {}),
                                                input_.seed + linked_at_maintenance_.load());
  {
    std::lock_guard lock(mutex_);
    sweeper_ = std::move(sweeper);
  }
  SweepSome();
}

void GraphBuilder::SweepSome() {
  if (stopping_.load()) return EndMaintenance();
  if (input_.builders == nullptr) {
    while (!sweeper_->Step(kNodesASlice)) {
    }
  } else if (!sweeper_->Step(kNodesASlice)) {
    input_.builders->Post([this] { RunMaintenance([this] { SweepSome(); }); });
    return;
  }
  unreachable_.store(sweeper_->unreachable(), std::memory_order_relaxed);
  walks_missed_.store(sweeper_->walks_missed(), std::memory_order_relaxed);
  const auto degrees = CountInDegrees(*graph());
  for (size_t i = 0; i < degrees.size(); ++i) in_degrees_[i].store(degrees[i], std::memory_order_relaxed);
  AfterInsertions(linking_.Advance(), &GraphBuilder::EndSweep);
}

// A slot is free once no edge leads to it, and no insertion has come by it. A search that still holds its
// number may visit what comes there next, and judges it by its own code.
void GraphBuilder::EndSweep() {
  for (Slot slot : sweeper_->dead()) graph()->FreeNode(slot);
  dead_count_.fetch_sub(static_cast<int64_t>(sweeper_->dead().size()), std::memory_order_relaxed);
  sweeps_.fetch_add(1, std::memory_order_relaxed);
  EndMaintenance();
}

// What became due meanwhile is done at once. Idle is said last: the index may be gone afterwards.
void GraphBuilder::EndMaintenance() {
  {
    std::lock_guard lock(mutex_);
    sweeper_.reset();
  }
  for (Maintenance state = Maintenance::kAsked; state != Maintenance::kRunning;) {
    maintenance_.store(Maintenance::kRunning);
    if (!stopping_.load() && MaintenanceDue()) return PostMaintenance();
    state = Maintenance::kRunning;
    maintenance_.compare_exchange_strong(state, Maintenance::kIdle);
  }
}

Status GraphBuilder::Save(FileSystem* files, std::string_view directory) {
  const RowOrdinal end = indexed_end();
  const Graph* graph = this->graph();
  return graph == nullptr ? Status::OK()
                          : SaveGraph(*graph, chains_, calibration_, input_, end, files, directory);
}

Status GraphBuilder::Load(FileSystem* files, std::string_view directory) {
  LB_CHECK(appended_end() == 0);
  LB_CHECK(graph() == nullptr);
  LB_ASSIGN_OR_RETURN(LoadedGraph loaded, LoadGraph(input_, files, directory));
  const NodeLayout& layout = loaded.graph->layout();
  if (layout.own != OwnCode(input_.codec) || (layout.bits > 0) != (*options_.bits > 0)) {
    return Error(ErrorCode::kCorruption, "graph file: it is of another codec; build the index anew");
  }
  PlaceRows(loaded);
  linked_.store(loaded.nodes);
  live_.store(loaded.nodes);
  linked_at_maintenance_.store(loaded.nodes);
  calibration_.Restore(loaded.measured, loaded.nodes);
  space_ = std::move(loaded.space);
  owned_graph_ = std::move(loaded.graph);
  graph_.store(owned_graph_.get(), std::memory_order_release);
  MakeCodes();
  claimed_end_ = loaded.indexed_end;
  indexed_end_.store(loaded.indexed_end, std::memory_order_release);
  appended_end_.store(loaded.indexed_end, std::memory_order_release);
  Finish(loaded.indexed_end, loaded.indexed_end);  // for those who have waited since before
  StartBuilders();
  StartMaintenance();  // the file was copied node by node: whoever lost all ways to it gets one again
  return Status::OK();
}

void GraphBuilder::PlaceRows(const LoadedGraph& loaded) {
  RowOrdinal end = loaded.indexed_end;
  for (const auto& part : loaded.rows) {
    for (const RowOrdinal row : part.rows) end = std::max(end, row + 1);
  }
  chains_.Grow(end);
  for (const auto& part : loaded.rows) {
    const RowOrdinal* rows = part.rows.data();
    for (const auto& node : part.nodes) {
      chains_.Place(*loaded.graph, node.slot, rows[0]);
      for (uint32_t i = node.rows; i-- > 1;) chains_.Join(*loaded.graph, node.slot, rows[0], rows[i]);
      rows += node.rows;
    }
  }
}

GraphAccount GraphBuilder::Account() const {
  GraphAccount account;
  // In this order: the last builder starts maintenance before it goes.
  account.settled = indexed_end() == appended_end() && tasks_.load() == 0 && !maintaining();
  account.rows_end = appended_end();
  account.live = static_cast<int64_t>(live_.load(std::memory_order_relaxed));
  account.dead = dead_nodes();
  return account;
}

int64_t GraphBuilder::bytes() const {
  const Graph* graph = this->graph();
  const RowCodes* codes = this->codes();
  return (graph != nullptr ? graph->bytes() : 0) + (codes != nullptr ? codes->bytes() : 0) +
         int64_t{appended_end()} * RowChains::kBytesARow;
}

}  // namespace longbow::index
