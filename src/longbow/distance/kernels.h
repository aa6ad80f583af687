// Distances between a query and rows, as fast as the machine can, chosen once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "longbow/distance/metric_list.h"
#include "longbow/distance/simd_level.h"

namespace longbow::distance {

// What a kernel computes, always ascending, as float32: l2: the *squared* Euclidean distance; cosine: 1 -
// cosine, for a query made by PrepareQuery (unit length); inner product: -dot. `scalars` is the number of
// stored scalars a row (twice the dimension for complex). Query and rows may have any alignment. No
// allocation, no failure.
struct KernelSet {
  // out[i] = distance(query, first_row + i * row_bytes), i < rows.
  void (*rows)(const void* query, const std::byte* first_row, size_t row_bytes, size_t rows, size_t scalars,
               float* out);
  // out[i] = distance(query, row_at[i]): rows anywhere in memory, with the next ones prefetched.
  void (*gather)(const void* query, const std::byte* const* row_at, size_t rows, size_t scalars, float* out);
  // out[q * rows + i]: many queries (query q at queries + q * query_bytes) against the same rows, each row
  // read once from memory for several queries.
  void (*tile)(const void* queries, size_t query_bytes, size_t query_count, const std::byte* first_row,
               size_t row_bytes, size_t rows, size_t scalars, float* out);
};

// The kernels of a level; falls back to scalar for a level that this build or machine lacks. Resolve once,
// when an index opens.
const KernelSet& Kernels(Metric metric, ElementType type, SimdLevel level = BestSimdLevel());

// Brings `scalars` query values into the form the kernels expect: converted to QueryTypeOf(type), for cosine
// scaled to unit length. Returns false when a value is not finite, or, for cosine, when the length is zero.
// `out` has scalars * 4 bytes, or 8 where QueryTypeOf(type) is kFloat64.
bool PrepareQuery(Metric metric, ElementType type, std::span<const double> query, void* out);

// From a kernel's result to what users see: the square root for l2, unchanged otherwise.
float UserDistance(Metric metric, float kernel_distance);
// Higher is better: 1 / (1 + distance) for l2; the similarity for cosine and inner product.
float UserScore(Metric metric, float kernel_distance);

// Whether all `count` scalars are finite. Integers always are.
bool AllFinite(ElementType type, const void* scalars, size_t count);
// Whether a row's length is zero (so that cosine has no meaning).
bool IsZero(ElementType type, const void* scalars, size_t count);
// Scalars as float64, from any alignment.
void ToDouble(ElementType type, const void* scalars, size_t count, double* out);

}  // namespace longbow::distance
