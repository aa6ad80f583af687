// Prints the best levels of distances and of codes that this processor runs.
#include <cstdio>

#include "longbow/codec/code_kernels.h"
#include "longbow/distance/simd_level.h"

int main() {
  const auto distances = longbow::distance::SimdLevelName(longbow::distance::BestSimdLevel());
  const auto codes = longbow::codec::BestCodeKernels().name;
  std::printf("levels: distances %.*s, codes %.*s\n", static_cast<int>(distances.size()), distances.data(),
              static_cast<int>(codes.size()), codes.data());
}
