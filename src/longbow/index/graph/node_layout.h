// One node of the graph: its own code and everything a hop needs to judge its neighbours, in one stretch of
// memory.
//
//   header 64 | own code n | ids 4R | constants 4R | slopes 4R | neighbour codes | squares 4R | biases 4R
//
// Squares (the lengths of the edges) are for writers alone, biases for queries by inner product, so they lie
// last.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "longbow/base/ids.h"
#include "longbow/codec/code_kernels.h"

namespace longbow::index {

using Slot = uint32_t;  // a node's place; reused after its row was erased
inline constexpr Slot kNoSlot = ~Slot{0};
inline constexpr uint32_t kMaxDegree = 64;

// Written under NodeLock; read by anyone, at any time, so every field is atomic.
struct NodeHeader {
  std::atomic<uint32_t> version;  // odd while a writer is at the node
  std::atomic<RowOrdinal>
      row;  // the first of the rows it stands for; kNoRow: none (free, or dead and not yet swept)
  std::atomic<uint64_t> used;  // bit i: edge i is there
  std::atomic<uint64_t> kept;  // bit i: edge i survived pruning; the others fill the list
  std::atomic<float> scale, square;
  std::atomic<int32_t> sum;
  std::atomic<float> bias;        // added to the squared distance of a query (see GraphSpace)
  std::atomic<int32_t> in_edges;  // edges that lead here
  std::atomic<uint32_t> lost;     // edges to nodes that died since this one was linked
  std::byte spare[16];

  codec::CodeFactors factors() const {
    return {scale.load(std::memory_order_relaxed), sum.load(std::memory_order_relaxed),
            square.load(std::memory_order_relaxed)};
  }
};
static_assert(sizeof(NodeHeader) == 64);

// Immutable.
struct NodeLayout {
  static constexpr size_t kLine = 64;

  NodeLayout() = default;
  // n: padded dimension; degree: a multiple of codec::kBlock, at most kMaxDegree; bits of a neighbour code: 0
  // for none, and no factors then.
  NodeLayout(size_t n, uint32_t degree, uint32_t bits, codec::VectorCode own, bool biased)
      : n(n),
        degree(degree),
        bits(bits),
        own(own),
        own_at(sizeof(NodeHeader)),
        ids_at(own_at + n * codec::ScalarBytes(own)),
        constants_at(ids_at + sizeof(Slot) * degree),
        slopes_at(constants_at + (bits > 0 ? sizeof(float) * degree : 0)),
        codes_at(slopes_at + (bits > 0 ? sizeof(float) * degree : 0)),
        squares_at(codes_at + codec::BlockBytes(n, bits) * (degree / codec::kBlock)),
        biases_at(squares_at + sizeof(float) * degree),
        bytes((biases_at + (biased ? sizeof(float) * degree : 0) + kLine - 1) / kLine * kLine) {}

  size_t n = 0;
  uint32_t degree = 0, bits = 0;
  codec::VectorCode own = codec::VectorCode::kSq8;
  size_t own_at = 0, ids_at = 0, constants_at = 0, slopes_at = 0, codes_at = 0, squares_at = 0, biases_at = 0,
         bytes = 0;
  size_t own_bytes() const { return ids_at - own_at; }
  // Of a hop, neighbours' own codes left out.
  size_t read_bytes() const { return bits > 0 ? squares_at : sizeof(NodeHeader) + sizeof(Slot) * degree; }
};

// Excludes other writers of the node and tells readers. Never hold two.
class NodeLock {
 public:
  explicit NodeLock(NodeHeader& header) : version_(header.version) {
    for (;;) {
      uint32_t seen = version_.load(std::memory_order_relaxed);
      if ((seen & 1) == 0 && version_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel))
        return;
      Pause();
    }
  }
  ~NodeLock() { version_.fetch_add(1, std::memory_order_acq_rel); }
  NodeLock(const NodeLock&) = delete;
  NodeLock& operator=(const NodeLock&) = delete;

 private:
  static void Pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  std::atomic<uint32_t>& version_;
};

}  // namespace longbow::index
