#include "longbow/query/selection.h"

#include <algorithm>
#include <array>

#include "longbow/base/visible_bits.h"

namespace longbow::query {

RowSelection VisibleRows(const Visibility& visibility) {
  constexpr RowOrdinal kRows = 4096;  // at a time; divides a chunk of versions
  static_assert(RowVersions::kChunk % kRows == 0);
  RowSelection visible(visibility.end);
  std::array<uint64_t, kRows / 64> words;
  for (RowOrdinal first = 0; first < visibility.end; first += kRows) {
    if (visibility.versions->released(first)) continue;
    const RowOrdinal rows = std::min(kRows, visibility.end - first);
    const RowOrdinal at = first & (RowVersions::kChunk - 1);
    const Sequences born = visibility.versions->BornChunk(first) + at;
    const Sequences died = visibility.versions->DiedChunk(first) + at;
    for (RowOrdinal row = 0; row < rows; row += 64) {
      words[row / 64] = VisibleBits(born + row, died + row, visibility.at);
    }
    visible.AddBits(first, reinterpret_cast<const uint8_t*>(words.data()), 0, rows);
  }
  return visible;
}

Status BudgetError(BudgetEnd end) {
  switch (end) {
    case BudgetEnd::kStopped:
      return Error(ErrorCode::kCancelled, "the search was cancelled");
    case BudgetEnd::kDistances:
      return Error(ErrorCode::kResourceExhausted,
                   "the search spent its max_distances before it was complete; give more, or take what was "
                   "found with allow_partial");
    default:
      return Error(ErrorCode::kDeadlineExceeded,
                   "the search's deadline passed before it was complete; give more time, or take what was "
                   "found with allow_partial");
  }
}

}  // namespace longbow::query
