#include <algorithm>
#include <cmath>

#include "longbow/distance/kernel_table.h"

namespace longbow::distance {
namespace {

constexpr size_t kChunk = 64;

struct WideSums {
  long double squares = 0, dot = 0, norm = 0;
};

void Accumulate(const double* query, const double* row, size_t count, WideSums* sums) {
  for (size_t i = 0; i < count; ++i) {
    const long double q = query[i], r = row[i];
    sums->squares += (q - r) * (q - r);
    sums->dot += q * r;
    sums->norm += r * r;
  }
}

long double Finish(Metric metric, const WideSums& sums) {
  switch (metric) {
    case Metric::kL2:
      return sums.squares;
    case Metric::kInnerProduct:
      return 0 - sums.dot;
    case Metric::kCosine:
      // A row of length zero points nowhere: as far as one at a right angle.
      return sums.norm > 0 ? std::clamp(1 - sums.dot / std::sqrt(sums.norm), 0.0L, 2.0L) : 1.0L;
  }
  return 0;
}

}  // namespace

float WideDistance(Metric metric, ElementType type, const void* query, const void* row, size_t scalars) {
  const ElementType query_type =
      QueryTypeOf(type) == QueryType::kFloat32 ? ElementType::kFloat32 : ElementType::kFloat64;
  const auto* q = static_cast<const std::byte*>(query);
  const auto* r = static_cast<const std::byte*>(row);
  double query_chunk[kChunk], row_chunk[kChunk];
  WideSums sums;
  for (size_t i = 0; i < scalars; i += kChunk) {
    const size_t count = std::min(kChunk, scalars - i);
    ToDouble(query_type, q + i * ScalarBytes(query_type), count, query_chunk);
    ToDouble(type, r + i * ScalarBytes(type), count, row_chunk);
    Accumulate(query_chunk, row_chunk, count, &sums);
  }
  return static_cast<float>(Finish(metric, sums));
}

}  // namespace longbow::distance
