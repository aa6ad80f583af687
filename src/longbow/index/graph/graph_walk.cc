#include "longbow/index/graph/graph_walk.h"

#include <algorithm>
#include <cmath>

namespace longbow::index {
namespace {

constexpr size_t kLine = NodeLayout::kLine;
constexpr uint32_t kStarts = 4;      // of the entries
constexpr uint32_t kSeenAVisit = 8;  // about; the set grows if need be

uint8_t* Aligned(std::vector<uint8_t>& bytes, size_t size) {
  bytes.resize(size + kLine);
  return reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(bytes.data()) + kLine - 1) / kLine * kLine);
}

}  // namespace

void GraphWalk::Aim(const Graph& graph, const float* point, Order order) {
  biased_ = order == Order::kMetric && graph.space().biased();
  n_ = graph.layout().n;
  code_.resize(graph.layout().own_bytes());
  factors_ = graph.own_kernels().encode(point, n_, code_.data());
  float largest = 0;
  for (size_t i = 0; i < n_; ++i) largest = std::max(largest, std::abs(point[i]));
  step_ = codec::StepOf(graph.layout().own) * largest;
  if (graph.layout().bits == 0) return;
  table_ = graph.kernels().make_table(point, n_, Aligned(entries_, codec::TableBytes(n_)));
}

void GraphWalk::Begin(uint32_t ef, uint32_t hops) {
  pool_.Reset(ef);
  seen_.Reset(hops * kSeenAVisit);
  visited_.clear();
  lost_ = false;
  hops_ = judged_ = 0;
}

bool GraphWalk::Done(const Graph& graph, bool complete, SearchWork* work) {
  const auto own_bytes = static_cast<int64_t>(graph.layout().ids_at);
  work->hops += hops_;
  work->codes += hops_ * (graph.layout().bits > 0 ? 1 + graph.layout().degree : 0) + judged_;
  work->bytes += hops_ * static_cast<int64_t>(graph.layout().read_bytes()) + judged_ * own_bytes;
  return complete;
}

bool GraphWalk::Run(const Graph& graph, uint32_t ef, Budget* budget, SearchWork* work) {
  Begin(ef, ef);
  return Go(graph, budget, work);
}

bool GraphWalk::RunReaching(const Graph& graph, const Reaching& length, Budget* budget, SearchWork* work) {
  Begin(length.hops, length.hops);
  const float rounding = Rounding() * static_cast<float>(n_);
  pool_.Reset(length.most, {length.rank, length.reach, length.shift, rounding});
  return Go(graph, budget, work);
}

bool GraphWalk::Go(const Graph& graph, Budget* budget, SearchWork* work) {
  const auto take = [this](Slot slot, float distance) { pool_.Insert(distance, slot); };
  const auto limit = [this] { return pool_.limit(); };
  Enter(graph, [&](Slot slot, float distance) {
    if (distance < limit()) take(slot, distance);
  });
  while (pool_.HasNext()) {
    if (budget != nullptr && !budget->Spend(1 + graph.layout().degree)) return Done(graph, false, work);
    const Slot slot = pool_.PopNext();
    Prefetch(graph, pool_, 1);
    const float distance = Visit(graph, slot);
    ++hops_;
    visited_.push_back({distance, slot});
    Judge(graph, slot, distance, limit, take);
    Prefetch(graph, pool_, kAhead);
  }
  return Done(graph, true, work);
}

// The nodes likely to be visited next: memory takes longer to come than a visit lasts. Asked for again
// although they may be on their way: processors drop prefetches when many are under way, and leaving those
// out cost a fifth.
void GraphWalk::Prefetch(const Graph& graph, const CandidatePool& pool, uint32_t ahead) {
  for (uint32_t i = 0; i < ahead; ++i) {
    const Slot slot = pool.PeekNext(i);
    if (slot == kNoSlot) return;
    graph.Prefetch(slot);
  }
}

// Looked at once, after a third of the way: that no quarter of those to find is among the nearest that should
// hold all of them is not by chance.
bool GraphWalk::LeadsAway(const Filtered& effort) const {
  if (hops_ != effort.hops / 3) return false;
  return passing_.DistanceAt(std::max(2u, effort.rank / 4)) > pool_.DistanceAt(effort.hops);
}

void GraphWalk::VisitPassing(const Graph& graph) {
  fresh_.clear();
  for (; passing_.HasNext(); fresh_.push_back(passing_.PopNext())) graph.PrefetchOwn(passing_.PeekNext(0));
  for (const Slot slot : fresh_) visited_.push_back({Visit(graph, slot), slot});
  judged_ += static_cast<int64_t>(fresh_.size());
}

// The nearest few entries.
uint32_t GraphWalk::Starts(const Graph& graph, Candidate* starts) const {
  const uint32_t count = graph.entry_count();
  for (uint32_t i = 0; i < count; ++i) {
    const Graph::Entry& entry = graph.entry(i);
    const codec::CodeFactors factors = entry.factors();
    const float dot = graph.own_kernels().dot(code_.data(), graph.entry_code(i), factors.sum, n_);
    const float bias = biased_ ? entry.bias.load(std::memory_order_relaxed) : 0;
    starts[i] = {codec::SquaredDistance(factors_, factors, dot) + bias,
                 entry.slot.load(std::memory_order_relaxed)};
  }
  const uint32_t used = std::min(count, kStarts);
  std::partial_sort(starts, starts + used, starts + count,
                    [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; });
  return used;
}

float GraphWalk::Visit(const Graph& graph, Slot slot) {
  const NodeHeader& header = graph.header(slot);
  const codec::CodeFactors factors = header.factors();
  const float dot = graph.own_kernels().dot(code_.data(), graph.own(slot), factors.sum, n_);
  const float square = codec::SquaredDistance(factors_, factors, dot);
  return biased_ ? square + header.bias.load(std::memory_order_relaxed) : square;
}

uint32_t GraphWalk::Estimate(const Graph& graph, Slot slot, uint32_t first, float distance, float limit,
                             float* estimates) const {
  codec::EstimateTerms terms{distance, graph.constants(slot) + first, graph.slopes(slot) + first};
  if (biased_) terms.more = graph.biases(slot) + first, terms.weight = 1;
  return graph.kernels().estimate(graph.block(slot, first / codec::kBlock), graph.layout().bits, n_, table_,
                                  terms, limit, estimates);
}

void GraphWalk::SortVisited() {
  std::sort(visited_.begin(), visited_.end(), [](const Candidate& a, const Candidate& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
  });
}

// A coordinate's rounding is evenly spread over a step, here of the query's code for both sides; its mean
// square adds to the distance, and its product with the difference has the deviation of which three are
// allowed. The difference is that of the points, whatever bias the metric adds to its square.
float GraphWalk::Slack(const Graph& graph, const Candidate& visited) const {
  const float bias = biased_ ? graph.header(visited.slot).bias.load(std::memory_order_relaxed) : 0;
  const float mean = Rounding() * static_cast<float>(n_);
  return mean + 3 * 2 * std::sqrt(std::max(visited.distance - bias, 0.0f) * Rounding());
}

}  // namespace longbow::index
