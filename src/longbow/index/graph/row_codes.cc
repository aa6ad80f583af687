#include "longbow/index/graph/row_codes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "longbow/base/check.h"

namespace longbow::index {
namespace {

// Fewer bits make a faster scan until more rows have to be looked at in full than that saves.
uint32_t BitsFor(size_t n) { return n <= 256 ? 2 : 1; }

// Measured on random directions; for one bit what theory says, sqrt(pi / 2 - 1) of a code's share. The levels
// of a code count 1, or 1 and 3.
constexpr float kErrors[] = {0.61f, 0.58f};

// In place of the inverse of a slope of 0: of a row that is the centre.
constexpr float kNoSlope = 1e30f;

size_t BlockBytes(size_t n) { return 3 * RowCodes::kRows * sizeof(float) + codec::BlockBytes(n, BitsFor(n)); }

}  // namespace

RowCodes::RowCodes(const GraphSpace* space, const VectorStore* store, MemoryLedger* ledger)
    : space_(space),
      store_(store),
      n_(space->n()),
      bits_(BitsFor(n_)),
      block_bytes_(BlockBytes(n_)),
      blocks_(block_bytes_, ledger),
      vector_(space->scratch_doubles()),
      point_(n_),
      origin_(n_) {}

float RowCodes::error() const { return kErrors[bits_ - 1]; }

int64_t RowCodes::RowBytes(size_t n) { return static_cast<int64_t>(BlockBytes(n) / kRows); }

bool RowCodes::Code(RowOrdinal end, RowOrdinal rows) {
  const RowOrdinal first = coded_end_.load(std::memory_order_relaxed);
  const RowOrdinal until = first + std::min(end - std::min(first, end), rows);
  for (RowOrdinal row = first; row < until;) {
    const RowOrdinal block_end = std::min(until, (row / kRows + 1) * kRows);
    if (row % kRows == 0) {
      const Slot slot = blocks_.Extend();
      LB_CHECK(slot == row / kRows);
    }
    std::byte* const block = blocks_.At(row / kRows);
    for (; row < block_end; ++row) CodeRow(row, block);
    coded_end_.store(row, std::memory_order_release);
  }
  ForgetCoded();
  return until < end;
}

void RowCodes::Forget(RowOrdinal first, RowOrdinal end) {
  LB_CHECK(first % kRows == 0 && end % kRows == 0);
  {
    std::lock_guard lock(forget_mutex_);
    not_coded_yet_.push_back({first, end});
  }
  ForgetCoded();
}

// Both sides look after what they did, so that one of them sees both.
void RowCodes::ForgetCoded() {
  std::lock_guard lock(forget_mutex_);
  std::erase_if(not_coded_yet_, [&](const Range& range) {
    if (range.end > coded_end()) return false;
    blocks_.GiveBack(range.first / kRows, range.end / kRows);
    return true;
  });
}

void RowCodes::CodeRow(RowOrdinal row, std::byte* block) {
  const uint32_t i = row % kRows;
  float* const floats = reinterpret_cast<float*>(block) + i;
  auto* codes = reinterpret_cast<uint8_t*>(block) + 3 * kRows * sizeof(float);
  if (!store_->Present(row)) {
    floats[0] = std::numeric_limits<float>::infinity();  // never near
    floats[kRows] = 0;
    floats[2 * kRows] = 1;
    return;
  }
  const float bias = space_->PlaceRow(row, vector_.data(), point_.data());
  const codec::NeighborFactors factors =
      space_->kernels().encode_neighbor(origin_.data(), point_.data(), n_, bits_, i, codes);
  floats[0] = factors.constant + (space_->biased() ? bias : 0);
  floats[kRows] = factors.slope;
  floats[2 * kRows] = factors.slope < 0 ? std::min(-1 / factors.slope, kNoSlope) : kNoSlope;
}

}  // namespace longbow::index
