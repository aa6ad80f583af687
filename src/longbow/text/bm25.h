// BM25 as Robertson and Zaragoza have it ("The Probabilistic Relevance Framework", 2009), with the idf that
// is never negative.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace longbow::text {

inline constexpr double kBm25K1 = 1.2, kBm25B = 0.75;

// How much a term says that `frequency` of `documents` documents hold.
inline double Idf(uint64_t documents, uint64_t frequency) {
  const double n = static_cast<double>(documents), df = static_cast<double>(frequency);
  return std::log1p((n - df + 0.5) / (df + 0.5));
}

// A document's length in a byte: exact up to 127 terms, then rounded down to one of four steps an octave.
// What BM25 calls the length is the decoded one, everywhere.
using LengthCode = uint8_t;
inline LengthCode EncodeLength(uint32_t terms) {
  if (terms < 128) return static_cast<LengthCode>(terms);
  const int octave = std::bit_width(terms) - 1;
  return static_cast<LengthCode>(128 + (octave - 7) * 4 + static_cast<int>(terms >> (octave - 2) & 3));
}
inline uint32_t DecodeLength(LengthCode code) {
  if (code < 128) return code;
  const uint32_t octave = 7 + (code - 128u) / 4;
  return (4 + (code - 128u) % 4) << (octave - 2);
}

// The parts of BM25 that the mean length decides. weight / (1 + lengths[code] / frequency) is monotone in
// both, rounding included, so a bound from a shorter length and a higher frequency is one.
struct Bm25Lengths {
  std::array<float, 256> norm{};  // by LengthCode: k1 * (1 - b + b * length / mean)
  double mean = -1;
  void Prepare(double mean_length) {
    if (mean == mean_length) return;
    mean = mean_length;
    for (uint32_t code = 0; code < 256; ++code) {
      const double length = DecodeLength(static_cast<LengthCode>(code < 228 ? code : 227));
      norm[code] = static_cast<float>(kBm25K1 * (1 - kBm25B + kBm25B * (mean > 0 ? length / mean : 1)));
    }
  }
};

}  // namespace longbow::text
