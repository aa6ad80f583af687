// A growing set of row ordinals.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "longbow/base/ids.h"

namespace longbow {

// Rows that were never added are not in it, however far. Confined.
class RowBits {
 public:
  void Add(RowOrdinal row) {
    if (row >> 6 >= words_.size()) words_.resize((row >> 6) + 1);
    words_[row >> 6] |= uint64_t{1} << (row & 63);
  }
  bool Contains(RowOrdinal row) const {
    return row >> 6 < words_.size() && (words_[row >> 6] >> (row & 63) & 1) != 0;
  }
  // Of [first, end).
  uint64_t Count(uint64_t first, uint64_t end) const {
    uint64_t count = 0;
    for (uint64_t word = first >> 6; word << 6 < end && word < words_.size(); ++word) {
      uint64_t bits = words_[word];
      if (word == first >> 6) bits &= ~uint64_t{0} << (first & 63);
      if (word == end >> 6) bits &= (uint64_t{1} << (end & 63)) - 1;
      count += static_cast<uint64_t>(std::popcount(bits));
    }
    return count;
  }
  // The next rows from *from on, ascending, `most` at most; *from becomes where to go on, end() behind the
  // last.
  std::vector<RowOrdinal> Take(uint64_t* from, size_t most) const {
    std::vector<RowOrdinal> rows;
    for (; *from < end() && rows.size() < most; ++*from) {
      if ((*from & 63) == 0 && words_[*from >> 6] == 0) {
        *from += 63;
      } else if (Contains(static_cast<RowOrdinal>(*from))) {
        rows.push_back(static_cast<RowOrdinal>(*from));
      }
    }
    return rows;
  }
  uint64_t end() const { return uint64_t{words_.size()} << 6; }  // no row from here on
  bool All(uint64_t first, uint64_t end) const { return Count(first, end) == end - first; }

 private:
  std::vector<uint64_t> words_;
};

}  // namespace longbow
