#include "longbow/distance/kernels.h"

#include "longbow/distance/kernel_table.h"

namespace longbow::distance {
namespace {

#include "longbow/distance/element-inl.h"
#include "longbow/distance/metrics/metrics-inl.h"

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

bool AllFinite(ElementType type, const void* scalars, size_t count) {
  static const KernelTable& table = Table(BestSimdLevel());
  switch (type) {
    case ElementType::kFloat16:
      return table.finite16(scalars, count);
    case ElementType::kFloat32:
    case ElementType::kComplex64:
      return table.finite32(scalars, count);
    case ElementType::kFloat64:
    case ElementType::kComplex128:
      return table.finite64(scalars, count);
    default:
      return true;
  }
}

float UserDistance(Metric metric, float kernel_distance) {
  float distance = 0;
  VisitMetric(metric, [&](auto m) { distance = m.UserDistance(kernel_distance); });
  return distance;
}

float UserScore(Metric metric, float kernel_distance) {
  float score = 0;
  VisitMetric(metric, [&](auto m) { score = m.UserScore(kernel_distance); });
  return score;
}

}  // namespace longbow::distance
