#include "longbow/base/row_selection.h"

#include <algorithm>
#include <cstring>

#include "longbow/base/check.h"

namespace longbow {
namespace {

static_assert(std::endian::native == std::endian::little,
              "words are loaded as Arrow's bitmaps lie in memory");

// n <= 64 bits of `bits` from `offset` on, touching only bytes that hold them.
uint64_t LoadBits(const uint8_t* bits, int64_t offset, int64_t n) {
  const uint8_t* from = bits + offset / 8;
  const int shift = static_cast<int>(offset % 8);
  const auto bytes = static_cast<size_t>((shift + n + 7) / 8);
  uint64_t word = 0;
  std::memcpy(&word, from, std::min<size_t>(bytes, 8));
  word >>= shift;
  if (bytes > 8) word |= static_cast<uint64_t>(from[8]) << (64 - shift);
  return n == 64 ? word : word & ((uint64_t{1} << n) - 1);
}

}  // namespace

void RowSelection::AddBits(RowOrdinal first, const uint8_t* bits, int64_t bit_offset, int64_t count) {
  LB_CHECK_FATAL(bit_offset >= 0);
  LB_CHECK_FATAL(count >= 0);
  LB_CHECK_FATAL(first <= end_ && count <= static_cast<int64_t>(end_ - first));
  uint64_t* to = words_.data() + (first >> 6);

  // Up to the first whole word of the selection.
  const int64_t skew = first & 63;
  const int64_t head = skew == 0 ? 0 : std::min<int64_t>(64 - skew, count);
  if (head > 0) {
    *to++ |= LoadBits(bits, bit_offset, head) << skew;
    bit_offset += head;
    count -= head;
  }
  // Whole words.
  const uint8_t* from = bits + bit_offset / 8;
  const int shift = static_cast<int>(bit_offset % 8);
  const int64_t whole = count / 64;
  for (int64_t i = 0; i < whole; ++i, from += 8) {
    uint64_t word;
    std::memcpy(&word, from, 8);
    if (shift != 0) word = word >> shift | static_cast<uint64_t>(from[8]) << (64 - shift);
    to[i] |= word;
  }
  // The rest.
  if (const int64_t tail = count % 64; tail > 0) to[whole] |= LoadBits(bits, bit_offset + whole * 64, tail);
}

void RowSelection::AddRange(RowOrdinal first, RowOrdinal end) {
  LB_CHECK_FATAL(first <= end && end <= end_);
  for (RowOrdinal row = first; row < end;) {
    const RowOrdinal stop = std::min<RowOrdinal>(end, (row | 63) + 1);
    const uint64_t ones = stop - row == 64 ? ~uint64_t{0} : (uint64_t{1} << (stop - row)) - 1;
    words_[row >> 6] |= ones << (row & 63);
    row = stop;
  }
}

void RowSelection::Intersect(const RowSelection& other) {
  LB_CHECK_FATAL(end_ == other.end_);
  for (size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
}

int64_t RowSelection::Count() const {
  int64_t count = 0;
  for (uint64_t word : words_) count += std::popcount(word);
  return count;
}

}  // namespace longbow
