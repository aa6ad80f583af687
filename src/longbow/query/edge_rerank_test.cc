#include "longbow/query/edge_rerank.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <future>

#include "longbow/query/test_database.h"
#include "longbow/query/vector_values.h"

namespace longbow::query {
namespace {

using ::testing::ElementsAre;

// Rows 0..9 at positions 0..9 on a line; a query at 0 finds them in that order, with score 1 / (1 + i).
class EdgeRerank : public ::testing::Test {
 protected:
  EdgeRerank() {
    std::vector<std::vector<double>> line;
    for (double i = 0; i < 10; ++i) line.push_back({i, 0});
    database_.Put("d", Batch({{"id", Range(0, 10)}, {"vector", Vectors(line, 2)}, {"n", Range(100, 10)}}));
    request_.dataset = "d";
    request_.queries.numbers = {{0, 0}};
    request_.k = {3};
  }
  void Add(const std::string& subject, const std::string& object, const std::string& predicate = "cites") {
    std::promise<Status> done;
    database_.engine().AddEdges("d", {{subject, predicate, object, 1}},
                                [&](const Result<engine::WriteAck>& ack) { done.set_value(ack.status()); });
    const Status status = done.get_future().get();
    ASSERT_TRUE(status.ok()) << status;
  }
  SearchAnswer Search(double alpha) {
    auto answer = SearchAlongEdges(database_.query(), database_.engine(), request_, alpha);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *std::move(answer) : SearchAnswer{};
  }
  std::vector<uint64_t> Ids(double alpha) { return Values<arrow::UInt64Type>(*Search(alpha).hits, "id"); }

  TestDatabase database_;
  SearchRequest request_;
};

TEST_F(EdgeRerank, WithoutEdgesNothingChanges) { EXPECT_THAT(Ids(1), ElementsAre(0, 1, 2)); }

TEST_F(EdgeRerank, AHitThatHitsPointAtRises) {
  Add("0", "2");
  Add("0", "2", "again");
  const SearchAnswer answer = Search(0.5);
  EXPECT_THAT(Values<arrow::UInt64Type>(*answer.hits, "id"), ElementsAre(0, 2, 1));
  const auto scores = Values<arrow::FloatType>(*answer.hits, "score");
  EXPECT_FLOAT_EQ(scores[1], 1.0f / 3 + 0.5f) << "two predicates, one neighbour";
  EXPECT_THAT(Values<arrow::FloatType>(*answer.hits, "distance"), ElementsAre(0, 2, 1));
  EXPECT_THAT(Ids(0), ElementsAre(0, 1, 2));
}

TEST_F(EdgeRerank, ARowThatWasNoHitEntersWithItsColumns) {
  Add("1", "9");
  const SearchAnswer answer = Search(0.9);
  EXPECT_THAT(Values<arrow::UInt64Type>(*answer.hits, "id"), ElementsAre(0, 1, 9));
  EXPECT_THAT(Values<arrow::Int64Type>(*answer.hits, "n"), ElementsAre(100, 101, 109));
  EXPECT_FLOAT_EQ(Values<arrow::FloatType>(*answer.hits, "score")[2], 0.45f);
  EXPECT_THAT(Ids(0.1), ElementsAre(0, 1, 2)) << "favoured too little";
  Add("2", "77");
  EXPECT_THAT(Ids(0.9), ElementsAre(0, 1, 9)) << "an edge to a key without a row";
}

TEST_F(EdgeRerank, WhatEntersMatchesTheFilter) {
  Add("1", "9");
  Add("1", "8");
  filter::FilterTree filter;
  filter.op = filter::Operator::kNotEqual;
  filter.column = "n";
  filter.values = {int64_t{109}};
  request_.filter = filter;
  EXPECT_THAT(Ids(0.9), ElementsAre(0, 1, 8));
}

TEST_F(EdgeRerank, WhatEntersNeedsNoVector) {
  database_.Put("d", Batch({{"id", Range(50, 1)}, {"n", Range(150, 1)}}));
  Add("0", "50");
  const SearchAnswer answer = Search(0.9);
  EXPECT_THAT(Values<arrow::UInt64Type>(*answer.hits, "id"), ElementsAre(0, 50, 1));
  EXPECT_THAT(Values<arrow::Int64Type>(*answer.hits, "n"), ElementsAre(100, 150, 101));
  EXPECT_TRUE(std::isnan(Values<arrow::FloatType>(*answer.hits, "distance")[1]));
}

TEST_F(EdgeRerank, BytesOfVectorsHaveOneRange) {
  Add("0", "9");
  request_.vectors = VectorFormat::kSq8;
  const SearchAnswer answer = Search(0.9);
  ASSERT_THAT(Values<arrow::UInt64Type>(*answer.hits, "id"), ElementsAre(0, 9, 1));
  const auto field = answer.hits->schema()->GetFieldByName("vector");
  EXPECT_EQ(field->metadata()->Get(kSq8OffsetKey).ValueOrDie(), "0");
  EXPECT_EQ(std::stod(field->metadata()->Get(kSq8ScaleKey).ValueOrDie()), 9.0 / 255);
  const auto& lists = static_cast<const arrow::FixedSizeListArray&>(*answer.hits->GetColumnByName("vector"));
  const auto& codes = static_cast<const arrow::UInt8Array&>(*lists.values());
  EXPECT_EQ(codes.Value(0), 0);
  EXPECT_EQ(codes.Value(2), 255) << "row 9 entered";
  EXPECT_EQ(codes.Value(4), 28);
}

TEST_F(EdgeRerank, EachQueryHasItsOwnHits) {
  Add("0", "9");
  Add("5", "0");
  request_.queries.numbers = {{0, 0}, {5, 0}};
  request_.k = {2, 3};
  request_.number_queries = true;
  const SearchAnswer answer = Search(0.9);
  EXPECT_THAT(Values<arrow::UInt64Type>(*answer.hits, "id"), ElementsAre(0, 9, 5, 0, 4));
  EXPECT_THAT(Values<arrow::Int32Type>(*answer.hits, "query"), ElementsAre(0, 0, 1, 1, 1));
  EXPECT_THAT(answer.offsets, ElementsAre(0, 2, 5));
}

TEST_F(EdgeRerank, AlphaIsChecked) {
  EXPECT_EQ(CodeOf(SearchAlongEdges(database_.query(), database_.engine(), request_, -1).status()),
            ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace longbow::query
