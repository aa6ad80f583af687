// The rows that no builder has reached yet.
#pragma once

#include <vector>

#include "longbow/index/flat/wanted_rows.h"
#include "longbow/index/top_k.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {

// Offers every wanted row of [first, end) to `top`, at full precision. False when the budget ended before.
// Confined; keeps its memory.
class TailScan {
 public:
  bool Run(const VectorStore& store, const distance::KernelSet& kernels, const SearchSpec& spec,
           const std::byte* query, RowOrdinal first, RowOrdinal end, TopK* top, SearchWork* work);

 private:
  std::vector<RowOrdinal> rows_;
  std::vector<const std::byte*> rows_at_;
  std::vector<float> distances_;
};

}  // namespace longbow::index
