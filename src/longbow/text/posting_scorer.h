// How a posting counts: BM25 of frequencies, or the product with a weight.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "longbow/text/bm25.h"
#include "longbow/text/posting_segment.h"

namespace longbow::text {

inline constexpr std::array<float, 256> kReciprocal = [] {
  std::array<float, 256> table{};
  for (int i = 1; i < 256; ++i) table[static_cast<size_t>(i)] = 1.0f / static_cast<float>(i);
  return table;
}();

struct Bm25Scorer {
  const float* norm;          // Bm25Lengths
  const LengthCode* lengths;  // the segment's

  float Count(float weight, LengthCode length, uint32_t frequency) const {
    const float share = frequency < 256 ? kReciprocal[frequency] : 1.0f / static_cast<float>(frequency);
    return weight / (1.0f + norm[length] * share);
  }
  float Score(float weight, uint32_t document, uint32_t value) const {
    return Count(weight, lengths[document], value);
  }
  float Bound(float weight, const Impact& impact) const {
    float bound = 0;
    if (impact.shortest[0] != 255) bound = Count(weight, impact.shortest[0], 1);
    if (impact.shortest[1] != 255) bound = std::max(bound, Count(weight, impact.shortest[1], 2));
    if (impact.shortest[2] != 255) {
      bound = std::max(bound, impact.most == 255 ? weight : Count(weight, impact.shortest[2], impact.most));
    }
    return bound;
  }
};

// Weights may be negative; a term that a row lacks counts 0.
struct DotScorer {
  float Score(float weight, uint32_t, uint32_t value) const { return weight * std::bit_cast<float>(value); }
  float Bound(float weight, const Impact& impact) const {
    return std::max({0.0f, weight * impact.least_weight, weight * impact.most_weight});
  }
};

}  // namespace longbow::text
