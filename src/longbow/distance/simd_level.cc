#include "longbow/distance/simd_level.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace longbow::distance {
namespace {

#if defined(__x86_64__)
// Not every compiler's runtime knows this one by name.
bool HasF16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

SimdLevel Detect() {
  for (SimdLevel level : {SimdLevel::kAvx512, SimdLevel::kAvx2, SimdLevel::kNeon}) {
    if (Supported(level)) return level;
  }
  return SimdLevel::kScalar;
}

}  // namespace

// The compiler's runtime also asks whether the operating system saves the wide registers.
bool Supported(SimdLevel level) {
  switch (level) {
    case SimdLevel::kScalar:
      return true;
    case SimdLevel::kNeon:
#if defined(__aarch64__)
      return true;
#else
      return false;
#endif
    case SimdLevel::kAvx2:
#if defined(__x86_64__)
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && HasF16c();
#else
      return false;
#endif
    case SimdLevel::kAvx512:
#if defined(__x86_64__)
      return Supported(SimdLevel::kAvx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl");
#else
      return false;
#endif
  }
  return false;
}

SimdLevel BestSimdLevel() {
  static const SimdLevel best = Detect();
  return best;
}

std::string_view SimdLevelName(SimdLevel level) {
  switch (level) {
    case SimdLevel::kScalar:
      return "scalar";
    case SimdLevel::kNeon:
      return "neon";
    case SimdLevel::kAvx2:
      return "avx2";
    case SimdLevel::kAvx512:
      return "avx512";
  }
  return "";
}

}  // namespace longbow::distance
