// A scan of low-bit codes with exact distances for what could be near: approximate, and several times faster
// than reading the vectors.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "longbow/index/flat/wanted_rows.h"
#include "longbow/index/graph/row_codes.h"
#include "longbow/index/top_k.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {

// Confined; keeps its memory for the next scan.
class CodeScan {
 public:
  // Of the first blocks, up to so many, the nearest rows set the first bound.
  static constexpr uint32_t kLeastFirstBlocks = 32, kMostFirstBlocks = 160;

  // What is looked for, and where what is found goes; both outlive the scan.
  struct Query {
    const std::byte* data = nullptr;  // as the distance kernels take it
    const float* point = nullptr;     // in the space of the codes; copied
    GraphSpace::Scale scale;
    TopK* top = nullptr;
  };
  // `recall`: the share of the nearest that is found even where all rows are about equally near; elsewhere
  // far more are.
  void Aim(const RowCodes& codes, const GraphSpace& space, const Query& query, float recall);

  // Offers to the top of each query aimed at the exact distances of those wanted rows of [first, end) that
  // their codes do not rule out; all are coded, and `rows` are scanned for each in all. Up to four together
  // take half as long as one by one. False when the budget ended before.
  static bool Run(std::span<CodeScan> scans, const RowCodes& codes, const GraphSpace& space,
                  const VectorStore& store, const distance::KernelSet& kernels, const SearchSpec& spec,
                  RowOrdinal first, RowOrdinal end, RowOrdinal rows, SearchWork* work);
  static constexpr size_t kMostTogether = 4;

 private:
  static constexpr size_t kBatch = 16;          // rows fetched at once, then taken exactly
  static constexpr uint32_t kBlocksAtOnce = 8;  // that the bound is the same for

  struct Pass;
  // In the space of the codes.
  float bound() const { return scale_.shift + scale_.stretch * top_->threshold(); }
  void Begin(const Pass& pass, RowOrdinal rows);
  // Bit i: row + i may be no farther than the bound.
  uint32_t EstimateBlock(const Pass& pass, RowOrdinal row, float bound, float* estimates) const;
  // Of `count` blocks from that of `row` on, bit i of near_[j]: row i of block j may be no farther than the
  // bound.
  static void FindNear(std::span<CodeScan> scans, const Pass& pass, RowOrdinal row, uint32_t count);
  void Fit(const Pass& pass, RowOrdinal row);
  void Want(const Pass& pass, RowOrdinal row);
  void WantAll(const Pass& pass, RowOrdinal row, uint32_t near);
  void ScanFirst(const Pass& pass);
  void TakeBatch(const Pass& pass);
  void Spend(const Pass& pass, int64_t distances);

  std::vector<uint8_t> entries_, scan_entries_;
  codec::NeighborTable table_;
  codec::ScanTable scan_table_;  // of what was fitted last
  float fitted_ = 0;             // shortfall, in products, that its totals have room for; 0: none was
  const std::byte* query_ = nullptr;
  std::vector<float> point_;
  GraphSpace::Scale scale_;
  TopK* top_ = nullptr;
  float square_ = 0, length_ = 0, all_ = 0;  // of the point; all_ the sum of magnitudes
  float deviations_ = 0;                     // standard errors that an estimate may be off
  float reach_ = 0;                          // those, in lengths of the point
  RowOrdinal from_ = 0;                      // rows below were scanned
  alignas(64) std::array<float, kMostFirstBlocks * RowCodes::kRows> estimates_;
  std::array<float, kMostFirstBlocks> least_;      // estimate of each of the first blocks
  std::array<uint32_t, kMostFirstBlocks> others_;  // rows of it that are still to be looked at
  std::array<RowOrdinal, kBatch + RowCodes::kRows> rows_;
  std::array<const std::byte*, kBatch + RowCodes::kRows> rows_at_;
  std::array<float, kBatch + RowCodes::kRows> distances_;
  std::array<uint32_t, kBlocksAtOnce> near_;
  size_t waiting_ = 0;
  bool budget_left_ = true;
};

}  // namespace longbow::index
