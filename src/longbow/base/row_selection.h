// A set of row ordinals: what a filter chose.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "longbow/base/ids.h"

namespace longbow {

// A bitmap over [0, end). Confined while being built, immutable afterwards.
class RowSelection {
 public:
  explicit RowSelection(RowOrdinal end) : end_(end), words_((static_cast<size_t>(end) + 63) / 64) {}

  RowOrdinal end() const { return end_; }
  void Add(RowOrdinal row) { words_[row >> 6] |= uint64_t{1} << (row & 63); }
  void Remove(RowOrdinal row) { words_[row >> 6] &= ~(uint64_t{1} << (row & 63)); }
  bool Contains(RowOrdinal row) const { return row < end_ && (words_[row >> 6] >> (row & 63) & 1) != 0; }
  // Ors `bits` (bit i of byte i/8, Arrow's order) of `count` rows into the selection from `first` on.
  void AddBits(RowOrdinal first, const uint8_t* bits, int64_t bit_offset, int64_t count);
  void AddRange(RowOrdinal first, RowOrdinal end);  // [first, end), end <= end()
  void Intersect(const RowSelection& other);        // of the same end
  int64_t Count() const;

  // visit(RowOrdinal) for each row of [from, to) that is in the set, ascending; stops when visit returns
  // false.
  template <typename Visit>
  void ForEach(RowOrdinal from, RowOrdinal to, Visit&& visit) const {
    if (to > end_) to = end_;
    for (RowOrdinal base = from & ~RowOrdinal{63}; base < to; base += 64) {
      uint64_t word = words_[base >> 6];
      if (base < from) word &= ~uint64_t{0} << (from - base);
      if (to - base < 64) word &= (uint64_t{1} << (to - base)) - 1;
      for (; word != 0; word &= word - 1) {
        if (!visit(base + static_cast<RowOrdinal>(std::countr_zero(word)))) return;
      }
    }
  }
  const std::vector<uint64_t>& words() const { return words_; }

 private:
  RowOrdinal end_;
  std::vector<uint64_t> words_;
};

}  // namespace longbow
