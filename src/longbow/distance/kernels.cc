#include "longbow/distance/kernels.h"

#include <cmath>

#include "longbow/distance/kernel_table.h"

namespace longbow::distance {
namespace {

const KernelTable& Table(SimdLevel level) {
  if (Supported(level)) {
    switch (level) {
#if defined(__x86_64__)
      case SimdLevel::kAvx512:
        return kAvx512Kernels;
      case SimdLevel::kAvx2:
        return kAvx2Kernels;
#elif defined(__aarch64__)
      case SimdLevel::kNeon:
        return kNeonKernels;
#endif
      default:
        break;
    }
  }
  return kScalarKernels;
}

}  // namespace

const KernelSet& Kernels(Metric metric, ElementType type, SimdLevel level) {
  return Table(level).sets[static_cast<size_t>(metric)][static_cast<size_t>(type)];
}

float UserDistance(Metric metric, float kernel_distance) {
  return metric == Metric::kL2 ? std::sqrt(kernel_distance) : kernel_distance;
}

float UserScore(Metric metric, float kernel_distance) {
  switch (metric) {
    case Metric::kL2:
      return 1.0f / (1.0f + std::sqrt(kernel_distance));
    case Metric::kCosine:
      return 1.0f - kernel_distance;
    case Metric::kInnerProduct:
      return 0.0f - kernel_distance;
  }
  return 0.0f;
}

}  // namespace longbow::distance
