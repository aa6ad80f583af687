#include "longbow/index/graph/graph.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "longbow/base/check.h"

namespace longbow::index {
namespace {

uint64_t Mix(uint64_t x) {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
  return x ^ x >> 33;
}

}  // namespace

Graph::Graph(const GraphSpace* space, uint32_t degree, uint32_t bits, codec::VectorCode own,
             MemoryLedger* ledger)
    : space_(space),
      kernels_(space->kernels()),
      layout_(space->n(), degree, bits, own, space->biased()),
      own_kernels_(kernels_.of(own)),
      arena_(layout_.bytes, ledger),
      rows_(ledger, MemoryUse::kIndex, kNoRow),
      shared_(ledger, MemoryUse::kIndex, 0),
      entry_codes_(new std::byte[kEntries * layout_.own_bytes()]) {
  LB_CHECK(degree % codec::kBlock == 0);
  LB_CHECK(degree > 0 && degree <= kMaxDegree);
  LB_CHECK(bits <= codec::kMaxBits);
}

// Room for what is known of the slot's rows is made before anyone can learn of the slot.
Slot Graph::ExtendByOne() {
  std::lock_guard lock(mutex_);
  GrowRows(uint64_t{arena_.size()} + 1);
  return arena_.Extend();
}

void Graph::GrowRows(uint64_t slots) {
  rows_.Grow(slots);
  shared_.Grow(slots / kSlotsAByte + 1);
}

Slot Graph::MakeNode(const float* point, float bias) {
  Slot slot = kNoSlot;
  {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      slot = free_.back();
      free_.pop_back();
    }
  }
  if (slot == kNoSlot) slot = ExtendByOne();
  NodeHeader& h = header(slot);
  NodeLock lock(h);
  const codec::CodeFactors factors = own_kernels_.encode(point, layout_.n, const_cast<std::byte*>(own(slot)));
  h.scale.store(factors.scale, std::memory_order_relaxed);
  h.sum.store(factors.sum, std::memory_order_relaxed);
  h.square.store(factors.square, std::memory_order_relaxed);
  h.bias.store(bias, std::memory_order_relaxed);
  SetRow(slot, kNoRow);
  SetShared(slot, false);
  h.lost.store(0, std::memory_order_relaxed);
  ClearEdges(slot);
  return slot;
}

void Graph::Extend(Slot slots) {
  std::lock_guard lock(mutex_);
  GrowRows(slots);
  while (arena_.size() < slots) arena_.Extend();
}

void Graph::FreeNode(Slot slot) {
  std::lock_guard lock(mutex_);
  free_.push_back(slot);
}

std::vector<Slot> Graph::free_slots() const {
  std::lock_guard lock(mutex_);
  return free_;
}

void Graph::SetEdge(Slot node, uint32_t position, Slot to, const float* from, bool kept,
                    EdgeScratch* scratch) {
  const NodeHeader& h = header(to);
  NodeHeader& mine = header(node);
  if (layout_.bits == 0) {
    squares(node)[position] = Distance(node, to);
  } else {
    scratch->to.resize(layout_.n);
    Decode(to, scratch->to.data());
    const codec::NeighborFactors factors =
        kernels_.encode_neighbor(from, scratch->to.data(), layout_.n, layout_.bits, position % codec::kBlock,
                                 block(node, position / codec::kBlock));
    constants(node)[position] = factors.constant;
    slopes(node)[position] = factors.slope;
    squares(node)[position] = factors.square + bias(node) + bias(to);
  }
  if (space_->biased()) {
    biases(node)[position] =
        h.bias.load(std::memory_order_relaxed) - mine.bias.load(std::memory_order_relaxed);
  }
  const uint64_t bit = uint64_t{1} << position;
  if ((mine.used.load(std::memory_order_relaxed) & bit) != 0) CountEdge(ids(node)[position], -1);
  ids(node)[position].store(to, std::memory_order_relaxed);
  CountEdge(ids(node)[position], 1);
  mine.used.store(mine.used.load(std::memory_order_relaxed) | bit, std::memory_order_relaxed);
  const uint64_t others = mine.kept.load(std::memory_order_relaxed) & ~bit;
  mine.kept.store(kept ? others | bit : others, std::memory_order_relaxed);
}

// An edge to itself, infinitely far.
void Graph::ClearEdge(Slot node, uint32_t position) {
  if (layout_.bits > 0) {
    constants(node)[position] = std::numeric_limits<float>::infinity();
    slopes(node)[position] = 0;
  }
  squares(node)[position] = std::numeric_limits<float>::infinity();
  NodeHeader& h = header(node);
  const uint64_t others = ~(uint64_t{1} << position);
  if ((h.used.load(std::memory_order_relaxed) & ~others) != 0) CountEdge(ids(node)[position], -1);
  ids(node)[position].store(node, std::memory_order_relaxed);
  h.used.store(h.used.load(std::memory_order_relaxed) & others, std::memory_order_relaxed);
  h.kept.store(h.kept.load(std::memory_order_relaxed) & others, std::memory_order_relaxed);
}

void Graph::DropUncountedEdge(Slot node, uint32_t position) {
  NodeHeader& h = header(node);
  h.used.store(h.used.load(std::memory_order_relaxed) & ~(uint64_t{1} << position),
               std::memory_order_relaxed);
  ClearEdge(node, position);
}

void Graph::ClearEdges(Slot node) {
  for (uint32_t i = 0; i < layout_.degree; ++i) ClearEdge(node, i);
}

void Graph::CountEdge(const std::atomic<Slot>& to, int32_t change) {
  header(to.load(std::memory_order_relaxed)).in_edges.fetch_add(change, std::memory_order_relaxed);
}

bool Graph::LengthsDiffer() const {
  constexpr float kSameSquares = 1.1f;
  if (!space_->biased() || entry_count() == 0) return false;
  const Range squares = SquaredLengths();
  return squares.most > kSameSquares * squares.least;
}

Graph::Range Graph::SquaredLengths() const {
  Range squares{std::numeric_limits<float>::infinity(), 0};
  for (uint32_t i = 0; i < entry_count(); ++i) {
    const float square = -entry(i).bias.load(std::memory_order_relaxed);
    squares = {std::min(squares.least, square), std::max(squares.most, square)};
  }
  return squares;
}

// Reservoir sampling, so that entries stand for all nodes whatever the order they came in; those that come in
// the place of others count like them.
void Graph::OfferEntry(Slot slot, uint64_t count, uint64_t live) {
  const uint64_t known = entry_count();
  const uint64_t place = known < kEntries ? known : Mix(count) % std::max<uint64_t>(live, 1);
  if (place < kEntries) ReplaceEntry(static_cast<uint32_t>(place), slot);
}

void Graph::ForgetEntries() {
  std::lock_guard lock(mutex_);
  entry_count_.store(0, std::memory_order_release);
}

void Graph::ReplaceEntry(uint32_t i, Slot slot) {
  std::lock_guard lock(mutex_);
  const codec::CodeFactors factors = header(slot).factors();
  Entry& entry = entries_[i];
  std::memcpy(entry_codes_.get() + i * layout_.own_bytes(), own(slot), layout_.own_bytes());
  entry.scale.store(factors.scale, std::memory_order_relaxed);
  entry.sum.store(factors.sum, std::memory_order_relaxed);
  entry.square.store(factors.square, std::memory_order_relaxed);
  entry.bias.store(header(slot).bias.load(std::memory_order_relaxed), std::memory_order_relaxed);
  entry.slot.store(slot, std::memory_order_relaxed);
  const uint32_t count = entry_count_.load(std::memory_order_relaxed);
  if (i == count) entry_count_.store(count + 1, std::memory_order_release);
}

}  // namespace longbow::index
