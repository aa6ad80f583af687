#include "longbow/text/posting_block.h"

#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace longbow::text {
namespace {

using Lanes = uint32_t __attribute__((vector_size(16)));
constexpr uint32_t kRows = kBlockPostings / 4;

Lanes Load(const void* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof(lanes));
  return lanes;
}
void Store(Lanes lanes, void* to) { std::memcpy(to, &lanes, sizeof(lanes)); }

template <uint32_t kBits>
Lanes Row(const uint8_t* in, uint32_t row) {
  if constexpr (kBits == 0) {
    return Lanes{};
  } else if constexpr (kBits == 32) {
    return Load(in + 16 * row);
  } else {
    const uint32_t bit = row * kBits, word = bit / 32, shift = bit % 32;
    Lanes lanes = Load(in + 16 * word) >> shift;
    if (shift + kBits > 32) lanes |= Load(in + 16 * (word + 1)) << (32 - shift);
    return lanes & ((uint32_t{1} << kBits) - 1);
  }
}

template <uint32_t kBits>
void Unpack(const uint8_t* in, uint32_t, uint32_t* out) {
#pragma GCC unroll 32
  for (uint32_t row = 0; row < kRows; ++row) Store(Row<kBits>(in, row), out + 4 * row);
}

template <uint32_t kBits>
void UnpackSums(const uint8_t* in, uint32_t base, uint32_t* out) {
  Lanes sum = {base, base, base, base};
#pragma GCC unroll 32
  for (uint32_t row = 0; row < kRows; ++row) {
    sum += Row<kBits>(in, row);
    Store(sum, out + 4 * row);
  }
}

using Unpacker = void (*)(const uint8_t*, uint32_t, uint32_t*);
template <size_t... kBits>
constexpr std::array<Unpacker, 33> PlainTable(std::index_sequence<kBits...>) {
  return {Unpack<kBits>...};
}
template <size_t... kBits>
constexpr std::array<Unpacker, 33> SumTable(std::index_sequence<kBits...>) {
  return {UnpackSums<kBits>...};
}
constexpr auto kPlain = PlainTable(std::make_index_sequence<33>());
constexpr auto kSums = SumTable(std::make_index_sequence<33>());

uint32_t Difference(const uint32_t* documents, uint32_t base, uint32_t i) {
  return documents[i] - (i < 4 ? base : documents[i - 4]);
}

}  // namespace

void PackBlock(const uint32_t* values, uint32_t bits, uint8_t* out) {
  if (bits == 0) return;  // `out` may be null then
  uint32_t words[kBlockPostings] = {};
  for (uint32_t i = 0; i < kBlockPostings; ++i) {
    const uint32_t lane = i % 4, bit = i / 4 * bits, word = bit / 32, shift = bit % 32;
    words[4 * word + lane] |= values[i] << shift;
    if (shift + bits > 32) words[4 * (word + 1) + lane] |= values[i] >> (32 - shift);
  }
  std::memcpy(out, words, PackedBytes(bits));
}

void UnpackBlock(const uint8_t* in, uint32_t bits, uint32_t* values) { kPlain[bits](in, 0, values); }

uint32_t DifferenceBits(const uint32_t* documents, uint32_t base) {
  uint32_t all = 0;
  for (uint32_t i = 0; i < kBlockPostings; ++i) all |= Difference(documents, base, i);
  return static_cast<uint32_t>(std::bit_width(all));
}

void PackDocuments(const uint32_t* documents, uint32_t base, uint32_t bits, uint8_t* out) {
  uint32_t differences[kBlockPostings];
  for (uint32_t i = 0; i < kBlockPostings; ++i) differences[i] = Difference(documents, base, i);
  PackBlock(differences, bits, out);
}

void UnpackDocuments(const uint8_t* in, uint32_t base, uint32_t bits, uint32_t* documents) {
  kSums[bits](in, base, documents);
}

}  // namespace longbow::text
