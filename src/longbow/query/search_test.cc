#include <arrow/api.h>
#include <arrow/util/float16.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <thread>

#include "longbow/query/search.h"
#include "longbow/query/test_database.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace longbow::query {
namespace {

using filter::FilterTree;
using filter::Operator;
using testing::ElementsAre;
using testing::HasSubstr;

SearchAnswer Search(TestDatabase& database, const SearchRequest& request) {
  auto answer = database.query().Search(request);
  EXPECT_TRUE(answer.ok()) << answer.status();
  if (!answer.ok()) return {};
  EXPECT_TRUE(answer->hits->ValidateFull().ok()) << answer->hits->ValidateFull();
  EXPECT_EQ(answer->offsets.back(), answer->hits->num_rows());
  return *std::move(answer);
}

void ExpectError(TestDatabase& database, const SearchRequest& request, ErrorCode code,
                 const std::string& text) {
  const auto answer = database.query().Search(request);
  ASSERT_FALSE(answer.ok()) << text;
  EXPECT_EQ(CodeOf(answer.status()), code) << answer.status();
  EXPECT_THAT(answer.status().message(), HasSubstr(text));
}

FilterTree Where(std::string column, Operator op, filter::Value value) {
  return {op, std::move(column), {std::move(value)}, {}};
}

// Small whole numbers, so that squared distances are exact in every element type and many are equal.
std::vector<Point> WholePoints(std::mt19937_64& random, size_t count, size_t width, int low, int high) {
  std::vector<Point> points(count, Point(width));
  for (Point& point : points) {
    for (double& x : point) x = std::uniform_int_distribution<int>(low, high)(random);
  }
  return points;
}

double Squared(const Point& a, const Point& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

// Ids of the nearest of `points` (id = position) by squared distance, then id.
Ids Nearest(
    const std::vector<Point>& points, const Point& query, size_t k,
    const std::function<bool(size_t)>& wanted = [](size_t) { return true; }) {
  std::vector<std::pair<double, uint64_t>> order;
  for (size_t i = 0; i < points.size(); ++i) {
    if (!points[i].empty() && wanted(i)) order.emplace_back(Squared(points[i], query), i);
  }
  std::sort(order.begin(), order.end());
  Ids ids;
  for (size_t i = 0; i < std::min(k, order.size()); ++i) ids.push_back(order[i].second);
  return ids;
}

struct Element {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
  bool complex = false;
};
std::vector<Element> EveryElement() {
  return {{"float16", arrow::float16()},
          {"float32", arrow::float32()},
          {"float64", arrow::float64()},
          {"int8", arrow::int8()},
          {"int16", arrow::int16()},
          {"int32", arrow::int32()},
          {"int64", arrow::int64()},
          {"uint8", arrow::uint8()},
          {"uint16", arrow::uint16()},
          {"uint32", arrow::uint32()},
          {"uint64", arrow::uint64()},
          {"complex64", arrow::float32(), true},
          {"complex128", arrow::float64(), true}};
}

class SearchTest : public testing::Test {
 protected:
  SearchTest() : random_(seed_) {}
  void SetUp() override { RecordProperty("seed", std::to_string(seed_)); }
  void TearDown() override {
    if (HasFailure()) std::cerr << "seed " << seed_ << "\n";
  }
  const uint64_t seed_ = std::random_device{}();
  std::mt19937_64 random_;
  TestDatabase database_;
};

TEST_F(SearchTest, EveryStoredTypeGivesTheBruteForceAnswerInOrder) {
  for (const Element& element : EveryElement()) {
    SCOPED_TRACE(element.name);
    const bool is_unsigned = element.name[0] == 'u';
    const auto points = WholePoints(random_, 300, 6, is_unsigned ? 0 : -3, 3);
    const auto queries = WholePoints(random_, 5, 6, is_unsigned ? 0 : -3, 3);
    auto metadata = element.complex ? arrow::key_value_metadata({"longbow.vector_type", "longbow.complex"},
                                                                {element.name, "true"})
                                    : nullptr;
    database_.Put(element.name,
                  Batch({{"id", Range(0, 300)}, {"vector", Vectors(points, 6, element.type)}}, metadata));
    const auto answer = Search(database_, Ask(element.name, queries, 20));
    ASSERT_EQ(answer.offsets.size(), 6u);
    EXPECT_EQ(answer.coverage, index::Coverage::kExact);
    const Ids ids = IdsOf(answer);
    const auto scores = Values<arrow::FloatType>(*answer.hits, "score");
    const auto distances = Values<arrow::FloatType>(*answer.hits, "distance");
    for (size_t q = 0; q < 5; ++q) {
      EXPECT_EQ(Ids(ids.begin() + answer.offsets[q], ids.begin() + answer.offsets[q + 1]),
                Nearest(points, queries[q], 20));
      for (int64_t i = answer.offsets[q]; i < answer.offsets[q + 1]; ++i) {
        const double distance = std::sqrt(Squared(points[ids[i]], queries[q]));
        EXPECT_NEAR(distances[i], distance, 1e-4);
        EXPECT_NEAR(scores[i], 1 / (1 + distance), 1e-4);
      }
    }
  }
}

TEST_F(SearchTest, CosineAndInnerProductRankAndScoreAsTheirNamesSay) {
  const auto points = WholePoints(random_, 200, 8, 1, 9);
  const auto query = WholePoints(random_, 1, 8, 1, 9)[0];
  for (const std::string metric : {"cosine", "dot_product"}) {
    SCOPED_TRACE(metric);
    database_.Put(metric, Batch({{"id", Range(0, 200)}, {"vector", Vectors(points, 8)}},
                                arrow::key_value_metadata({"longbow.metric"}, {metric})));
    const auto answer = Search(database_, Ask(metric, {query}, 200));
    ASSERT_EQ(answer.hits->num_rows(), 200);
    const Ids ids = IdsOf(answer);
    const auto scores = Values<arrow::FloatType>(*answer.hits, "score");
    const auto distances = Values<arrow::FloatType>(*answer.hits, "distance");
    EXPECT_TRUE(std::is_sorted(distances.begin(), distances.end()));
    for (size_t i = 0; i < ids.size(); ++i) {
      double dot = 0;
      for (size_t d = 0; d < 8; ++d) dot += points[ids[i]][d] * query[d];
      const double norms = std::sqrt(Squared(points[ids[i]], Point(8)) * Squared(query, Point(8)));
      const double similarity = metric == "cosine" ? dot / norms : dot;
      EXPECT_NEAR(scores[i], similarity, 1e-5 * std::max(1.0, std::abs(similarity)));
      EXPECT_NEAR(distances[i], metric == "cosine" ? 1 - similarity : -similarity, 1e-5 * std::max(1.0, dot));
    }
  }
}

TEST_F(SearchTest, QueriesMayHaveAnyNumberTypeAndAnyListType) {
  const auto points = WholePoints(random_, 100, 4, 0, 5);
  database_.Put("d", Batch({{"id", Range(0, 100)}, {"vector", Vectors(points, 4)}}));
  const auto queries = WholePoints(random_, 4, 4, 0, 5);
  auto request = Ask("d", {queries.begin() + 1, queries.end()}, 7);
  const Ids expected = IdsOf(Search(database_, request));
  request.queries.numbers.clear();
  for (const Element& element : EveryElement()) {
    SCOPED_TRACE(element.name);
    const auto fixed = Vectors(queries, 4, element.type);
    const auto& values = static_cast<const arrow::FixedSizeListArray&>(*fixed).values();
    const auto small = Int64s({0, 4, 8, 12, 16})->View(arrow::int64()).ValueOrDie();
    const auto narrow = MakeColumn<arrow::Int32Builder, int32_t>({0, 4, 8, 12, 16});
    const std::shared_ptr<arrow::Array> lists = arrow::ListArray::FromArrays(*narrow, *values).ValueOrDie();
    const std::shared_ptr<arrow::Array> large =
        arrow::LargeListArray::FromArrays(*small, *values).ValueOrDie();
    for (const auto& array : {fixed, lists, large}) {
      request.queries.array = array->Slice(1);
      EXPECT_EQ(IdsOf(Search(database_, request)), expected) << array->type()->ToString();
    }
  }
}

TEST_F(SearchTest, AWrongWidthIsSaidInNumbersThatTheClientSent) {
  database_.Put("d", Batch({{"id", Range(0, 1)}, {"vector", Vectors({{1, 2, 3, 4}}, 4)}}));
  database_.Put("c", Batch({{"id", Range(0, 1)}, {"vector", Vectors({{1, 2, 3, 4}}, 4)}},
                           arrow::key_value_metadata({"longbow.vector_type", "longbow.complex"},
                                                     {"complex64", "true"})));
  ExpectError(database_, Ask("d", {{1, 2, 3}}, 1), ErrorCode::kDimensionMismatch,
              "dimension mismatch: expected 4, got 3");
  ExpectError(database_, Ask("d", {{}}, 1), ErrorCode::kDimensionMismatch,
              "dimension mismatch: expected 4, got 0");
  ExpectError(database_, Ask("c", {{1, 2}}, 1), ErrorCode::kDimensionMismatch,
              "dimension mismatch: expected 4, got 2");
  auto request = Ask("d", {}, 1);
  request.queries.array = Vectors({{1, 2, 3, 4, 5}}, 5, arrow::int8());
  ExpectError(database_, request, ErrorCode::kDimensionMismatch, "dimension mismatch: expected 4, got 5");
}

TEST_F(SearchTest, WhatIsNoQueryIsRefused) {
  database_.Put("d", Batch({{"id", Range(0, 1)}, {"vector", Vectors({{1, 2}}, 2)}}));
  database_.Put("cos", Batch({{"id", Range(0, 1)}, {"vector", Vectors({{1, 2}}, 2)}},
                             arrow::key_value_metadata({"longbow.metric"}, {"cosine"})));
  const double nan = std::nan(""), inf = INFINITY;
  const auto invalid = ErrorCode::kInvalidArgument;
  ExpectError(database_, Ask("d", {}, 1), invalid, "no query vector provided");
  ExpectError(database_, Ask("d", {{1, nan}}, 1), invalid, "position 1");
  ExpectError(database_, Ask("d", {{1, 1}, {inf, 1}}, 1), invalid, "query vector 1 holds inf at position 0");
  ExpectError(database_, Ask("cos", {{0, 0}}, 1), invalid, "length zero");
  EXPECT_EQ(Search(database_, Ask("d", {{0, 0}}, 1)).hits->num_rows(), 1);

  auto request = Ask("d", {}, 1);
  request.queries.array = Vectors({{1, 2}, {}}, 2);
  ExpectError(database_, request, invalid, "query vector 1 is null");
  request.queries.array = arrow::FixedSizeListArray::FromArrays(Int64s({1, std::nullopt}), 2).ValueOrDie();
  ExpectError(database_, request, invalid, "holds a null");
  request.queries.array = Int64s({1, 2});
  ExpectError(database_, request, invalid, "one query a row");
  request.queries.array = arrow::FixedSizeListArray::FromArrays(Strings({"a", "b"}), 2).ValueOrDie();
  ExpectError(database_, request, invalid, "string");
  request.queries.array = Vectors({{1, 2}}, 2);
  request.queries.keys = {"0", "1"};
  ExpectError(database_, request, invalid, "1 query vectors beside 2 ids");
  ExpectError(database_, Ask("d", std::vector<Point>(1025, Point{1, 2}), 1), invalid, "1025");
}

TEST_F(SearchTest, KAndEffortAreChecked) {
  database_.Put("d", Batch({{"id", Range(0, 3)}, {"vector", Vectors({{1, 2}, {3, 4}, {5, 6}}, 2)}}));
  const auto invalid = ErrorCode::kInvalidArgument;
  ExpectError(database_, Ask("d", {{1, 2}}, 0), invalid, "k must be at least 1");
  ExpectError(database_, Ask("d", {{1, 2}}, -5), invalid, "k must be at least 1");
  ExpectError(database_, Ask("d", {{1, 2}}, 10001), invalid, "10000");
  ExpectError(database_, Ask("d", std::vector<Point>(200, Point{1, 2}), 10000), invalid, "2000000");
  auto request = Ask("d", {{1, 2}, {5, 6}}, 1);
  request.k = {1, 2, 3};
  ExpectError(database_, request, invalid, "3 values for 2 queries");
  request.k = {1};
  request.effort.ef = 5000;
  ExpectError(database_, request, invalid, "4096");
  request.effort = {.recall = 1.5f};
  ExpectError(database_, request, invalid, "recall");
  EXPECT_EQ(IdsOf(Search(database_, Ask("d", {{1, 2}}, 10000))), (Ids{0, 1, 2}));
}

TEST_F(SearchTest, DatasetsAndColumnsThatAreNotThereAreNamed) {
  database_.Put("plain", Batch({{"id", Range(0, 1)}}));
  database_.Put("d", Batch({{"id", Range(0, 1)}, {"embedding", Vectors({{1, 2}}, 2)}}));
  ExpectError(database_, Ask("absent", {{1, 2}}, 1), ErrorCode::kNotFound, "absent");
  ExpectError(database_, Ask("plain", {{1, 2}}, 1), ErrorCode::kFailedPrecondition, "index not initialized");
  auto request = Ask("d", {{1, 2}}, 1);
  request.vector_column = "vector";
  ExpectError(database_, request, ErrorCode::kInvalidArgument, "\"embedding\"");
}

TEST_F(SearchTest, EachQueryHasItsOwnKAndItsNumber) {
  database_.Put("d", Batch({{"id", Range(0, 3)}, {"vector", Vectors({{0}, {10}, {20}}, 1)}}));
  auto request = Ask("d", {{1}, {19}, {9}}, 0);
  request.k = {1, 3, 2};
  request.number_queries = true;
  const auto answer = Search(database_, request);
  EXPECT_EQ(IdsOf(answer), (Ids{0, 2, 1, 0, 1, 0}));
  EXPECT_THAT(answer.offsets, ElementsAre(0, 1, 4, 6));
  EXPECT_THAT(Values<arrow::Int32Type>(*answer.hits, "query"), ElementsAre(0, 1, 1, 1, 2, 2));
  EXPECT_EQ(answer.hits->schema()->field_names(),
            (std::vector<std::string>{"id", "score", "distance", "query"}));
}

TEST_F(SearchTest, FiltersSelectExactlyAndKIsFilled) {
  const auto points = WholePoints(random_, 2000, 4, -9, 9);
  std::vector<std::optional<int64_t>> groups;
  for (int64_t i = 0; i < 2000; ++i) {
    groups.push_back(i % 50 == 3 ? std::nullopt : std::optional<int64_t>(i % 50));
  }
  for (int64_t at = 0; at < 2000; at += 500) {
    database_.Put("d", Batch({{"id", Range(at, 500)},
                              {"vector", Vectors({points.begin() + at, points.begin() + at + 500}, 4)},
                              {"grp", Int64s({groups.begin() + at, groups.begin() + at + 500})}}));
  }
  std::vector<std::string> deleted;
  for (int i = 0; i < 2000; i += 7) deleted.push_back(std::to_string(i));
  database_.Delete("d", deleted);
  for (const int64_t below : {0, 1, 5, 25, 50}) {
    auto request = Ask("d", {{1, 2, 3, 4}, {-5, 0, 0, 5}}, 15);
    request.filter = Where("grp", Operator::kLess, below);
    const auto answer = Search(database_, request);
    const auto wanted = [&](size_t i) { return i % 7 != 0 && groups[i] && *groups[i] < below; };
    Ids expected = Nearest(points, request.queries.numbers[0], 15, wanted);
    for (const uint64_t id : Nearest(points, request.queries.numbers[1], 15, wanted)) expected.push_back(id);
    EXPECT_EQ(IdsOf(answer), expected) << "grp < " << below;
    EXPECT_EQ(answer.coverage, index::Coverage::kExact);
  }
}

TEST_F(SearchTest, WrongFiltersAreRefused) {
  database_.Put("d", Batch({{"id", Range(0, 1)}, {"vector", Vectors({{1}}, 1)}, {"price", Int64s({1})}}));
  auto request = Ask("d", {{1}}, 1);
  request.filter = Where("prise", Operator::kEqual, int64_t{1});
  ExpectError(database_, request, ErrorCode::kInvalidArgument, "\"price\"");
  request.filter = Where("price", Operator::kEqual, std::string("cheap"));
  ExpectError(database_, request, ErrorCode::kInvalidArgument, "\"cheap\"");
  request.filter = Where("vector", Operator::kEqual, int64_t{1});
  ExpectError(database_, request, ErrorCode::kInvalidArgument, "vector");
}

TEST_F(SearchTest, PayloadComesInSchemaOrderAndMakesRoomForResultColumns) {
  database_.Put("d", Batch({{"score", Int64s({7, 8})},
                            {"id", Int64s({5, -1})},
                            {"distance", Strings({"far", std::nullopt})},
                            {"vector", Vectors({{1}, {2}}, 1)},
                            {"key", Int64s({1, 2})},
                            {"query", Int64s({3, 4})},
                            {"score_", Int64s({9, 9})}}));
  auto request = Ask("d", {{1}}, 2);
  auto answer = Search(database_, request);
  EXPECT_THAT(answer.hits->schema()->field_names(),
              ElementsAre("id", "score", "distance", "score__", "distance_", "key", "query_", "score_"));
  EXPECT_THAT(Values<arrow::Int64Type>(*answer.hits, "score__"), ElementsAre(7, 8));
  EXPECT_TRUE(answer.hits->GetColumnByName("distance_")->IsNull(1));
  // A negative id is returned as the bits of its two's complement.
  EXPECT_EQ(IdsOf(answer), (Ids{5, 18446744073709551615u}));

  request.columns = {"score_", "distance", "id"};
  answer = Search(database_, request);
  EXPECT_THAT(answer.hits->schema()->field_names(),
              ElementsAre("id", "score", "distance", "distance_", "score_"));
  request.columns.emplace();
  answer = Search(database_, request);
  EXPECT_THAT(answer.hits->schema()->field_names(), ElementsAre("id", "score", "distance"));
  request.columns = {"colour"};
  ExpectError(database_, request, ErrorCode::kInvalidArgument, "colour");
}

TEST_F(SearchTest, VectorsComeBackInTheFormatAskedFor) {
  database_.Put("d", Batch({{"id", Range(0, 2)},
                            {"vector", Vectors({{1, -2}, {3, 4}}, 2, arrow::int8())},
                            {"other", Vectors({{0.5}, {}}, 1)}}));
  auto request = Ask("d", {{3, 4}}, 2);
  const auto column = [&](VectorFormat format) {
    request.vectors = format;
    return Search(database_, request).hits->GetColumnByName("vector");
  };
  EXPECT_EQ(column(VectorFormat::kNone), nullptr);
  EXPECT_TRUE(column(VectorFormat::kStored)->Equals(Vectors({{3, 4}, {1, -2}}, 2, arrow::int8())));
  EXPECT_TRUE(column(VectorFormat::kFloat32)->Equals(Vectors({{3, 4}, {1, -2}}, 2, arrow::float32())));
  EXPECT_TRUE(column(VectorFormat::kFloat16)->Equals(Vectors({{3, 4}, {1, -2}}, 2, arrow::float16())));
  EXPECT_TRUE(column(VectorFormat::kBinary)
                  ->Equals(MakeColumn<arrow::BinaryBuilder, std::string>(
                      {std::string("\x03\x04"), std::string("\x01\xfe")})));

  request.vectors = VectorFormat::kNone;
  request.columns = {"vector", "other"};
  const auto answer = Search(database_, request);
  EXPECT_THAT(answer.hits->schema()->field_names(),
              ElementsAre("id", "score", "distance", "vector", "other"));
  EXPECT_TRUE(answer.hits->GetColumnByName("other")->Equals(Vectors({{}, {0.5}}, 1)));
}

TEST_F(SearchTest, StringKeysComeAsHashAndText) {
  for (const bool large : {false, true}) {
    const std::string dataset = large ? "large" : "small";
    std::shared_ptr<arrow::Array> ids = Strings({"b", "a", "\xc3\xa9t\xc3\xa9"});
    if (large) ids = MakeColumn<arrow::LargeStringBuilder, std::string>({"b", "a", "\xc3\xa9t\xc3\xa9"});
    database_.Put(dataset,
                  Batch({{"id", ids}, {"vector", Vectors({{1}, {1}, {9}}, 1)}, {"key", Int64s({1, 2, 3})}}));
    const auto answer = Search(database_, Ask(dataset, {{1}}, 3));
    const auto hash = [](std::string_view text) { return XXH3_64bits(text.data(), text.size()); };
    EXPECT_EQ(IdsOf(answer), (Ids{hash("a"), hash("b"), hash("\xc3\xa9t\xc3\xa9")}));
    EXPECT_TRUE(answer.hits->GetColumnByName("key")->Equals(Strings({"a", "b", "\xc3\xa9t\xc3\xa9"})));
    EXPECT_THAT(answer.hits->schema()->field_names(), ElementsAre("id", "score", "distance", "key", "key_"));
  }
}

TEST_F(SearchTest, AStoredRowIsSearchedByWithoutFindingItself) {
  const auto points = WholePoints(random_, 50, 3, 0, 1);  // many rows are the same
  auto with_null = points;
  with_null[9].clear();
  database_.Put("d", Batch({{"id", Range(0, 50)}, {"vector", Vectors(with_null, 3)}}));
  SearchRequest request = Ask("d", {}, 10);
  request.queries.keys = {"3", "17"};
  const auto answer = Search(database_, request);
  Ids expected = Nearest(with_null, points[3], 10, [](size_t i) { return i != 3; });
  for (const uint64_t id : Nearest(with_null, points[17], 10, [](size_t i) { return i != 17; }))
    expected.push_back(id);
  EXPECT_EQ(IdsOf(answer), expected);
  EXPECT_THAT(answer.offsets, ElementsAre(0, 10, 20));

  request.k = {100};
  EXPECT_EQ(Search(database_, request).hits->num_rows(), 2 * 48);
  request.queries.keys = {"50"};
  ExpectError(database_, request, ErrorCode::kNotFound, "id 50 not found in dataset d");
  request.queries.keys = {"x"};
  ExpectError(database_, request, ErrorCode::kInvalidArgument, "x");
  request.queries.keys = {"9"};
  ExpectError(database_, request, ErrorCode::kInvalidArgument, "no vector");
}

TEST_F(SearchTest, RowsWithoutAVectorAreNeverHits) {
  database_.Put("d", Batch({{"id", Range(0, 3)}, {"vector", Vectors({{1}, {}, {2}}, 1)}}));
  EXPECT_EQ(IdsOf(Search(database_, Ask("d", {{0}}, 3))), (Ids{0, 2}));
}

TEST_F(SearchTest, EmptyDatasetsAnswerWithColumnsAndNoRows) {
  database_.Create("d", arrow::schema({arrow::field("id", arrow::int64()),
                                       arrow::field("vector", arrow::fixed_size_list(arrow::float32(), 2)),
                                       arrow::field("tag", arrow::utf8())}));
  auto request = Ask("d", {{1, 2}, {3, 4}}, 5);
  request.filter = Where("tag", Operator::kEqual, std::string("x"));
  const auto answer = Search(database_, request);
  EXPECT_EQ(answer.hits->num_rows(), 0);
  EXPECT_THAT(answer.offsets, ElementsAre(0, 0, 0));
  EXPECT_THAT(answer.hits->schema()->field_names(), ElementsAre("id", "score", "distance", "tag"));
}

TEST_F(SearchTest, ReplacedAndDeletedRowsAreGoneAndAddedColumnsAreNullBefore) {
  database_.Put("d", Batch({{"id", Int64s({1, 2, 3})}, {"vector", Vectors({{1}, {2}, {3}}, 1)}}));
  database_.Put("d",
                Batch({{"id", Int64s({2})}, {"vector", Vectors({{100}}, 1)}, {"tag", Strings({"new"})}}));
  database_.Delete("d", {"1"});
  const auto answer = Search(database_, Ask("d", {{0}}, 10));
  EXPECT_EQ(IdsOf(answer), (Ids{3, 2}));
  EXPECT_TRUE(answer.hits->GetColumnByName("tag")->Equals(Strings({std::nullopt, "new"})));
}

TEST_F(SearchTest, OtherVectorColumnsAreSearchedByName) {
  database_.Put(
      "d", Batch({{"id", Range(0, 2)}, {"a", Vectors({{1}, {2}}, 1)}, {"b", Vectors({{5, 5}, {0, 0}}, 2)}}));
  EXPECT_EQ(IdsOf(Search(database_, Ask("d", {{1}}, 1))), Ids{0});
  auto request = Ask("d", {{0, 0}}, 1);
  request.vector_column = "b";
  EXPECT_EQ(IdsOf(Search(database_, request)), Ids{1});
}

TEST_F(SearchTest, DeadlinesAndBudgetsEndASearch) {
  std::vector<Point> points(20000, Point{1, 2, 3, 4});
  database_.Put("d", Batch({{"id", Range(0, 20000)}, {"vector", Vectors(points, 4)}}));
  auto request = Ask("d", {{0, 0, 0, 0}}, 5);
  request.deadline_ns = 1;
  ExpectError(database_, request, ErrorCode::kDeadlineExceeded, "deadline");

  request.deadline_ns = 0;
  request.max_distances = 5000;
  ExpectError(database_, request, ErrorCode::kResourceExhausted, "allow_partial");
  request.allow_partial = true;
  const auto partial = Search(database_, request);
  EXPECT_EQ(partial.coverage, index::Coverage::kPartial);
  EXPECT_EQ(partial.hits->num_rows(), 5);
  EXPECT_LT(partial.work.distances, 20000);
  EXPECT_LT(partial.covered, 1);
  EXPECT_GE(partial.covered, 5000.0 / 20000);

  request.max_distances = 0;
  StopSource stop;
  stop.Stop();
  request.stop = &stop;
  ExpectError(database_, request, ErrorCode::kCancelled, "cancelled");

  // A minute passes at every look at the clock.
  request.stop = nullptr;
  database_.clock.step_ns = 50000000000;
  request.filter = Where("id", Operator::kGreaterEqual, int64_t{0});
  ExpectError(database_, request, ErrorCode::kDeadlineExceeded, "deadline");
}

TEST_F(SearchTest, EstimatesGrowWithTheWorkAndWrongRequestsCostNothing) {
  std::vector<Point> points(5000, Point(64, 1));
  database_.Put(
      "small", Batch({{"id", Range(0, 10)}, {"vector", Vectors({points.begin(), points.begin() + 10}, 64)}}));
  database_.Put("large", Batch({{"id", Range(0, 5000)}, {"vector", Vectors(points, 64)}}));
  const auto estimate = [&](const SearchRequest& request) {
    return database_.query().EstimateNanos(request);
  };
  const auto small = Ask("small", {Point(64, 1)}, 5);
  auto large = Ask("large", {Point(64, 1)}, 5);
  EXPECT_GT(estimate(small), 0);
  EXPECT_GT(estimate(large), 2 * estimate(small));
  const double plain = estimate(large);
  large.filter = Where("id", Operator::kLess, int64_t{4});
  EXPECT_GT(estimate(large), plain);
  EXPECT_EQ(estimate(Ask("absent", {Point(64, 1)}, 5)), 0);
  EXPECT_EQ(estimate(Ask("small", {}, 5)), 0);
}

TEST_F(SearchTest, MemoryBeyondTheLimitIsRefusedBeforeItIsTaken) {
  database_.Put("d", Batch({{"id", Range(0, 1)}, {"vector", Vectors({{1}}, 1)}}));
  MemoryLedger full(0, 1);
  const auto others = full.ReserveAlways(MemoryUse::kRequests, 16 << 20);
  Environment environment = database_.query().environment();
  QueryEngine query(&database_.engine(), environment, &full, {});
  const auto answer = query.Search(Ask("d", {{1}}, 10));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(CodeOf(answer.status()), ErrorCode::kResourceExhausted);
  EXPECT_THAT(answer.status().message(), HasSubstr("memory limit"));
}

TEST_F(SearchTest, SearchesBesideWritersSeeOneMoment) {
  constexpr int64_t kRows = 500;
  // Each round replaces all rows by vectors of another value, so at every moment all are of one.
  const auto put = [&](double value) {
    database_.Put("d", Batch({{"id", Range(0, kRows)},
                              {"vector", Vectors(std::vector<Point>(kRows, Point{value}), 1)},
                              {"value", Range(static_cast<int64_t>(value) * 1000, kRows)}}));
  };
  put(1);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int round = 2; !stop; ++round) put(round);
  });
  const auto look = [&](int rounds) {
    for (int i = 0; i < rounds && !HasFailure(); ++i) {
      auto request = Ask("d", {{0}}, kRows);
      if (i % 2 == 0) request.filter = Where("id", Operator::kGreaterEqual, int64_t{0});
      const auto answer = Search(database_, request);
      Ids expected(kRows);
      std::iota(expected.begin(), expected.end(), 0);
      EXPECT_EQ(IdsOf(answer), expected);
      const auto distances = Values<arrow::FloatType>(*answer.hits, "distance");
      const auto values = Values<arrow::Int64Type>(*answer.hits, "value");
      for (size_t row = 0; row < distances.size() && !HasFailure(); ++row) {
        EXPECT_EQ(distances[row], distances[0]);
        EXPECT_EQ(values[row], static_cast<int64_t>(distances[0]) * 1000 + static_cast<int64_t>(row));
      }
    }
  };
  std::thread other(look, 100);
  look(100);
  other.join();
  stop = true;
  writer.join();
}

TEST_F(SearchTest, WhatWasDoneIsCounted) {
  database_.Put("d", Batch({{"id", Range(0, 3)}, {"vector", Vectors({{1}, {2}, {3}}, 1)}}));
  auto request = Ask("d", {{1}}, 2);
  request.filter = Where("id", Operator::kGreaterEqual, int64_t{0});
  for (int i = 0; i < 3; ++i) {
    request.queries.numbers = {{i + 1.0}};
    Search(database_, request);
  }
  request.k = {0};
  ExpectError(database_, request, ErrorCode::kInvalidArgument, "k must");
  const auto seen = CountersSeen::Of(database_.query());
  EXPECT_EQ(seen["searches_total"], 4);
  EXPECT_EQ(seen["search_errors_total"], 1);
  EXPECT_EQ(seen["search_latency_seconds"], 4);
  EXPECT_EQ(seen["filter_execution_duration_seconds"], 3);
  EXPECT_EQ(seen["search_rows_returned_total"], 6);
  EXPECT_EQ(seen["hnsw_search_pool_new_total"], 1);
  EXPECT_EQ(seen["hnsw_search_pool_get_total"], 4);
  EXPECT_EQ(seen["hnsw_search_pool_put_total"], 4);
}

// The workspace keeps what was chosen for a shape of search; the rows are the same before and after.
TEST_F(SearchTest, SearchesFollowTheIndexAsItIsBuilt) {
  std::promise<void> may_build;
  database_.builders().Post([built = may_build.get_future().share()] { built.wait(); });
  std::mt19937_64 random(3);
  const auto points = WholePoints(random, 5000, 64, -100, 100);
  database_.Put("d", Batch({{"id", Range(0, 5000)}, {"vector", Vectors(points, 64)}}));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Search(database_, Ask("d", {points[static_cast<size_t>(i)]}, 10)).plan, "exact_scan");
  }

  may_build.set_value();
  database_.WaitIndexed("d");
  EXPECT_NE(Search(database_, Ask("d", {points[7]}, 10)).plan, "exact_scan");
}

}  // namespace
}  // namespace longbow::query
