#include "longbow/index/graph/code_scan.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace longbow::index {
namespace {

constexpr RowOrdinal kRowsALook = 1024;  // between looks at the budget
// Up to so many rows an estimate is trusted to 3.5 standard errors instead of 2: it costs little there, and
// equal vectors err together, so that one estimate gone wrong can lose all of the k.
constexpr RowOrdinal kFewRows = 20000;
constexpr float kMoreDoubt = 1.75f;

uint32_t SelectedBits(const RowSelection* selection, RowOrdinal first) {
  if (selection == nullptr) return ~uint32_t{0};
  if (first >= selection->end()) return 0;
  return static_cast<uint32_t>(selection->words()[first / 64] >> (first % 64));
}

}  // namespace

void CodeScan::Aim(const RowCodes& codes, const GraphSpace& space, const float* point) {
  const size_t n = codes.n();
  entries_.resize(codec::TableBytes(n) + 63);
  const auto address = reinterpret_cast<uintptr_t>(entries_.data());
  table_ = space.kernels().make_table(point, n, entries_.data() + (-address & 63));
  square_ = 0;
  for (size_t i = 0; i < n; ++i) square_ += point[i] * point[i];
  length_ = std::sqrt(square_);
}

// Bit i: row i of the block may be nearer than `bound`.
uint32_t CodeScan::Near(const RowCodes::Block& block, float bound, float reach) const {
  uint32_t near = 0;
  for (uint32_t i = 0; i < RowCodes::kRows; ++i) {
    near |= static_cast<uint32_t>(estimates_[i] - block.spreads[i] * reach <= bound) << i;
  }
  return near;
}

bool CodeScan::Run(const RowCodes& codes, const GraphSpace& space, GraphSpace::Scale scale,
                   const VectorStore& store, const distance::KernelSet& kernels, const SearchSpec& spec,
                   const std::byte* query, RowOrdinal first, RowOrdinal end, TopK* top, SearchWork* work) {
  waiting_ = 0;
  int64_t coded = 0;
  bool budget_left = true;
  const float reach = end - first <= kFewRows ? kMoreDoubt * length_ : length_;
  for (RowOrdinal row = first; row < end && budget_left; row += RowCodes::kRows) {
    if (row % kRowsALook == 0 && spec.budget != nullptr) budget_left = spec.budget->Spend(kRowsALook / 16);
    const uint32_t selected = SelectedBits(spec.selection, row);
    if (selected == 0) continue;
    const RowCodes::Block block = codes.At(row);
    space.kernels().estimate(block.codes, codes.bits(), codes.n(), table_, square_, block.constants,
                             block.slopes, estimates_.data());
    coded += RowCodes::kRows;
    const float bound = scale.shift + scale.stretch * top->threshold();
    for (uint32_t near = Near(block, bound, reach) & selected; near != 0; near &= near - 1) {
      const RowOrdinal at = row + static_cast<RowOrdinal>(std::countr_zero(near));
      if (spec.visibility.Visible(at) && store.Present(at)) rows_[waiting_++] = at;
    }
    if (waiting_ >= kBatch) TakeBatch(store, kernels, query, top, work);
  }
  TakeBatch(store, kernels, query, top, work);
  work->codes += coded;
  work->bytes += coded / RowCodes::kRows * static_cast<int64_t>(codes.block_bytes());
  return budget_left;
}

void CodeScan::TakeBatch(const VectorStore& store, const distance::KernelSet& kernels, const std::byte* query,
                         TopK* top, SearchWork* work) {
  if (waiting_ == 0) return;
  for (size_t i = 0; i < waiting_; ++i) rows_at_[i] = store.Row(rows_[i]);
  kernels.gather(query, rows_at_.data(), waiting_, store.scalars(), distances_.data());
  top->OfferAll(distances_.data(), waiting_, [this](size_t i) { return rows_[i]; });
  work->distances += static_cast<int64_t>(waiting_);
  work->bytes += static_cast<int64_t>(waiting_ * store.row_bytes());
  waiting_ = 0;
}

}  // namespace longbow::index
