// One exact search: every wanted row, full precision, block by block.
#pragma once

#include <cstddef>
#include <vector>

#include "longbow/distance/kernels.h"
#include "longbow/index/flat/wanted_rows.h"
#include "longbow/index/top_k.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {

// What scans work in. Confined to one search at a time.
class FlatScratch : public SearchScratch {
 private:
  friend class FlatScan;
  std::vector<Neighbor> heaps_;        // of all queries, one behind the other
  std::vector<TopK> tops_;             // one a query
  std::vector<float> distances_;       // of one kernel call
  std::vector<RowOrdinal> scattered_;  // wanted rows that lie apart, waiting for a call
  std::vector<const std::byte*> scattered_at_;
  std::vector<std::byte> packed_;  // scattered rows moved together for many queries
};

// Rows that lie together go to the kernels where they lie; rows that lie apart are gathered over blocks, for
// many queries packed first. Confined.
class FlatScan {
 public:
  FlatScan(const VectorStore* store, const distance::KernelSet& kernels, const SearchSpec& spec,
           FlatScratch* scratch);
  void Run(SearchHits* hits);

 private:
  bool ScanRows();
  bool ScanRun(RowOrdinal first, uint32_t count);
  bool FlushScattered();
  bool FlushGathered();
  bool FlushPacked();
  // Distances of all queries to `count` rows that lie together; row_at(i) names them.
  template <typename RowAt>
  bool Score(const std::byte* first_row, uint32_t count, RowAt&& row_at);
  template <typename RowAt>
  void Account(uint32_t query, uint32_t queries, uint32_t count, RowAt&& row_at);
  bool CanGoOn();
  void Drain(SearchHits* hits);

  const VectorStore* const store_;
  const distance::KernelSet& kernels_;
  const SearchSpec& spec_;
  FlatScratch* const scratch_;
  WantedRows wanted_;
  uint32_t rows_a_call_;  // that lie together
  bool budget_ended_ = false;
  bool partial_ = false;  // rows were left out
  SearchWork work_;
};

}  // namespace longbow::index
