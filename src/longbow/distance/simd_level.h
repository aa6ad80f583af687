// Which instructions this machine has, asked once.
#pragma once

#include <cstdint>
#include <string_view>

namespace longbow::distance {

enum class SimdLevel : uint8_t { kScalar, kNeon, kAvx2, kAvx512 };

// The best level this build has code for and this machine can run.
SimdLevel BestSimdLevel();
bool Supported(SimdLevel level);
std::string_view SimdLevelName(SimdLevel level);  // "scalar", "neon", "avx2", "avx512"

}  // namespace longbow::distance
