#include "longbow/index/flat/wanted_rows.h"

#include <algorithm>

#include "longbow/base/visible_bits.h"

namespace longbow::index {

static_assert(RowVersions::kChunk % WantedRows::kRows == 0);

WantedRows::WantedRows(const VectorStore* store, const Visibility& visibility, const RowSelection* selection)
    : store_(store),
      visibility_(visibility),
      selection_(selection),
      end_(selection != nullptr ? std::min(visibility.end, selection->end()) : visibility.end) {}

uint32_t WantedRows::Load(RowOrdinal first) {
  first_ = first;
  if (visibility_.versions->released(first)) {
    words_.fill(0);
    return 0;
  }
  Candidates((std::min<uint32_t>(end_ - first, kRows) + 63) / 64);
  uint32_t count = 0;
  for (uint32_t w = 0; w < kWords; ++w) {
    if (words_[w] == 0) continue;
    words_[w] = Visible(first + w * 64, words_[w]);
    count += static_cast<uint32_t>(std::popcount(words_[w]));
  }
  return count;
}

// Rows of the first `words` words that are selected and lie below the end.
void WantedRows::Candidates(uint32_t words) {
  words_.fill(0);
  for (uint32_t w = 0; w < words; ++w) {
    words_[w] = selection_ != nullptr ? selection_->words()[first_ / 64 + w] : ~uint64_t{0};
  }
  if (const uint32_t last = (end_ - first_) % 64; last != 0 && end_ - first_ < kRows) {
    words_[words - 1] &= ~uint64_t{0} >> (64 - last);
  }
}

uint64_t WantedRows::Visible(RowOrdinal row, uint64_t candidates) const {
  constexpr int kFew = 16;  // below, asking for each row is cheaper than looking at all 64
  const Sequences born = visibility_.versions->BornChunk(row) + (row & (RowVersions::kChunk - 1));
  const Sequences died = visibility_.versions->DiedChunk(row) + (row & (RowVersions::kChunk - 1));
  if (std::popcount(candidates) < kFew) {
    for (uint64_t word = candidates; word != 0; word &= word - 1) {
      const auto i = static_cast<uint32_t>(std::countr_zero(word));
      candidates &= ~(HiddenBit(born, died, i, visibility_.at) << i);
    }
  } else {
    candidates &= VisibleBits(born, died, visibility_.at);
  }
  return candidates == 0 ? 0 : candidates & ~store_->NullWord(row);
}

uint32_t WantedRows::runs() const {
  uint32_t runs = 0;
  uint64_t before = 0;  // the last bit of the word before
  for (uint64_t word : words_) {
    runs += static_cast<uint32_t>(std::popcount(word & ~(word << 1 | before)));
    before = word >> 63;
  }
  return runs;
}

}  // namespace longbow::index
