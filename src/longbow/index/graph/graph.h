// The nodes and edges, and where walks begin.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "longbow/base/chunked_array.h"
#include "longbow/index/graph/graph_space.h"
#include "longbow/index/graph/node_arena.h"
#include "longbow/index/graph/node_layout.h"

namespace longbow::index {

// Loads of a node that a writer may be changing stay between the two looks at its version.
inline void ReadFence() {
#if !defined( \
    __SANITIZE_THREAD__)  // which does not know fences, nor see the loads: those are in codec/'s kernels
  std::atomic_thread_fence(std::memory_order_acquire);
#endif
}

// Any number of readers beside any number of writers; a node's edges are written under its NodeLock. What a
// reader finds may be torn: an id is always a slot below size(), a distance at worst wrong until the node
// itself is visited.
class Graph {
 public:
  Graph(const GraphSpace* space, uint32_t degree, uint32_t bits, codec::VectorCode own, MemoryLedger* ledger);

  const GraphSpace& space() const { return *space_; }
  const codec::CodeKernels& kernels() const { return kernels_; }
  const NodeLayout& layout() const { return layout_; }
  Slot size() const { return arena_.size(); }
  int64_t bytes() const { return arena_.bytes(); }

  NodeHeader& header(Slot slot) const { return *reinterpret_cast<NodeHeader*>(arena_.At(slot)); }
  const std::byte* own(Slot slot) const { return arena_.At(slot) + layout_.own_at; }
  const codec::VectorCodeKernels& own_kernels() const { return own_kernels_; }
  std::atomic<Slot>* ids(Slot slot) const {
    return reinterpret_cast<std::atomic<Slot>*>(arena_.At(slot) + layout_.ids_at);
  }
  float* constants(Slot slot) const {
    return reinterpret_cast<float*>(arena_.At(slot) + layout_.constants_at);
  }
  float* slopes(Slot slot) const { return reinterpret_cast<float*>(arena_.At(slot) + layout_.slopes_at); }
  float* squares(Slot slot) const { return reinterpret_cast<float*>(arena_.At(slot) + layout_.squares_at); }
  float* biases(Slot slot) const {  // only where the space is biased
    return reinterpret_cast<float*>(arena_.At(slot) + layout_.biases_at);
  }
  uint8_t* block(Slot slot, uint32_t number) const {
    return reinterpret_cast<uint8_t*>(arena_.At(slot) + layout_.codes_at) +
           number * codec::BlockBytes(layout_.n, layout_.bits);
  }

  // What edges are made by, of the codes of two nodes: |a - b|^2, and for inner product -2 <a, b>.
  float Distance(Slot a, Slot b) const {
    const codec::CodeFactors of_a = header(a).factors(), of_b = header(b).factors();
    const float dot = own_kernels_.dot(own(a), own(b), of_b.sum, layout_.n);
    return codec::SquaredDistance(of_a, of_b, dot) + bias(a) + bias(b);
  }
  // Whether the metric is inner product and the entries are of unequal lengths: then edges lead to long
  // vectors, and few to short ones.
  bool LengthsDiffer() const;
  // Of the entries' vectors, by inner product.
  struct Range {
    float least, most;
  };
  Range SquaredLengths() const;
  // 0 but for inner product.
  float bias(Slot slot) const { return header(slot).bias.load(std::memory_order_relaxed); }
  void Decode(Slot slot, float* out) const {
    own_kernels_.decode(own(slot), header(slot).scale.load(std::memory_order_relaxed), layout_.n, out);
  }

  void Prefetch(Slot slot) const {
    if (layout_.bits == 0) return PrefetchIds(slot);
    const std::byte* at = arena_.At(slot);
    for (size_t i = 0; i < layout_.read_bytes(); i += NodeLayout::kLine) __builtin_prefetch(at + i);
  }
  void PrefetchOwn(Slot slot) const {
    const std::byte* at = arena_.At(slot);
    for (size_t i = 0; i < layout_.ids_at; i += NodeLayout::kLine) __builtin_prefetch(at + i);
  }

  void PrefetchIds(Slot slot) const {
    const std::byte* at = arena_.At(slot) + layout_.ids_at;
    __builtin_prefetch(arena_.At(slot));
    for (size_t i = 0; i < sizeof(Slot) * layout_.degree; i += NodeLayout::kLine) __builtin_prefetch(at + i);
  }

  // The first row that a slot stands for, as its header says, from a place dense enough to ask for many.
  RowOrdinal row(Slot slot) const { return rows_.Get(slot); }
  void PrefetchRow(Slot slot) const { __builtin_prefetch(rows_.At(slot)); }
  // Whether the slot has stood for more than one row since it was made. The bits of all slots stay in cache;
  // where none is set nobody need ask memory for the row after the first, to learn that there is none.
  bool shared(Slot slot) const { return (shared_.Get(slot / kSlotsAByte) & SharedBit(slot)) != 0; }
  // The node's lock is held.
  void SetShared(Slot slot, bool shared) {
    if (shared)
      shared_.SetBits(slot / kSlotsAByte, SharedBit(slot));
    else
      shared_.ClearBits(slot / kSlotsAByte, SharedBit(slot));
  }
  // The node's lock is held.
  void SetRow(Slot slot, RowOrdinal row) {
    header(slot).row.store(row, std::memory_order_release);
    rows_.Set(slot, row);
  }

  // A slot of no row and without edges, with the code of `point`.
  Slot MakeNode(const float* point, float bias);
  // Slots below `slots` exist afterwards, all zeros: each is to be filled, or cleared, before anyone else
  // knows the graph.
  void Extend(Slot slots);
  // The slot may be given to another row; nothing but readers may still know it.
  void FreeNode(Slot slot);
  std::vector<Slot> free_slots() const;
  // Writes an edge; the node's lock is held, or nobody knows the node yet. `from` is its decoded point.
  struct EdgeScratch {
    std::vector<float> to;
  };
  void SetEdge(Slot node, uint32_t position, Slot to, const float* from, bool kept, EdgeScratch* scratch);
  void ClearEdge(Slot node, uint32_t position);
  // The same for an edge that nobody's in_edges counts.
  void DropUncountedEdge(Slot node, uint32_t position);
  void ClearEdges(Slot node);

  // Entries: a sample of the nodes, drawn as they come, each with a copy of its code so that looking at all
  // of them is one short scan.
  static constexpr uint32_t kEntries = 32;
  struct Entry {
    std::atomic<Slot> slot{0};
    std::atomic<float> scale{0}, square{0}, bias{0};
    std::atomic<int32_t> sum{0};
    codec::CodeFactors factors() const {
      return {scale.load(std::memory_order_relaxed), sum.load(std::memory_order_relaxed),
              square.load(std::memory_order_relaxed)};
    }
  };
  uint32_t entry_count() const { return entry_count_.load(std::memory_order_acquire); }
  const Entry& entry(uint32_t i) const { return entries_[i]; }
  const std::byte* entry_code(uint32_t i) const { return entry_codes_.get() + i * layout_.own_bytes(); }
  // The node, one of `live` and number `count` of those linked so far, may become an entry.
  void OfferEntry(Slot slot, uint64_t count, uint64_t live);
  void ReplaceEntry(uint32_t i, Slot slot);
  void ForgetEntries();

 private:
  static constexpr Slot kSlotsAByte = 8;
  static uint8_t SharedBit(Slot slot) { return static_cast<uint8_t>(1u << slot % kSlotsAByte); }
  Slot ExtendByOne();
  void GrowRows(uint64_t slots);  // mutex_ is held
  void CountEdge(const std::atomic<Slot>& to, int32_t change);

  const GraphSpace* const space_;
  const codec::CodeKernels& kernels_;
  const NodeLayout layout_;
  const codec::VectorCodeKernels& own_kernels_;
  NodeArena arena_;
  ChunkedArray<RowOrdinal> rows_;  // by slot, written under the node's lock
  ChunkedArray<uint8_t> shared_;   // a bit a slot, written under the node's lock
  std::array<Entry, kEntries> entries_;
  std::unique_ptr<std::byte[]> entry_codes_;
  std::atomic<uint32_t> entry_count_{0};
  mutable std::mutex mutex_;
  std::vector<Slot> free_;  // guarded by mutex_
};

}  // namespace longbow::index
