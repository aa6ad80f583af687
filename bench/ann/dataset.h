// Vectors to measure with: rows, queries that are no rows, and the true neighbours of each query.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "longbow/distance/metric_list.h"

namespace longbow::bench {

inline constexpr uint32_t kNoRow = ~uint32_t{0};

struct Matrix {
  size_t rows = 0, dim = 0;
  std::vector<float> values;  // row after row
  const float* row(size_t i) const { return values.data() + i * dim; }
  std::span<const float> vector(size_t i) const { return {row(i), dim}; }
  size_t bytes() const { return values.size() * sizeof(float); }
};

// Immutable once loaded. Under cosine, rows and queries are brought to unit length when they are loaded, so
// that whoever knows only inner products can take part.
struct Dataset {
  std::string name;
  distance::Metric metric = distance::Metric::kL2;
  Matrix base, queries;
  Matrix extra;                     // more rows of the same kind, where the directory has them
  std::vector<uint32_t> cluster;    // of each row, where the directory has it
  std::vector<uint32_t> neighbors;  // kTruth a query, nearest first, kNoRow where there are fewer
  static constexpr uint32_t kTruth = 100;
};

// A directory holds base, queries and perhaps extra as .npy (float32, float16 is not read, or uint8) or
// .fvecs; perhaps cluster.npy and gt_ids.npy; and meta.json or a name that says the metric. Without
// gt_ids.npy the true neighbours are computed and written there. `rows`: no more than the first so many (0:
// all), whose true neighbours are computed anew. Ends the program with a message when something is wrong.
Dataset LoadDataset(const std::string& directory, size_t rows = 0);

void WriteNpy(const std::string& path, const Matrix& matrix);
void WriteNpy(const std::string& path, std::span<const int32_t> values, size_t columns);

[[noreturn]] void Fail(const std::string& problem);

}  // namespace longbow::bench
