#include "longbow/query/fusion.h"

#include <gtest/gtest.h>

#include <cmath>

namespace longbow::query {
namespace {

class ByRow final : public TieOrder {
 public:
  bool Before(RowOrdinal a, RowOrdinal b) const override { return a < b; }
};

std::vector<FusedHit> FuseBy(std::string_view name, double alpha, size_t k = 10) {
  const std::vector<index::Neighbor> vectors = {{0, 5}, {1, 7}, {9, 2}};  // squared
  const std::vector<text::Hit> texts = {{8, 9}, {6, 7}, {4, 1}};
  std::vector<FusedHit> out;
  Fuse(**FindFusionType(name), {vectors, texts, distance::Metric::kL2, alpha}, k, ByRow(), &out);
  return out;
}

std::vector<RowOrdinal> Rows(const std::vector<FusedHit>& hits) {
  std::vector<RowOrdinal> rows;
  for (const auto& hit : hits) rows.push_back(hit.row);
  return rows;
}

TEST(Fusion, ReciprocalRanksAreAddedUpByTheirShares) {
  const auto hits = FuseBy("rrf", 0.25);
  ASSERT_EQ(Rows(hits), (std::vector<RowOrdinal>{7, 9, 1, 5, 2}));
  EXPECT_FLOAT_EQ(hits[0].score, 0.25f / 62 + 0.75f / 62);
  EXPECT_FLOAT_EQ(hits[1].score, 0.75f / 61);
  EXPECT_EQ(hits[0].distance, 1);
  EXPECT_TRUE(std::isnan(hits[1].distance));
}

TEST(Fusion, TheShareDecidesWhoWins) {
  EXPECT_EQ(Rows(FuseBy("rrf", 0.9))[1], 5u);
  EXPECT_EQ(Rows(FuseBy("rrf", 0.1))[1], 9u);
}

TEST(Fusion, WeightedScoresAreNormalisedFirst) {
  const auto hits = FuseBy("weighted", 0.5);
  // Scores 1, 1/2, 1/4 by vector and 8, 6, 4 by text.
  ASSERT_EQ(Rows(hits), (std::vector<RowOrdinal>{5, 9, 7, 1, 2}));
  EXPECT_FLOAT_EQ(hits[0].score, 0.5f);
  EXPECT_NEAR(hits[2].score, 0.5 * (0.5 - 0.25) / 0.75 + 0.5 * 0.5, 1e-6);
  EXPECT_EQ(hits[4].score, 0);
}

TEST(Fusion, OnlyTheBestAreKeptAndEqualOnesAreOrderedByKey) {
  EXPECT_EQ(Rows(FuseBy("rrf", 0.5, 3)), (std::vector<RowOrdinal>{7, 5, 9}));
}

TEST(Fusion, UnknownMethodsAreRefused) {
  EXPECT_EQ(CodeOf(FindFusionType("magic").status()), ErrorCode::kInvalidArgument);
  EXPECT_EQ((*FindFusionType(""))->name, "rrf");
}

TEST(Fusion, LongerQueriesTrustVectorsMore) {
  EXPECT_EQ(AdaptiveAlpha(1), 0.3);
  EXPECT_EQ(AdaptiveAlpha(3), 0.5);
  EXPECT_EQ(AdaptiveAlpha(5), 0.5);
  EXPECT_EQ(AdaptiveAlpha(6), 0.8);
}

}  // namespace
}  // namespace longbow::query
