// Low-bit codes of rows in the order of their ordinals: what makes a scan of everything cheap, long before a
// row is linked.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "longbow/base/ids.h"
#include "longbow/codec/code_kernels.h"
#include "longbow/index/graph/graph_space.h"
#include "longbow/index/graph/node_arena.h"
#include "longbow/index/vector_source.h"

namespace longbow::index {

// Blocks of codec::kBlock rows: constants, slopes and their inverses of the rows, then their codes as the
// estimating kernel reads them (RaBitQ, arXiv 2405.12497, with the centre of the space as the centroid). One
// writer at a time; readers may read rows below the coded_end() they saw: the last block is still written
// behind it.
class RowCodes {
 public:
  RowCodes(const GraphSpace* space, const VectorStore* store, MemoryLedger* ledger);

  RowOrdinal coded_end() const { return coded_end_.load(std::memory_order_acquire); }
  // Writer: codes rows from coded_end() on, those below `end`, at most `rows`. False when none are left.
  bool Code(RowOrdinal end, RowOrdinal rows);

  // Rows that are dead to all who scan: their codes are zeros from now on, or once they have been coded. Any
  // thread's, also beside the writer.
  void Forget(RowOrdinal first, RowOrdinal end);

  uint32_t bits() const { return bits_; }
  size_t n() const { return n_; }
  size_t block_bytes() const { return block_bytes_; }
  int64_t bytes() const { return blocks_.bytes(); }

  struct Block {
    const float* constants;
    const float* slopes;
    const float* inverses;  // of the slopes' magnitudes
    const uint8_t* codes;
  };
  // What an estimated product of a row's code and a query is off by, one standard error, in lengths of the
  // query.
  float error() const;
  // The block that holds `row`; those of 256 rows from a multiple of 256 lie one behind the other.
  Block At(RowOrdinal row) const { return View(blocks_.At(row / kRows)); }

  static constexpr RowOrdinal kRows = codec::kBlock;
  // Of a row, at padded dimension n.
  static int64_t RowBytes(size_t n);

 private:
  static Block View(const std::byte* block) {
    const auto* floats = reinterpret_cast<const float*>(block);
    return {floats, floats + kRows, floats + 2 * kRows, reinterpret_cast<const uint8_t*>(floats + 3 * kRows)};
  }
  void CodeRow(RowOrdinal row, std::byte* block);
  void ForgetCoded();

  const GraphSpace* const space_;
  const VectorStore* const store_;
  const size_t n_;
  const uint32_t bits_;
  const size_t block_bytes_;
  NodeArena blocks_;
  std::atomic<RowOrdinal> coded_end_{0};
  struct Range {
    RowOrdinal first, end;
  };
  std::mutex forget_mutex_;
  std::vector<Range> not_coded_yet_;  // guarded by forget_mutex_: to be forgotten
  // The writer's.
  std::vector<double> vector_;
  std::vector<float> point_, origin_;
};

}  // namespace longbow::index
