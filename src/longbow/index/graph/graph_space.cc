#include "longbow/index/graph/graph_space.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "longbow/base/check.h"

namespace longbow::index {
namespace {

using distance::ElementType;
using distance::Metric;

constexpr double kMuchShorter = 2, kMostFactor = 1e9;

double Square(const double* x, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += x[i] * x[i];
  return sum;
}

// Cosine is of directions: what a vector is multiplied with.
double Factor(Metric metric, double square) {
  return metric == Metric::kCosine && square > 0 ? 1 / std::sqrt(square) : 1;
}

}  // namespace

GraphSpace::GraphSpace(Metric metric, const VectorStore* store, uint64_t seed, std::vector<float> centre)
    : metric_(metric),
      store_(store),
      kernels_(codec::BestCodeKernels()),
      rotation_(store->scalars(), seed, kernels_),
      centre_(std::move(centre)) {
  LB_CHECK(centre_.size() == store->scalars());
}

GraphSpace::GraphSpace(Metric metric, const VectorStore* store, uint64_t seed, RowOrdinal sample_first,
                       RowOrdinal sample_end)
    : GraphSpace(metric, store, seed, std::vector<float>(store->scalars())) {
  const size_t scalars = store->scalars();
  std::vector<double> sum(scalars), vector(scalars);
  int64_t count = 0;
  for (RowOrdinal row = sample_first; row < sample_end; ++row) {
    if (!store->Present(row)) continue;
    distance::ToDouble(store->type(), store->Row(row), scalars, vector.data());
    const double factor = Factor(metric, Square(vector.data(), scalars));
    for (size_t i = 0; i < scalars; ++i) sum[i] += vector[i] * factor;
    ++count;
  }
  for (size_t i = 0; i < scalars && count > 0; ++i) {
    centre_[i] = static_cast<float>(sum[i] / static_cast<double>(count));
  }
}

void GraphSpace::Place(const double* vector, double factor, float* point) const {
  const size_t scalars = store_->scalars();
  for (size_t i = 0; i < scalars; ++i) point[i] = static_cast<float>(vector[i] * factor - centre_[i]);
  for (size_t i = scalars; i < n(); ++i) point[i] = 0;
  rotation_.Apply(point);
}

float GraphSpace::PlaceRow(RowOrdinal row, double* scratch, float* point) const {
  distance::ToDouble(store_->type(), store_->Row(row), store_->scalars(), scratch);
  const double square = Square(scratch, store_->scalars());
  Place(scratch, Factor(metric_, square), point);
  return metric_ == Metric::kInnerProduct ? static_cast<float>(-square) : 0.0f;
}

GraphSpace::Scale GraphSpace::PlaceQuery(const std::byte* query, float length, double* scratch,
                                         float* point) const {
  const bool narrow = distance::QueryTypeOf(store_->type()) == distance::QueryType::kFloat32;
  if (narrow && metric_ != Metric::kInnerProduct) {  // the usual query, without the way through float64
    const size_t scalars = store_->scalars();
    std::memcpy(point, query, scalars * sizeof(float));
    for (size_t i = 0; i < scalars; ++i) point[i] -= centre_[i];
    for (size_t i = scalars; i < n(); ++i) point[i] = 0;
    rotation_.Apply(point);
    return {0, metric_ == Metric::kCosine ? 2.0f : 1.0f};
  }
  distance::ToDouble(narrow ? ElementType::kFloat32 : ElementType::kFloat64, query, store_->scalars(),
                     scratch);
  if (metric_ != Metric::kInnerProduct) {
    Place(scratch, 1, point);
    return {0, metric_ == Metric::kCosine ? 2.0f : 1.0f};
  }
  const double square = Square(scratch, store_->scalars());
  const bool is_short = square > 0 && kMuchShorter * kMuchShorter * square < double{length} * length;
  const double factor = is_short ? std::min(length / std::sqrt(square), kMostFactor) : 1;
  Place(scratch, factor, point);
  return {static_cast<float>(factor * factor * square), static_cast<float>(2 * factor)};
}

}  // namespace longbow::index
