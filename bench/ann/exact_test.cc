#include "ann/exact.h"

#include <algorithm>
#include <filesystem>
#include <random>

#include <gtest/gtest.h>

namespace longbow::bench {
namespace {

Matrix RandomMatrix(size_t rows, size_t dim, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  Matrix matrix{rows, dim, std::vector<float>(rows * dim)};
  for (float& value : matrix.values) value = normal(random);
  return matrix;
}

void CopyRow(Matrix* matrix, size_t from, size_t to) {
  std::copy_n(matrix->row(from), matrix->dim, matrix->values.data() + to * matrix->dim);
}

std::vector<uint32_t> NearestByLoop(const Dataset& data, size_t query, uint32_t k) {
  std::vector<std::pair<double, uint32_t>> all;
  for (uint32_t row = 0; row < data.base.rows; ++row)
    all.emplace_back(ExactDistance(data.metric, data.queries.vector(query), data.base.vector(row)), row);
  std::sort(all.begin(), all.end());
  std::vector<uint32_t> rows;
  for (uint32_t i = 0; i < k; ++i) rows.push_back(all[i].second);
  return rows;
}

TEST(ExactSearch, FindsWhatALoopInDoubleFinds) {
  for (const auto metric : {distance::Metric::kL2, distance::Metric::kInnerProduct}) {
    Dataset data;
    data.metric = metric;
    data.base = RandomMatrix(1200, 24, 1);
    data.queries = RandomMatrix(40, 24, 2);
    for (size_t i = 0; i < 100; ++i) CopyRow(&data.base, i, 1000 + i);  // ties are ordered by row
    const auto found = ExactSearch(metric, data.base).NearestOfMany(data.queries, 10);
    for (size_t q = 0; q < data.queries.rows; ++q) EXPECT_EQ(found[q], NearestByLoop(data, q, 10));
  }
}

TEST(ExactSearch, LooksOnlyAmongTheRowsGiven) {
  const Matrix base = RandomMatrix(300, 8, 3), queries = RandomMatrix(1, 8, 4);
  const std::vector<uint32_t> rows{5, 17, 200};
  auto found = ExactSearch(distance::Metric::kL2, base).NearestAmong(queries.vector(0), rows, 10);
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, rows);
}

TEST(Truth, CountsATieAsAHitAndARepeatedRowOnce) {
  Dataset data;
  data.base = RandomMatrix(50, 4, 5);
  data.queries = RandomMatrix(1, 4, 6);
  const auto nearest = NearestByLoop(data, 0, 2);
  const auto equal_to_last = static_cast<uint32_t>(
      (nearest[1] + 1) % 50 == nearest[0] ? (nearest[1] + 2) % 50 : (nearest[1] + 1) % 50);
  CopyRow(&data.base, nearest[1], equal_to_last);
  const Truth truth(data, std::vector<std::vector<uint32_t>>{nearest}, 2);
  EXPECT_EQ(truth.Recall(std::vector<uint32_t>{nearest[0], nearest[1]}), 1);
  EXPECT_EQ(truth.Recall(std::vector<uint32_t>{nearest[0], equal_to_last}), 1);
  EXPECT_EQ(truth.Recall(std::vector<uint32_t>{nearest[0], nearest[0]}), 0.5);
  EXPECT_EQ(truth.Recall(std::vector<uint32_t>{nearest[0], kNoRow}), 0.5);
}

TEST(Dataset, ReadsWhatItWroteAndComputesTheTrueNeighborsOnce) {
  const std::string directory = testing::TempDir() + "/longbow_dataset_test";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  Dataset made;
  made.base = RandomMatrix(150, 5, 7);
  made.queries = RandomMatrix(3, 5, 8);
  WriteNpy(directory + "/base.npy", made.base);
  WriteNpy(directory + "/queries.npy", made.queries);
  for (int time = 0; time < 2; ++time) {
    const Dataset data = LoadDataset(directory);
    EXPECT_EQ(data.base.values, made.base.values);
    ASSERT_EQ(data.neighbors.size(), 3 * Dataset::kTruth);
    const auto nearest = NearestByLoop(made, 2, Dataset::kTruth);
    EXPECT_TRUE(std::equal(nearest.begin(), nearest.end(), data.neighbors.begin() + 2 * Dataset::kTruth));
    EXPECT_TRUE(std::filesystem::exists(directory + "/gt_ids.npy"));
  }
  const Dataset fewer = LoadDataset(directory, 60);
  EXPECT_EQ(fewer.base.rows, 60u);
  EXPECT_EQ(fewer.neighbors[60], kNoRow);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace longbow::bench
