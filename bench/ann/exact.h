// True neighbours: float32 to find candidates, float64 to decide among them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "ann/dataset.h"
#include "longbow/distance/kernels.h"

namespace longbow::bench {

// In float64; smaller is nearer: squared for l2, 1 - cosine for vectors of unit length, -dot.
double ExactDistance(distance::Metric metric, std::span<const float> a, std::span<const float> b);

// Immutable; keeps a reference to the rows.
class ExactSearch {
 public:
  ExactSearch(distance::Metric metric, const Matrix& base)
      : metric_(metric), base_(base), kernels_(distance::Kernels(metric, distance::ElementType::kFloat32)) {}

  // The k nearest of all rows to each query, nearest first, equal distances by row; fewer where there are
  // fewer rows. On all cores.
  std::vector<std::vector<uint32_t>> NearestOfMany(const Matrix& queries, uint32_t k) const;
  // The same for one query among `rows`.
  std::vector<uint32_t> NearestAmong(std::span<const float> query, std::span<const uint32_t> rows,
                                     uint32_t k) const;

 private:
  struct Candidate {
    float distance;
    uint32_t row;
  };
  std::vector<uint32_t> Decide(std::span<const float> query, std::vector<Candidate> candidates,
                               uint32_t k) const;

  const distance::Metric metric_;
  const Matrix& base_;
  const distance::KernelSet& kernels_;
};

// The share of the k true neighbours among what was found for a query. A row as near as the last true
// neighbour counts as a hit; a row found twice counts once.
class Truth {
 public:
  // `neighbors`: of each query, nearest first, at least k unless fewer rows were eligible.
  Truth(const Dataset& data, std::span<const std::vector<uint32_t>> neighbors, uint32_t k);
  Truth(const Dataset& data, uint32_t k);  // by the data set's own

  uint32_t k() const { return k_; }
  // `found` holds k rows of each query, kNoRow where none was found.
  double Recall(std::span<const uint32_t> found) const;
  double RecallOf(size_t query, std::span<const uint32_t> found) const;

 private:
  const Dataset& data_;
  const uint32_t k_;
  std::vector<double> farthest_;  // distance of the last true neighbour
  std::vector<uint32_t> wanted_;
};

// body(i) for i < count, on all cores.
void Parallel(size_t count, const std::function<void(size_t)>& body);

}  // namespace longbow::bench
