// Visibility of 64 rows at once, for those who look at all of them.
#pragma once

#include <atomic>
#include <cstdint>

#include "longbow/base/ids.h"

namespace longbow {

using Sequences = const std::atomic<Sequence>*;

// Whether row i behind these births and deaths is hidden from a reader at `at`.
inline uint64_t HiddenBit(Sequences born, Sequences died, uint32_t i, Sequence at) {
  return static_cast<uint64_t>(born[i].load(std::memory_order_relaxed) > at) |
         static_cast<uint64_t>(died[i].load(std::memory_order_relaxed) <= at);
}

// The visible ones of 64 rows. Nearly always all are, which is seen without assembling bits: a comparison and
// an addition with its carry for each birth and each death.
inline uint64_t VisibleBits(Sequences born, Sequences died, Sequence at) {
  uint64_t unborn = 0, alive = 0;
  for (uint32_t i = 0; i < 64; ++i) {
    unborn += born[i].load(std::memory_order_relaxed) > at ? 1 : 0;
    alive += died[i].load(std::memory_order_relaxed) > at ? 1 : 0;
  }
  if (unborn == 0 && alive == 64) return ~uint64_t{0};
  uint64_t hidden = 0;
  for (uint32_t i = 0; i < 64; ++i) hidden |= HiddenBit(born, died, i, at) << i;
  return ~hidden;
}

}  // namespace longbow
