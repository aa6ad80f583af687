#include "longbow/index/graph/tail_scan.h"

#include <algorithm>

namespace longbow::index {

bool TailScan::Run(const VectorStore& store, const distance::KernelSet& kernels, const SearchSpec& spec,
                   const std::byte* query, RowOrdinal first, RowOrdinal end, TopK* top, SearchWork* work) {
  WantedRows wanted(&store, spec.visibility, spec.selection);
  constexpr RowOrdinal kBlockMask = WantedRows::kRows - 1;
  bool budget_left = true;
  end = std::min(end, wanted.end());
  if (first >= end) return true;
  for (uint64_t block = first & ~kBlockMask; block < end; block += WantedRows::kRows) {
    if (wanted.Load(static_cast<RowOrdinal>(block)) == 0) continue;
    rows_.clear();
    rows_at_.clear();
    wanted.ForEach([&](RowOrdinal row) {
      if (row < first || row >= end) return;
      rows_.push_back(row);
      rows_at_.push_back(store.Row(row));
    });
    if (rows_.empty()) continue;
    if (!budget_left) return false;
    distances_.resize(rows_.size());
    kernels.gather(query, rows_at_.data(), rows_.size(), store.scalars(), distances_.data());
    top->OfferAll(distances_.data(), rows_.size(), [this](size_t i) { return rows_[i]; });
    const auto count = static_cast<int64_t>(rows_.size());
    work->distances += count;
    work->bytes += count * static_cast<int64_t>(store.row_bytes());
    budget_left = spec.budget == nullptr || spec.budget->Spend(count);
  }
  return true;
}

}  // namespace longbow::index
