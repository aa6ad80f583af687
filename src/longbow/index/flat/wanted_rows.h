// Which rows of a block a scan has to look at.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "longbow/base/row_selection.h"
#include "longbow/base/row_versions.h"
#include "longbow/index/vector_source.h"

namespace longbow::index {

// Rows of one block that are visible, selected and have a vector, as bits. Confined.
class WantedRows {
 public:
  static constexpr uint32_t kRows = 1024;  // a block's; divides a chunk of RowVersions

  WantedRows(const VectorStore* store, const Visibility& visibility, const RowSelection* selection);

  // Rows beyond are not wanted.
  RowOrdinal end() const { return end_; }
  // Looks at the block that starts at `first`, a multiple of kRows below end(); how many are wanted.
  uint32_t Load(RowOrdinal first);
  // How many stretches of consecutive wanted rows the block has.
  uint32_t runs() const;

  // visit(RowOrdinal) for each wanted row, ascending.
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    for (uint32_t w = 0; w < kWords; ++w) {
      for (uint64_t word = words_[w]; word != 0; word &= word - 1) {
        visit(first_ + w * 64 + static_cast<uint32_t>(std::countr_zero(word)));
      }
    }
  }
  // visit(first row, count) for each run, ascending; stops and returns false when visit does.
  template <typename Visit>
  bool ForEachRun(Visit&& visit) const {
    uint32_t at = 0;
    while ((at = Next(at, 0)) < kRows) {
      const uint32_t end = Next(at, ~uint64_t{0});
      if (!visit(first_ + at, end - at)) return false;
      at = end;
    }
    return true;
  }

 private:
  static constexpr uint32_t kWords = kRows / 64;

  // The first position from `at` on whose bit differs from those of `skipped` (all zeros or all ones).
  uint32_t Next(uint32_t at, uint64_t skipped) const {
    for (uint32_t w = at / 64; w < kWords; ++w) {
      uint64_t word = words_[w] ^ skipped;
      if (w == at / 64) word &= ~uint64_t{0} << (at % 64);
      if (word != 0) return w * 64 + static_cast<uint32_t>(std::countr_zero(word));
    }
    return kRows;
  }
  void Candidates(uint32_t words);
  uint64_t Visible(RowOrdinal row, uint64_t candidates) const;

  const VectorStore* const store_;
  const Visibility visibility_;
  const RowSelection* const selection_;
  RowOrdinal end_;
  RowOrdinal first_ = 0;
  std::array<uint64_t, kWords> words_{};
};

}  // namespace longbow::index
