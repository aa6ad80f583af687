// Runs of set bits in a selection: what can be taken whole.
#pragma once

#include <algorithm>
#include <bit>

#include "longbow/base/row_selection.h"

namespace longbow::query {

// The first row from `from` on that is (`set`) or is not (`!set`) selected; the selection's end when there is
// none.
inline RowOrdinal NextRow(const RowSelection& selection, RowOrdinal from, bool set) {
  const RowOrdinal end = selection.end();
  if (from >= end) return end;
  const auto& words = selection.words();
  uint64_t skipped = ~uint64_t{0} << (from & 63);
  for (size_t w = from >> 6; w < words.size(); ++w, skipped = ~uint64_t{0}) {
    const uint64_t word = (set ? words[w] : ~words[w]) & skipped;
    if (word != 0)
      return std::min(end, static_cast<RowOrdinal>(w * 64 + static_cast<size_t>(std::countr_zero(word))));
  }
  return end;
}

}  // namespace longbow::query
