#include "longbow/index/graph/code_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "longbow/base/row_versions.h"
#include "longbow/index/graph/graph_index.h"

namespace longbow::index {
namespace {

using distance::ElementType;
using distance::Metric;

struct Case {
  Metric metric;
  uint32_t dim;
};

// Clustered vectors of length about one, and an index over them that whoever appends builds.
class CodeScanTest : public testing::TestWithParam<Case> {
 protected:
  static constexpr uint32_t kRows = 3000, kK = 10, kQueries = 50;

  CodeScanTest() : store_(ElementType::kFloat32, GetParam().dim, &arena_, &ledger_) {
    std::normal_distribution<float> normal;
    const uint32_t dim = GetParam().dim;
    std::vector<float> centres(30 * dim);
    for (float& x : centres) x = normal(random_) / std::sqrt(static_cast<float>(dim));
    const auto draw = [&](float* out) {
      const float* centre = &centres[random_() % 30 * dim];
      for (uint32_t i = 0; i < dim; ++i) {
        out[i] = centre[i] + 0.6f * normal(random_) / std::sqrt(static_cast<float>(dim));
      }
    };
    store_.Grow(kRows);
    versions_.Grow(kRows);
    for (RowOrdinal row = 0; row < kRows; ++row) {
      draw(reinterpret_cast<float*>(store_.MutableRow(row)));
      versions_.SetBorn(row, 1);
      if (row % 97 == 5) store_.SetNull(row);
    }
    for (uint32_t q = 0; q < kQueries; ++q) {
      std::vector<float> vector(dim), query(dim);
      draw(vector.data());
      const std::vector<double> wide(vector.begin(), vector.end());
      EXPECT_TRUE(distance::PrepareQuery(GetParam().metric, ElementType::kFloat32, wide, query.data()));
      queries_.push_back(std::move(query));
    }
    IndexInput input;
    input.metric = GetParam().metric;
    input.store = &store_;
    input.versions = &versions_;
    input.ledger = &ledger_;
    index_ = std::make_unique<GraphIndex>(input);
    index_->RowsAppended(0, kRows);
  }

  SearchHits Ask(uint32_t query, Method method, const RowSelection* selection = nullptr, Sequence at = 1) {
    const uint32_t k[] = {kK};
    SearchSpec spec;
    spec.method = method;
    spec.queries = reinterpret_cast<const std::byte*>(queries_[query].data());
    spec.k = k;
    spec.visibility = {&versions_, at, kRows};
    spec.selection = selection;
    SearchHits hits;
    const auto scratch = index_->NewScratch();
    EXPECT_TRUE(index_->Search(spec, scratch.get(), &hits).ok());
    return hits;
  }

  std::mt19937_64 random_{11};
  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  VectorStore store_;
  RowVersions versions_{&ledger_};
  std::vector<std::vector<float>> queries_;
  std::unique_ptr<GraphIndex> index_;
};

TEST_P(CodeScanTest, FindsWhatAnExactScanFindsAndLooksAtFewRows) {
  int found = 0, wanted = 0;
  int64_t exact_distances = 0;
  for (uint32_t q = 0; q < kQueries; ++q) {
    const SearchHits exact = Ask(q, Method::kExactScan), scanned = Ask(q, Method::kCodeScan);
    ASSERT_EQ(scanned.neighbors.size(), kK);
    EXPECT_EQ(scanned.coverage, Coverage::kApproximate);
    const float farthest = exact.neighbors.back().distance;
    for (const Neighbor& n : scanned.neighbors) found += n.distance <= farthest;
    wanted += kK;
    exact_distances += scanned.work.distances;
    EXPECT_GE(scanned.work.codes, kRows - 2 * RowCodes::kRows);
  }
  const double recall = static_cast<double>(found) / wanted;
  const double looked_at = static_cast<double>(exact_distances) / (kQueries * double{kRows});
  EXPECT_GE(recall, 0.98);
  EXPECT_LT(looked_at, 0.5) << "the codes rule out too little";
  RecordProperty("recall", std::to_string(recall));
  RecordProperty("looked_at", std::to_string(looked_at));
  std::printf("recall %.4f, share looked at in full %.4f\n", recall, looked_at);
}

TEST_P(CodeScanTest, GivesOnlyRowsThatAreVisibleSelectedAndHaveAVector) {
  RowSelection selection(kRows);
  for (RowOrdinal row = 0; row < kRows; row += 7) selection.Add(row);
  for (RowOrdinal row = 0; row < kRows; row += 21) versions_.SetDied(row, 5);
  for (uint32_t q = 0; q < kQueries; ++q) {
    const SearchHits hits = Ask(q, Method::kCodeScan, &selection, /*at=*/6);
    ASSERT_EQ(hits.neighbors.size(), kK);
    for (const Neighbor& n : hits.neighbors) {
      EXPECT_EQ(n.row % 7, 0u);
      EXPECT_NE(n.row % 21, 0u);
      EXPECT_NE(n.row % 97, 5u);
    }
  }
}

TEST_P(CodeScanTest, FillsKFromAHandfulOfRows) {
  RowSelection selection(kRows);
  for (RowOrdinal row = 1200; row < 1212; ++row) selection.Add(row);
  const SearchHits hits = Ask(0, Method::kCodeScan, &selection);
  const SearchHits exact = Ask(0, Method::kExactScan, &selection);
  ASSERT_EQ(hits.neighbors.size(), exact.neighbors.size());
  for (size_t i = 0; i < hits.neighbors.size(); ++i) EXPECT_EQ(hits.neighbors[i].row, exact.neighbors[i].row);
}

// Four are looked for together, so 23 are five times four and three; each wants another number of rows.
TEST_P(CodeScanTest, FindsForManyQueriesWhatAnExactScanFinds) {
  constexpr uint32_t kTogether = 23;
  const size_t scalars = queries_[0].size();
  std::vector<float> together;
  std::vector<uint32_t> k;
  for (uint32_t q = 0; q < kTogether; ++q) {
    together.insert(together.end(), queries_[q].begin(), queries_[q].end());
    k.push_back(1 + q * 3 % 17);
  }
  for (RowOrdinal row = 0; row < kRows; row += 21) versions_.SetDied(row, 5);
  SearchSpec spec;
  spec.queries = reinterpret_cast<const std::byte*>(together.data());
  spec.query_stride = scalars * sizeof(float);
  spec.query_count = kTogether;
  spec.k = k;
  spec.visibility = {&versions_, 6, kRows};
  SearchHits exact, scanned;
  const auto scratch = index_->NewScratch();
  spec.method = Method::kExactScan;
  ASSERT_TRUE(index_->Search(spec, scratch.get(), &exact).ok());
  spec.method = Method::kCodeScan;
  ASSERT_TRUE(index_->Search(spec, scratch.get(), &scanned).ok());
  ASSERT_EQ(scanned.offsets, exact.offsets);
  int found = 0;
  for (uint32_t q = 0; q < kTogether; ++q) {
    const float farthest = exact.neighbors[exact.offsets[q + 1] - 1].distance;
    for (uint32_t i = scanned.offsets[q]; i < scanned.offsets[q + 1]; ++i) {
      found += scanned.neighbors[i].distance <= farthest;
      EXPECT_NE(scanned.neighbors[i].row % 21, 0u);
    }
  }
  EXPECT_GE(found, 0.98 * static_cast<double>(exact.neighbors.size()));
}

INSTANTIATE_TEST_SUITE_P(Spaces, CodeScanTest,
                         testing::Values(Case{Metric::kL2, 32}, Case{Metric::kL2, 128},
                                         Case{Metric::kCosine, 200}, Case{Metric::kInnerProduct, 128},
                                         Case{Metric::kL2, 768}));

}  // namespace
}  // namespace longbow::index
