#include "longbow/index/graph/row_codes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "longbow/base/check.h"

namespace longbow::index {
namespace {

// Fewer bits make a faster scan until more rows have to be looked at in full than that saves.
uint32_t BitsFor(size_t n) { return n <= 256 ? 2 : 1; }

// How many times |query||row| / sqrt(n) the estimated product of query and row is off, one standard
// deviation, for 1 to 4 bits; measured on random directions, and what theory says for one bit: sqrt(pi / 2 -
// 1).
constexpr float kDeviation[] = {0.76f, 0.36f, 0.19f, 0.1f};
// So that even where all rows are about equally near, 2 in 100 of the nearest are missed; elsewhere far fewer
// (docs/decisions/code-scan.md).
constexpr float kDeviations = 2.0f;

}  // namespace

RowCodes::RowCodes(const GraphSpace* space, const VectorStore* store, MemoryLedger* ledger)
    : space_(space),
      store_(store),
      n_(space->n()),
      bits_(BitsFor(n_)),
      block_bytes_(3 * kRows * sizeof(float) + codec::BlockBytes(n_, bits_)),
      blocks_(block_bytes_, ledger),
      vector_(space->scratch_doubles()),
      point_(n_),
      origin_(n_),
      levels_(n_) {}

bool RowCodes::Code(RowOrdinal end, RowOrdinal rows) {
  RowOrdinal first = coded_end_.load(std::memory_order_relaxed);
  const RowOrdinal until = first + std::min(end - std::min(first, end), rows) / kRows * kRows;
  for (; first < until; first += kRows) {
    const Slot slot = blocks_.Extend();
    LB_CHECK(slot == first / kRows);
    CodeBlock(first, blocks_.At(slot));
    coded_end_.store(first + kRows, std::memory_order_release);
  }
  return end - std::min(first, end) >= kRows;
}

void RowCodes::CodeBlock(RowOrdinal first, std::byte* block) {
  auto* floats = reinterpret_cast<float*>(block);
  auto* codes = reinterpret_cast<uint8_t*>(floats + 3 * kRows);
  const float reach = 2 * kDeviations * kDeviation[bits_ - 1] / std::sqrt(static_cast<float>(n_));
  for (uint32_t i = 0; i < kRows; ++i) {
    floats[i] = std::numeric_limits<float>::infinity();  // never near
    floats[kRows + i] = floats[2 * kRows + i] = 0;
    if (!store_->Present(first + i)) continue;
    const float bias = space_->PlaceRow(first + i, vector_.data(), point_.data());
    const codec::NeighborFactors factors =
        space_->kernels().encode_neighbor(origin_.data(), point_.data(), n_, bits_, i, codes, levels_.data());
    floats[i] = factors.constant + (space_->biased() ? bias : 0);
    floats[kRows + i] = factors.slope;
    floats[2 * kRows + i] = reach * std::sqrt(factors.square);
  }
}

}  // namespace longbow::index
