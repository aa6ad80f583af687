#include "longbow/index/graph/graph_walk.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace longbow::index {
namespace {

constexpr size_t kLine = NodeLayout::kLine;
constexpr int kTries = 3;            // at a node that a writer changes meanwhile
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
  code_.resize(n_);
  sq8_ = graph.kernels().encode(point, n_, code_.data());
  table_ = graph.kernels().make_table(point, n_, Aligned(entries_, codec::TableBytes(n_)));
}

bool GraphWalk::Run(const Graph& graph, uint32_t ef, Budget* budget, SearchWork* work) {
  pool_.Reset(ef);
  seen_.Reset(ef * kSeenAVisit);
  visited_.clear();
  Enter(graph);
  bool complete = true;
  while (pool_.HasNext()) {
    if (budget != nullptr && !budget->Spend(1 + graph.layout().degree)) {
      complete = false;
      break;
    }
    const Slot slot = pool_.PopNext();
    const Slot next = pool_.PeekNext(0);
    if (next != kNoSlot) graph.Prefetch(next);
    const float distance = Visit(graph, slot);
    visited_.push_back({distance, slot});
    Judge(graph, slot, distance);
    const Slot then = pool_.PeekNext(0);
    if (then != kNoSlot && then != next) graph.Prefetch(then);
  }
  const auto hops = static_cast<int64_t>(visited_.size());
  work->hops += hops;
  work->codes += hops * (1 + graph.layout().degree);
  work->bytes += hops * static_cast<int64_t>(graph.layout().read_bytes());
  return complete;
}

// From the nearest few entries.
void GraphWalk::Enter(const Graph& graph) {
  const uint32_t count = graph.entry_count();
  Candidate starts[Graph::kEntries];
  for (uint32_t i = 0; i < count; ++i) {
    const Graph::Entry& entry = graph.entry(i);
    const codec::Sq8 sq8 = entry.sq8();
    const int32_t dot = graph.kernels().dot(code_.data(), graph.entry_code(i), sq8.sum, n_);
    const float bias = biased_ ? entry.bias.load(std::memory_order_relaxed) : 0;
    starts[i] = {codec::SquaredDistance(sq8_, sq8, dot) + bias, entry.slot.load(std::memory_order_relaxed)};
  }
  const uint32_t used = std::min(count, kStarts);
  std::partial_sort(starts, starts + used, starts + count,
                    [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; });
  for (uint32_t i = 0; i < used; ++i) {
    if (starts[i].distance < pool_.limit() && seen_.Add(starts[i].slot)) {
      pool_.Insert(starts[i].distance, starts[i].slot);
      graph.Prefetch(starts[i].slot);
    }
  }
}

float GraphWalk::Visit(const Graph& graph, Slot slot) {
  const NodeHeader& header = graph.header(slot);
  const codec::Sq8 sq8 = header.sq8();
  const int32_t dot = graph.kernels().dot(code_.data(), graph.own(slot), sq8.sum, n_);
  const float square = codec::SquaredDistance(sq8_, sq8, dot);
  return biased_ ? square + header.bias.load(std::memory_order_relaxed) : square;
}

// Takes in the neighbours that are near enough. If a writer was at the node meanwhile, once more: what came in by a
// torn estimate stays, and is put right when it is visited.
void GraphWalk::Judge(const Graph& graph, Slot slot, float distance) {
  alignas(kLine) float estimates[codec::kBlock];
  const NodeHeader& header = graph.header(slot);
  const std::atomic<Slot>* ids = graph.ids(slot);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const uint32_t version = header.version.load(std::memory_order_acquire);
    for (uint32_t first = 0; first < graph.layout().degree; first += codec::kBlock) {
      graph.kernels().estimate(graph.block(slot, first / codec::kBlock), graph.layout().bits, n_, table_, distance,
                               graph.constants(slot) + first, graph.slopes(slot) + first, estimates);
      if (biased_) {
        const std::atomic<float>* biases = graph.biases(slot) + first;
        for (uint32_t i = 0; i < codec::kBlock; ++i) estimates[i] += biases[i].load(std::memory_order_relaxed);
      }
      const float limit = pool_.limit();
      uint32_t near = 0;
      for (uint32_t i = 0; i < codec::kBlock; ++i) near |= static_cast<uint32_t>(estimates[i] < limit) << i;
      for (; near != 0; near &= near - 1) {
        const auto i = static_cast<uint32_t>(std::countr_zero(near));
        if (!(estimates[i] < pool_.limit())) continue;
        const Slot neighbor = ids[first + i].load(std::memory_order_relaxed);
        if (seen_.Add(neighbor)) pool_.Insert(estimates[i], neighbor);
      }
    }
    ReadFence();
    if ((version & 1) == 0 && header.version.load(std::memory_order_acquire) == version) return;
  }
}

void GraphWalk::SortVisited() {
  std::sort(visited_.begin(), visited_.end(), [](const Candidate& a, const Candidate& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
  });
}

// A coordinate's rounding is evenly spread over a step, here of the query's scale for both sides; its mean square adds
// to the distance, and its product with the difference has the deviation of which three are allowed.
float GraphWalk::Slack(float distance) const {
  const float rounding = 2 * sq8_.scale * sq8_.scale / 12;
  const float mean = rounding * static_cast<float>(n_);
  return mean + 3 * 2 * std::sqrt(std::max(distance, 0.0f) * rounding);
}

}  // namespace longbow::index
