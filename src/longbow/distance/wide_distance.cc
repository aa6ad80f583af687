#include <algorithm>

#include "longbow/distance/kernel_table.h"

namespace longbow::distance {
namespace {

#include "longbow/distance/element-inl.h"
#include "longbow/distance/metrics/metrics-inl.h"

constexpr size_t kChunk = 64;

struct WideLanes {
  using Vector = long double;
  static Vector Zero() { return 0; }
  static Vector Sub(Vector a, Vector b) { return a - b; }
  static Vector MulAdd(Vector a, Vector b, Vector c) { return a * b + c; }
};

template <typename M>
float Wide(M, ElementType type, const std::byte* query, const std::byte* row, size_t scalars) {
  const ElementType query_type =
      QueryTypeOf(type) == QueryType::kFloat32 ? ElementType::kFloat32 : ElementType::kFloat64;
  double q[kChunk], r[kChunk];
  long double sum = M::template Init<WideLanes>(), norm = 0;
  for (size_t first = 0; first < scalars; first += kChunk) {
    const size_t count = std::min(kChunk, scalars - first);
    ToDouble(query_type, query + first * ScalarBytes(query_type), count, q);
    ToDouble(type, row + first * ScalarBytes(type), count, r);
    for (size_t i = 0; i < count; ++i) {
      sum = M::template Accumulate<WideLanes>(sum, q[i], r[i]);
      norm = WideLanes::MulAdd(r[i], r[i], norm);
    }
  }
  return M::Finish(sum, norm);
}

}  // namespace

float WideDistance(Metric metric, ElementType type, const void* query, const void* row, size_t scalars) {
  float distance = 0;
  VisitMetric(metric, [&](auto m) {
    distance =
        Wide(m, type, static_cast<const std::byte*>(query), static_cast<const std::byte*>(row), scalars);
  });
  return distance;
}

}  // namespace longbow::distance
