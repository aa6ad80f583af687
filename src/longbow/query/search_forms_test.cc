// Forms of a search beyond the nearest k: pages, ranges, orders, prefixes, plans, budgets, answers kept.
#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <future>
#include <map>
#include <random>
#include <ranges>
#include <set>
#include <thread>

#include "longbow/query/search.h"
#include "longbow/query/test_database.h"

namespace longbow::query {
namespace {

using filter::ParseFilter;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Random = std::mt19937_64;

int64_t Pick(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

std::vector<Point> Points(Random& random, size_t count, size_t width) {
  std::normal_distribution<double> normal;
  std::vector<Point> points(count, Point(width));
  for (Point& point : points) {
    for (double& x : point) x = static_cast<float>(normal(random));
  }
  return points;
}

class SearchFormsTest : public testing::Test {
 protected:
  SearchFormsTest() : random_(seed_) {}
  void TearDown() override {
    if (HasFailure()) std::cerr << "seed " << seed_ << "\n";
  }

  SearchAnswer Search(const SearchRequest& request) {
    auto answer = database_.query().Search(request);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *std::move(answer) : SearchAnswer{};
  }
  void ExpectError(const SearchRequest& request, ErrorCode code, const std::string& text) {
    const auto answer = database_.query().Search(request);
    ASSERT_FALSE(answer.ok()) << text;
    EXPECT_EQ(CodeOf(answer.status()), code) << answer.status();
    EXPECT_THAT(answer.status().message(), HasSubstr(text));
  }
  // Rows with id = position, year = position % 40 and a null every 13th, tag t0 .. t4.
  std::vector<Point> Fill(const std::string& dataset, size_t rows, size_t width,
                          std::shared_ptr<const arrow::KeyValueMetadata> metadata = nullptr) {
    const auto points = Points(random_, rows, width);
    std::vector<std::optional<int64_t>> years;
    std::vector<std::optional<std::string>> tags;
    for (size_t i = 0; i < rows; ++i) {
      years.push_back(i % 13 == 0 ? std::nullopt : std::optional(static_cast<int64_t>(i % 40)));
      tags.push_back("t" + std::to_string(i % 5));
    }
    database_.Put(dataset, Batch({{"id", Range(0, static_cast<int64_t>(rows))},
                                  {"vector", Vectors(points, width)},
                                  {"year", Int64s(years)},
                                  {"tag", Strings(tags)}},
                                 std::move(metadata)));
    return points;
  }

  const uint64_t seed_ = std::random_device{}();
  Random random_;
  TestDatabase database_;
};

TEST_F(SearchFormsTest, PagesNeitherRepeatNorSkip) {
  const auto points = Fill("d", 3000, 8);
  auto whole = Ask("d", {points[5]}, 200);
  whole.exact = true;
  whole.filter = ParseFilter("year < 20").ValueOrDie();
  const Ids expected = IdsOf(Search(whole));
  for (const int64_t page : {1, 7, 64}) {
    Ids pages;
    for (int64_t at = 0; at < 200; at += page) {
      auto request = whole;
      request.exact = false;
      request.k = {std::min<int64_t>(page, 200 - at)};
      request.offset = at;
      const auto answer = Search(request);
      EXPECT_EQ(answer.coverage, index::Coverage::kExact);
      const Ids ids = IdsOf(answer);
      pages.insert(pages.end(), ids.begin(), ids.end());
    }
    EXPECT_EQ(pages, expected) << "pages of " << page;
  }
  auto beyond = whole;
  beyond.offset = 5000;
  EXPECT_EQ(Search(beyond).hits->num_rows(), 0);
  beyond.offset = 10000;
  ExpectError(beyond, ErrorCode::kInvalidArgument, "offset");
  beyond.offset = -1;
  ExpectError(beyond, ErrorCode::kInvalidArgument, "offset");
}

TEST_F(SearchFormsTest, ARadiusHoldsAllWithin) {
  for (const std::string metric : {"l2", "cosine", "dot_product"}) {
    SCOPED_TRACE(metric);
    const auto points = Fill(metric, 2000, 6, arrow::key_value_metadata({"longbow.metric"}, {metric}));
    auto all = Ask(metric, {points[1]}, 2000);
    all.exact = true;
    const auto everything = Search(all);
    const auto distances = Values<arrow::FloatType>(*everything.hits, "distance");
    const Ids ids = IdsOf(everything);
    for (const size_t within : {1u, 30u, 700u}) {
      auto request = Ask(metric, {points[1]}, 0);
      request.radius = distances[within - 1];
      request.exact = true;
      EXPECT_EQ(IdsOf(Search(request)), Ids(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(within)));
      request.k = {20};
      EXPECT_EQ(Search(request).hits->num_rows(), static_cast<int64_t>(std::min<size_t>(within, 20)));
      request.offset = 10;
      EXPECT_EQ(Search(request).hits->num_rows(), static_cast<int64_t>(within < 10 ? 0 : 20));
    }
  }
  auto nothing = Ask("l2", {Point(6, 100)}, 0);
  nothing.radius = 1;
  EXPECT_EQ(Search(nothing).hits->num_rows(), 0);
}

TEST_F(SearchFormsTest, HitsCanBeOrderedByAColumn) {
  const auto points = Fill("d", 500, 4);
  auto request = Ask("d", {points[0], points[1]}, 30);
  request.number_queries = true;
  const auto nearest = Search(request);
  for (const bool descending : {false, true}) {
    request.order_by = OrderBy{"year", descending};
    const auto answer = Search(request);
    EXPECT_EQ(answer.offsets, nearest.offsets);
    const Ids ids = IdsOf(answer), before = IdsOf(nearest);
    for (size_t query = 0; query < 2; ++query) {
      const auto from = static_cast<std::ptrdiff_t>(query * 30);
      EXPECT_EQ(std::multiset<uint64_t>(ids.begin() + from, ids.begin() + from + 30),
                std::multiset<uint64_t>(before.begin() + from, before.begin() + from + 30));
      const auto key = [&](uint64_t id) {
        const int64_t year = static_cast<int64_t>(id % 40);
        return id % 13 == 0 ? int64_t{1000} : descending ? -year : year;
      };
      EXPECT_TRUE(std::is_sorted(ids.begin() + from, ids.begin() + from + 30,
                                 [&](uint64_t a, uint64_t b) { return key(a) < key(b); }));
    }
  }
  request.order_by = OrderBy{"yeer", false};
  ExpectError(request, ErrorCode::kInvalidArgument, "\"year\"");
  request.order_by = OrderBy{"vector", false};
  ExpectError(request, ErrorCode::kInvalidArgument, "has no order");
}

TEST_F(SearchFormsTest, VectorsAndStoredRowsAreAskedTogether) {
  const auto points = Fill("d", 300, 4);
  auto both = Ask("d", {points[3]}, 5);
  both.queries.keys = {"7", "9"};
  const auto answer = Search(both);
  ASSERT_THAT(answer.offsets, ElementsAre(0, 5, 10, 15));
  const Ids ids = IdsOf(answer);
  EXPECT_EQ(ids[0], 3u);
  auto seven = Ask("d", {}, 5);
  seven.queries.keys = {"7"};
  EXPECT_EQ(Ids(ids.begin() + 5, ids.begin() + 10), IdsOf(Search(seven)));

  auto mixed = Ask("d", {}, 5);
  mixed.queries.array = Vectors({points[3], {}, {}}, 4);
  mixed.queries.keys = {"", "7", "9"};
  EXPECT_EQ(IdsOf(Search(mixed)), ids);
}

TEST_F(SearchFormsTest, PrefixesAreSearchedAndOrderedByAllDimensions) {
  for (const std::string metric : {"l2", "cosine", "dot_product"}) {
    SCOPED_TRACE(metric);
    const auto points = Fill(metric, 1500, 16, arrow::key_value_metadata({"longbow.metric"}, {metric}));
    const auto query = Points(random_, 1, 16)[0];
    const auto distance = [&](const Point& row, size_t dims) {
      double dot = 0, norm = 0, query_norm = 0, squared = 0;
      for (size_t d = 0; d < dims; ++d) {
        dot += row[d] * query[d];
        norm += row[d] * row[d];
        query_norm += query[d] * query[d];
        squared += (row[d] - query[d]) * (row[d] - query[d]);
      }
      return metric == "l2"       ? std::sqrt(squared)
             : metric == "cosine" ? 1 - dot / std::sqrt(norm * query_norm)
                                  : -dot;
    };
    const auto nearest = [&](size_t dims, size_t k) {
      std::vector<std::pair<double, uint64_t>> order;
      for (size_t i = 0; i < points.size(); ++i) order.emplace_back(distance(points[i], dims), i);
      std::sort(order.begin(), order.end());
      order.resize(k);
      return order;
    };
    // A query of the prefix alone is ordered by the prefix.
    auto request = Ask(metric, {Point(query.begin(), query.begin() + 5)}, 12);
    request.dims = 5;
    const auto by_prefix = Search(request);
    EXPECT_EQ(by_prefix.plan, "prefix_scan");
    EXPECT_EQ(by_prefix.coverage, index::Coverage::kExact);
    Ids expected;
    for (const auto& [d, id] : nearest(5, 12)) expected.push_back(id);
    EXPECT_EQ(IdsOf(by_prefix), expected);
    // A whole query's candidates are those of the prefix, ordered by all dimensions.
    request.queries.numbers = {query};
    const auto rescored = Search(request);
    EXPECT_EQ(rescored.coverage, index::Coverage::kApproximate);
    std::vector<std::pair<double, uint64_t>> order;
    for (const auto& [d, id] : nearest(5, 64)) order.emplace_back(distance(points[id], 16), id);
    std::sort(order.begin(), order.end());
    const Ids ids = IdsOf(rescored);
    const auto distances = Values<arrow::FloatType>(*rescored.hits, "distance");
    ASSERT_EQ(ids.size(), 12u);
    for (size_t i = 0; i < 12; ++i) {
      EXPECT_EQ(ids[i], order[i].second);
      EXPECT_NEAR(distances[i], order[i].first, 1e-4);
    }
    // Exact wins over dims.
    request.exact = true;
    Ids exact;
    for (const auto& [d, id] : nearest(16, 12)) exact.push_back(id);
    EXPECT_EQ(IdsOf(Search(request)), exact);
    request.dims = 17;
    ExpectError(request, ErrorCode::kInvalidArgument, "16 dimensions");
    request.dims = 4;
    request.queries.numbers = {Point(5, 1)};
    ExpectError(request, ErrorCode::kDimensionMismatch, "expected 16, got 5");
    request.queries.numbers = {Point(4, 1), query};
    ExpectError(request, ErrorCode::kInvalidArgument, "as many");
  }
}

TEST_F(SearchFormsTest, TheSameRowsGetTheSamePlanAndAnswerHoweverTheyAreWritten) {
  Fill("d", 4000, 8);
  const std::vector<std::vector<std::string>> same = {
      {"year >= 10 and year < 20", "year between 10 and 19", "not (year < 10 or year > 19)",
       "20 > year and '10' <= year", "year in (10,11,12,13,14,15,16,17,18,19)", "year > 9.5 and year < 19.5"},
      {"tag = 't1'", "tag in ('t1')", "tag like 't1'", "tag like '%1'", "tag starts with 't1'",
       "tag contains '1'", "not tag != 't1'", "tag not in ('t0','t2','t3','t4')"},
      {"year is null", "not exists year", "not (year is not null)"},
      {"id < 7 and tag = 't0'", "id in (0, 5)", "id = 0 or id = 5",
       "id between 0 and 5 and tag != 't1' and tag = 't0'"},
      {"year < -1", "false", "tag = 'zebra'"}};
  for (const auto& filters : same) {
    std::optional<SearchAnswer> first;
    for (const auto& text : filters) {
      SCOPED_TRACE(text);
      auto request = Ask("d", {Point(8, 0.1)}, 15);
      request.filter = ParseFilter(text).ValueOrDie();
      auto answer = Search(request);
      if (!first) {
        first = std::move(answer);
        continue;
      }
      EXPECT_EQ(answer.plan, first->plan);
      EXPECT_EQ(answer.selected, first->selected);
      EXPECT_TRUE(answer.hits->Equals(*first->hits));
    }
  }
}

// Of many rows, too, what a filter chose is counted: dead rows that one of two spellings matches make no
// difference.
TEST_F(SearchFormsTest, DeadRowsThatAFilterMatchesChangeNothing) {
  constexpr int64_t kRows = 90'000;
  const auto flat = arrow::key_value_metadata({"longbow.index"}, {"flat"});
  const auto put = [&](int64_t first, int64_t count, const char* kind) {
    std::vector<std::optional<std::string>> kinds(static_cast<size_t>(count), kind);
    const auto points = Points(random_, static_cast<size_t>(count), 2);
    database_.Put("d", Batch({{"id", Range(first, count)},
                              {"vector", Vectors(points, 2)},
                              {"n", Range(first, count)},
                              {"kind", Strings(kinds)}},
                             flat));
  };
  put(0, kRows, "old");
  put(5'000, 60'000, "new");
  put(10'000, 10'000, "newest");
  database_.Delete("d", {"3", "70000"});
  const std::vector<std::pair<std::vector<std::string>, int64_t>> same = {
      {{"n >= 0", "not kind = 'none' and n < 90000", "n between 0 and 100000"}, kRows - 2},
      {{"n >= 5000 and n < 65000", "kind in ('new', 'newest')", "not (kind = 'old')"}, 60'000},
      {{"kind = 'new' or n < 10000 and kind != 'old'", "kind = 'new'", "kind like 'ne_'"}, 50'000},
      {{"kind = 'old' and n < 4", "n < 4", "n in (0, 1, 2, 3, 70000)"}, 3}};
  for (const auto& [filters, count] : same) {
    std::optional<SearchAnswer> first;
    for (const auto& text : filters) {
      SCOPED_TRACE(text);
      auto request = Ask("d", {Point(2, 0.1)}, 15);
      request.filter = ParseFilter(text).ValueOrDie();
      const auto answer = Search(request);
      EXPECT_EQ(answer.rows, static_cast<uint64_t>(kRows - 2));
      EXPECT_EQ(answer.selected, static_cast<uint64_t>(count));
      if (!first) first = answer;
      EXPECT_EQ(answer.plan, first->plan);
      EXPECT_TRUE(answer.hits->Equals(*first->hits));
      request.explain = Explain::kPlan;
      const auto table = Search(request).hits;
      EXPECT_DOUBLE_EQ(Values<arrow::DoubleType>(*table, "selectivity")[0],
                       static_cast<double>(count) / static_cast<double>(kRows - 2));
    }
  }
}

TEST_F(SearchFormsTest, ExplainTellsThePlansAndAnalyzeWhatHappened) {
  const auto points = Fill("d", 2000, 8);
  auto request = Ask("d", {points[0]}, 5);
  request.filter = ParseFilter("year < 4").ValueOrDie();
  request.explain = Explain::kPlan;
  auto table = Search(request).hits;
  ASSERT_TRUE(table->ValidateFull().ok());
  ASSERT_GE(table->num_rows(), 1);
  const auto column = [&](const std::string& name) { return table->GetColumnByName(name); };
  const auto text = [&](const std::string& name) {
    return static_cast<const arrow::StringArray&>(*column(name)).GetString(0);
  };
  const auto chosen = std::static_pointer_cast<arrow::BooleanArray>(column("chosen"));
  int64_t taken = -1;
  for (int64_t i = 0; i < table->num_rows(); ++i) {
    EXPECT_EQ(column("reason")->IsNull(i), chosen->Value(i));
    if (chosen->Value(i)) taken = i;
  }
  ASSERT_GE(taken, 0);
  EXPECT_EQ(text("filter"), "year < 4");
  const int64_t selected = 2000 / 40 * 4 - std::ranges::count_if(std::views::iota(0, 2000), [](int i) {
                             return i % 13 == 0 && i % 40 < 4;
                           });
  EXPECT_EQ(Values<arrow::Int64Type>(*table, "selected")[0], selected);
  EXPECT_EQ(Values<arrow::Int64Type>(*table, "rows")[0], 2000);
  EXPECT_DOUBLE_EQ(Values<arrow::DoubleType>(*table, "selectivity")[0], static_cast<double>(selected) / 2000);
  EXPECT_EQ(column("distances")->null_count(), table->num_rows());

  request.explain = Explain::kAnalyze;
  const auto answer = Search(request);
  table = answer.hits;
  EXPECT_TRUE(column("distances")->IsValid(taken));
  EXPECT_EQ(Values<arrow::Int64Type>(*table, "hits")[static_cast<size_t>(taken)], 5);
  EXPECT_EQ(Values<arrow::Int64Type>(*table, "distances")[static_cast<size_t>(taken)], selected);
  EXPECT_GT(Values<arrow::Int64Type>(*table, "total_nanos")[static_cast<size_t>(taken)], 0);
  EXPECT_THAT(answer.offsets, ElementsAre(0, table->num_rows()));

  request.filter = ParseFilter("year < -4").ValueOrDie();
  table = Search(request).hits;
  EXPECT_EQ(text("plan"), "none");
}

TEST_F(SearchFormsTest, RecallIsTakenOnRequest) {
  const auto points = Fill("d", 3000, 8);
  auto request = Ask("d", {points[0], points[1]}, 10);
  request.check_recall = true;
  request.exact = true;
  EXPECT_EQ(Search(request).recall, 1.0);
  request.exact = false;
  request.dims = 1;  // one of eight dimensions says little
  const auto poor = Search(request);
  ASSERT_TRUE(poor.recall);
  EXPECT_LT(*poor.recall, 0.9);
  EXPECT_THAT(StatsJson(poor), HasSubstr("\"recall\":0."));
}

TEST_F(SearchFormsTest, AnswersSayHowTheyCameAbout) {
  Fill("d", 100, 4);
  auto request = Ask("d", {Point(4, 1)}, 3);
  request.exact = request.describe = true;
  const auto metadata = Search(request).hits->schema()->metadata();
  ASSERT_NE(metadata, nullptr);
  EXPECT_EQ(metadata->Get("longbow.coverage").ValueOrDie(), "exact");
  EXPECT_THAT(metadata->Get("longbow.stats").ValueOrDie(), HasSubstr("\"distances\":100"));
}

TEST_F(SearchFormsTest, AllowListsFilterAndAReplacedListIsSeenAtOnce) {
  const auto points = Fill("d", 200, 4);
  auto& lists = database_.query().allow_lists();
  auto request = Ask("d", {points[0]}, 10);
  request.filter = ParseFilter("id in list 'mine'").ValueOrDie();
  ExpectError(request, ErrorCode::kInvalidArgument, "put-allow-list");
  ASSERT_TRUE(lists.Put("mine", Range(10, 3)).ok());
  for (int round = 0; round < 3; ++round) {
    Ids ids = IdsOf(Search(request));
    std::sort(ids.begin(), ids.end());
    EXPECT_THAT(ids, ElementsAre(10, 11, 12));
  }
  ASSERT_TRUE(lists.Put("mine", Range(20, 1)).ok());
  EXPECT_THAT(IdsOf(Search(request)), ElementsAre(20));
  ASSERT_TRUE(lists.Drop("mine").ok());
  ExpectError(request, ErrorCode::kInvalidArgument, "mine");
}

TEST_F(SearchFormsTest, KIsFilledWheneverKMatchAlsoWithMostRowsDeleted) {
  Fill("d", 3000, 8);
  std::vector<std::string> deleted;
  std::vector<bool> alive(3000, true);
  for (int i = 0; i < 3000; ++i) {
    if (Pick(random_, 0, 99) < 95) {
      deleted.push_back(std::to_string(i));
      alive[static_cast<size_t>(i)] = false;
    }
  }
  database_.Delete("d", deleted);
  for (const char* text : {"true", "year < 20", "tag = 't1'", "year = 7"}) {
    auto request = Ask("d", Points(random_, 3, 8), 10);
    request.filter = ParseFilter(text).ValueOrDie();
    ScanRequest count;
    count.dataset = "d";
    count.filter = request.filter;
    count.count = true;
    const auto batch = (*database_.query().OpenScan(count).ValueOrDie()).Next().ValueOrDie();
    const int64_t matching = Values<arrow::Int64Type>(*batch, "count")[0];
    const auto answer = Search(request);
    for (size_t query = 0; query < 3; ++query) {
      EXPECT_EQ(answer.offsets[query + 1] - answer.offsets[query], std::min<int64_t>(10, matching)) << text;
    }
    for (const uint64_t id : IdsOf(answer)) EXPECT_TRUE(alive[id]);
  }
}

TEST_F(SearchFormsTest, WhatABlockWasFilteredToIsKept) {
  Fill("d", 1000, 4);
  auto request = Ask("d", {Point(4, 0)}, 3);
  request.filter = ParseFilter("year < 20 and tag = 't1'").ValueOrDie();
  const auto hits = [&] { return CountersSeen::Of(database_.query())["filter_cache_hits_total"]; };
  Search(request);
  const double before = hits();
  request.queries.numbers = {Point(4, 1)};
  Search(request);
  EXPECT_GT(hits(), before);
  EXPECT_GT(database_.ledger().used(MemoryUse::kCache), 0);
}

TEST_F(SearchFormsTest, ScansCountPageAndOrder) {
  Fill("d", 1000, 4);
  const auto ids = [&](const ScanRequest& request) {
    std::vector<int64_t> all;
    auto scan = database_.query().OpenScan(request).ValueOrDie();
    for (;;) {
      const auto batch = scan->Next().ValueOrDie();
      if (batch == nullptr) return all;
      EXPECT_TRUE(batch->ValidateFull().ok());
      const auto some = Values<arrow::Int64Type>(*batch, "id");
      all.insert(all.end(), some.begin(), some.end());
    }
  };
  ScanRequest request;
  request.dataset = "d";
  request.filter = ParseFilter("year >= 38").ValueOrDie();
  const auto all = ids(request);
  request.offset = 5;
  request.limit = 7;
  EXPECT_EQ(ids(request), std::vector<int64_t>(all.begin() + 5, all.begin() + 12));
  request.order_by = OrderBy{"id", true};
  EXPECT_EQ(ids(request), std::vector<int64_t>(all.rbegin() + 5, all.rbegin() + 12));
  request.order_by = OrderBy{"year", false};
  request.offset = 0;
  request.limit = 0;
  auto expected = all;
  std::stable_sort(expected.begin(), expected.end(), [](int64_t a, int64_t b) { return a % 40 < b % 40; });
  EXPECT_EQ(ids(request), expected);
  request.filter.reset();
  request.order_by.reset();
  request.offset = 997;
  EXPECT_THAT(ids(request), ElementsAre(997, 998, 999));
  request.offset = 2000;
  EXPECT_THAT(ids(request), IsEmpty());

  request.count = true;
  const auto count = [&] {
    const auto batch = (*database_.query().OpenScan(request).ValueOrDie()).Next().ValueOrDie();
    return Values<arrow::Int64Type>(*batch, "count")[0];
  };
  EXPECT_EQ(count(), 0);
  request.offset = 0;
  EXPECT_EQ(count(), 1000);
  request.filter = ParseFilter("year >= 38").ValueOrDie();
  EXPECT_EQ(count(), static_cast<int64_t>(all.size()));
  database_.Delete("d", {std::to_string(all[0])});
  EXPECT_EQ(count(), static_cast<int64_t>(all.size()) - 1);
}

TEST_F(SearchFormsTest, TheAnswerCacheChangesNoAnswerBesideWriters) {
  QueryOptions without;
  without.answer_cache_bytes = 0;
  QueryEngine plain(&database_.engine(), database_.query().environment(), &database_.ledger(), without);
  constexpr int64_t kRows = 200;
  const auto put = [&](int64_t round) {
    database_.Put("d",
                  Batch({{"id", Range(0, kRows)},
                         {"vector", Vectors(std::vector<Point>(kRows, Point{static_cast<double>(round)}), 1)},
                         {"round", Int64s(std::vector<std::optional<int64_t>>(kRows, round))}}));
  };
  put(1);
  std::atomic<int64_t> acknowledged{1};
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int64_t round = 2; round < 400 && !stop; ++round) {
      put(round);
      acknowledged = round;
    }
    stop = true;
  });
  int64_t cached = 0;
  while (!stop && !HasFailure()) {
    auto request = Ask("d", {{0}}, Pick(random_, 1, 4));
    if (Pick(random_, 0, 1) == 0) request.filter = ParseFilter("round >= 0 and id < 100").ValueOrDie();
    const int64_t before = acknowledged;
    const auto answer = Search(request);
    cached += answer.cached ? 1 : 0;
    const auto rounds = Values<arrow::Int64Type>(*answer.hits, "round");
    for (const int64_t round : rounds) EXPECT_GE(round, before) << "an answer from before a finished write";
  }
  writer.join();
  // At rest both give the same, again and again.
  for (int round = 0; round < 4; ++round) {
    for (int64_t k = 1; k < 5; ++k) {
      const auto request = Ask("d", {{0}}, k);
      const auto with = Search(request);
      cached += with.cached ? 1 : 0;
      EXPECT_TRUE(with.hits->Equals(*plain.Search(request).ValueOrDie().hits));
    }
  }
  EXPECT_GT(cached, 0);
}

TEST_F(SearchFormsTest, RealSearchesAreRepeatedExactlyToTellTheirRecall) {
  const auto points = Fill("d", 3000, 16);
  QueryOptions all;
  all.recall.share = 1;
  all.recall.share_of_time = 1e6;
  QueryEngine query(&database_.engine(), database_.query().environment(), &database_.ledger(), all);
  CountersSeen ratios;
  // Until builders, which index the rows meanwhile, came to it.
  for (int round = 0; round < 20000; ++round) {
    auto request = Ask("d", {points[static_cast<size_t>(round % 3000)]}, 10);
    request.dims = 2;
    // dims is an approximation of its own, and what it finds is held against all dimensions.
    if (round % 2 == 1) request.filter = ParseFilter("year < 20").ValueOrDie();
    ASSERT_TRUE(query.Search(request).ok());
    ratios = CountersSeen::Of(query);
    if (ratios["search_recall_samples_total/d/all"] > 3 &&
        ratios["search_recall_samples_total/d/10%-100%"] > 3) {
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const double mean = ratios["search_recall_ratio/d/all"];
  EXPECT_GT(mean, 0.05);
  EXPECT_LT(mean, 0.95);
  EXPECT_LT(ratios["search_recall_low_ratio/d/all"], mean);
  EXPECT_GT(ratios["search_recall_high_ratio/d/all"], mean);
  EXPECT_GT(ratios["search_recall_samples_total/d/10%-100%"], 0);
  // What was told of a dataset goes with it, once the searches that wait are over.
  std::promise<Status> dropped;
  database_.engine().DropDataset("d", [&](Status status) { dropped.set_value(std::move(status)); });
  ASSERT_TRUE(dropped.get_future().get().ok());
  bool told = true;
  for (int round = 0; told && round < 20000; ++round) {
    told = !std::isnan(CountersSeen::Of(query)["search_recall_ratio/d/all"]);
    if (told) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace longbow::query
