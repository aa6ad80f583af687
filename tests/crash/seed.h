// Which histories the crash tests play: the same ones each time, or fresh ones when LONGBOW_CRASH_SEED says
// so.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace longbow::crash {

// `seed`, moved by what the environment says.
inline uint64_t SeedOf(uint64_t seed) {
  const char* moved = std::getenv("LONGBOW_CRASH_SEED");
  return moved == nullptr ? seed : seed + 1'000'000 * std::strtoull(moved, nullptr, 10);
}

// How many crashes are passed over between two whose recovery is cut at every I/O, too: the test's own
// choice, or none when LONGBOW_CRASH_EVERY is set, for some minutes.
inline int64_t StrideOf(int64_t stride) { return std::getenv("LONGBOW_CRASH_EVERY") == nullptr ? stride : 1; }

}  // namespace longbow::crash
