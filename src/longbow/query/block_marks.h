// The rows of one block that a filter chose, kept small.
#pragma once

#include <cstdint>
#include <vector>

#include "longbow/base/row_selection.h"

namespace longbow::query {

// One container of a roaring bitmap (Lemire et al., "Roaring Bitmaps: Implementation of an Optimized Software
// Library"): all, a list of positions, or bits, whichever is smallest. Immutable.
class BlockMarks {
 public:
  // `chosen` covers the block: row i is position i.
  static BlockMarks Of(const RowSelection& chosen);

  // Adds the marked rows below position `rows`, `first` being the ordinal of position 0.
  void AddTo(RowOrdinal first, RowOrdinal rows, RowSelection* selection) const;
  int64_t count() const { return count_; }
  int64_t bytes() const;

 private:
  static constexpr RowOrdinal kMaxPositions = 1 << 16;

  RowOrdinal rows_ = 0;  // of the block
  int64_t count_ = 0;
  std::vector<uint16_t> positions_;  // where fewer than one in 16 is marked
  std::vector<uint64_t> words_;      // else, unless all are
};

}  // namespace longbow::query
