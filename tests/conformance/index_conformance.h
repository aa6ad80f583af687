// The fixture of the suite that every index type passes: each way an index offers is held to the oracle,
// exactly where the index calls itself exact, to a recall otherwise. Whatever the way: hits are visible,
// selected, different, sorted by (distance, key), carry their true distance, and are k if there are k.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "index_world.h"

namespace longbow::index::conformance {

inline constexpr double kLeastRecall = 0.9;  // of an approximate way that was asked for 0.95

struct Search {
  Visibility visibility;
  const RowSelection* selection = nullptr;
  const TieOrder* ties = nullptr;
  std::vector<uint32_t> k;  // one a query
  const std::byte* queries = nullptr;
};

class IndexConformance : public testing::TestWithParam<std::tuple<size_t, int, distance::ElementType>> {
 protected:
  void MakeWorld(WorldOptions options = {}) {
    const auto [subject, metric, element] = GetParam();
    world_ = std::make_unique<IndexWorld>(Subjects()[subject], static_cast<distance::Metric>(metric), element,
                                          seed_, options);
    scratch_ = world_->index().NewScratch();
  }
  IndexWorld& world() { return *world_; }

  std::vector<MethodCost> Ways(const Search& search) {
    SearchShape shape;
    shape.queries = static_cast<uint32_t>(search.k.size());
    shape.k = search.k.empty() ? 1 : search.k[0];
    shape.rows = search.visibility.end;
    shape.has_selection = search.selection != nullptr;
    shape.selected = shape.has_selection ? static_cast<uint64_t>(search.selection->Count()) : 0;
    auto ways = world_->index().Methods(shape);
    EXPECT_FALSE(ways.empty());
    for (size_t i = 1; i < ways.size(); ++i) EXPECT_LE(ways[i - 1].nanos, ways[i].nanos) << "cheapest first";
    return ways;
  }

  SearchSpec Spec(const Search& search, Method method) const {
    SearchSpec spec;
    spec.method = method;
    spec.queries = search.queries;
    spec.query_stride = world_->query_bytes();
    spec.query_count = static_cast<uint32_t>(search.k.size());
    spec.k = search.k;
    spec.visibility = search.visibility;
    spec.selection = search.selection;
    spec.ties = search.ties;
    return spec;
  }

  // Runs the search in every way the index offers and holds each to the oracle.
  void ExpectRight(const Search& search) {
    for (const MethodCost& way : Ways(search)) {
      SCOPED_TRACE(testing::Message() << MethodName(way.method) << ", seed " << seed_);
      const Status status = world_->index().Search(Spec(search, way.method), scratch_.get(), &hits_);
      ASSERT_TRUE(status.ok()) << status.ToString();
      if (way.exact) {
        EXPECT_EQ(hits_.coverage, Coverage::kExact);
      }
      EXPECT_NE(hits_.coverage, Coverage::kPartial);
      ExpectHits(search, hits_, way.exact);
    }
  }

  // What came back for the search, judged alone; thread-safe.
  void ExpectHits(const Search& search, const SearchHits& hits, bool exact) const {
    ASSERT_EQ(hits.offsets.size(), search.k.size() + 1);
    ASSERT_EQ(hits.offsets.back(), hits.neighbors.size());
    double found = 0, wanted = 0;
    for (size_t q = 0; q < search.k.size(); ++q) {
      const std::byte* query = search.queries + q * world_->query_bytes();
      const std::vector<Neighbor> got(hits.neighbors.begin() + hits.offsets[q],
                                      hits.neighbors.begin() + hits.offsets[q + 1]);
      const auto oracle = world_->Oracle(query, search.visibility, search.selection, search.ties);
      const size_t due = std::min<size_t>(search.k[q], oracle.size());
      ASSERT_EQ(got.size(), due) << "query " << q << ": k are due when there are k";
      ExpectSound(search, query, got);
      if (exact) ExpectEqual(got, oracle);
      for (const Neighbor& hit : got)
        found += hit.distance <= oracle[due - 1].distance + world_->tolerance() ? 1 : 0;
      wanted += static_cast<double>(due);
    }
    EXPECT_GE(found, exact ? wanted : kLeastRecall * wanted) << "of " << wanted;
  }

  // Visible, selected, present, different, sorted, with their true distances.
  void ExpectSound(const Search& search, const std::byte* query, const std::vector<Neighbor>& got) const {
    std::set<RowOrdinal> seen;
    for (size_t i = 0; i < got.size(); ++i) {
      const auto [distance, row] = got[i];
      ASSERT_LT(row, search.visibility.end);
      EXPECT_TRUE(seen.insert(row).second) << "row " << row << " twice";
      EXPECT_TRUE(search.visibility.Visible(row)) << "row " << row;
      EXPECT_TRUE(world_->present(row)) << "row " << row << " has no vector";
      EXPECT_TRUE(search.selection == nullptr || search.selection->Contains(row)) << "row " << row;
      EXPECT_NEAR(distance, world_->Distance(query, row), world_->tolerance()) << "row " << row;
      if (i == 0) continue;
      ASSERT_LE(got[i - 1].distance, distance) << "hit " << i;
      if (got[i - 1].distance != distance) continue;
      const bool in_order =
          search.ties != nullptr ? search.ties->Before(got[i - 1].row, row) : got[i - 1].row < row;
      EXPECT_TRUE(in_order) << "rows " << got[i - 1].row << " and " << row << " at the same distance";
    }
  }

  void ExpectEqual(const std::vector<Neighbor>& got, const std::vector<Neighbor>& oracle) const {
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i].distance, oracle[i].distance, world_->tolerance()) << "hit " << i;
      ASSERT_TRUE(world_->tolerance() > 0 || got[i].row == oracle[i].row)
          << "hit " << i << ": row " << got[i].row;
    }
  }

  RowSelection Select(double share, uint64_t seed) const {
    std::mt19937_64 random(seed);
    RowSelection selection(world_->end());
    for (RowOrdinal row = 0; row < world_->end(); ++row) {
      if (static_cast<double>(random() % 100000) < share * 100000) selection.Add(row);
    }
    return selection;
  }

  const uint64_t seed_ = std::random_device{}();
  std::unique_ptr<IndexWorld> world_;
  std::unique_ptr<SearchScratch> scratch_;
  SearchHits hits_;
};

inline std::string ConformanceName(const testing::TestParamInfo<IndexConformance::ParamType>& info) {
  const auto [number, metric, element] = info.param;
  const Subject subject = Subjects()[number];
  return std::string(subject.type->name) + "_" + std::string(subject.codec) + "_" +
         std::string(distance::MetricName(static_cast<distance::Metric>(metric))) + "_" +
         std::string(distance::ElementTypeName(element));
}

}  // namespace longbow::index::conformance
