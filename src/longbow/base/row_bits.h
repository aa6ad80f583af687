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
  bool All(uint64_t first, uint64_t end) const { return Count(first, end) == end - first; }

 private:
  std::vector<uint64_t> words_;
};

}  // namespace longbow
