// The space the graph lives in: rows and queries of any type and metric become points whose squared distance
// orders as the metric does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "longbow/codec/code_kernels.h"
#include "longbow/codec/rotation.h"
#include "longbow/distance/kernels.h"
#include "longbow/index/vector_source.h"

namespace longbow::index {

// A row's point is its vector (for cosine at unit length) less the centre, rotated. A query is near a row
// when
//   |query - row|^2 + bias(row)
// is small, where bias is 0 for l2 and cosine and -|vector|^2 for inner product, which leaves -2 <query,
// vector> and what all rows share. Immutable once made.
class GraphSpace {
 public:
  // The centre is the mean of the rows `sample` (those with a vector).
  GraphSpace(distance::Metric metric, const VectorStore* store, uint64_t seed, RowOrdinal sample_first,
             RowOrdinal sample_end);
  // With a centre that was saved.
  GraphSpace(distance::Metric metric, const VectorStore* store, uint64_t seed, std::vector<float> centre);

  bool biased() const { return metric_ == distance::Metric::kInnerProduct; }
  size_t n() const { return rotation_.padded_dim(); }
  const codec::CodeKernels& kernels() const { return kernels_; }
  const std::vector<float>& centre() const { return centre_; }

  // Memory for both below, at least this many doubles.
  size_t scratch_doubles() const { return store_->scalars(); }
  // The row's point, n() values; returns its bias.
  float PlaceRow(RowOrdinal row, double* scratch, float* point) const;

  // A distance as the distance kernels give it is (walk distance - shift) / stretch.
  struct Scale {
    float shift = 0, stretch = 1;
  };
  // The point of a query made by distance::PrepareQuery. By inner product a query that is much shorter than
  // `length`, which is that of rows, is taken at it: the order is the same, and what codes err by would hide
  // it.
  Scale PlaceQuery(const std::byte* query, float length, double* scratch, float* point) const;

 private:
  void Place(const double* vector, double factor, float* point) const;

  const distance::Metric metric_;
  const VectorStore* const store_;
  const codec::CodeKernels& kernels_;
  const codec::Rotation rotation_;
  std::vector<float> centre_;
};

}  // namespace longbow::index
