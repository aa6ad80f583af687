#include "longbow/protocol/exchange_frames.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace longbow::protocol {
namespace {

using Columns = std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>>;

std::shared_ptr<arrow::RecordBatch> Batch(const Columns& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, array] : columns) {
    fields.push_back(arrow::field(name, array->type()));
    arrays.push_back(array);
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), arrays[0]->length(), arrays);
}

std::shared_ptr<arrow::Array> Texts(const std::vector<std::string>& values) {
  arrow::StringBuilder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return *builder.Finish();
}

template <typename Builder, typename T>
std::shared_ptr<arrow::Array> Numbers(const std::vector<T>& values) {
  Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return *builder.Finish();
}

std::shared_ptr<arrow::Array> Vectors(int64_t rows) {
  const auto values =
      Numbers<arrow::FloatBuilder, float>(std::vector<float>(static_cast<size_t>(rows) * 2, 1.0f));
  return *arrow::FixedSizeListArray::FromArrays(values, 2);
}

SearchCall Defaults(const FlightDescriptor& descriptor = {{}, "VectorSearch"}) {
  return std::get<ExchangeSearch>(*ReadExchangeCommand(descriptor)).defaults;
}

std::string ErrorOf(const Columns& columns) {
  auto request = ReadExchangeRequest(*Batch(columns), Defaults());
  EXPECT_FALSE(request.ok());
  EXPECT_EQ(CodeOf(request.status()), ErrorCode::kInvalidArgument) << request.status();
  return request.status().message();
}

TEST(ExchangeCommand, KnowsItsNames) {
  for (const std::string command :
       {"VectorSearch", "search", R"({"command":"search","dataset":"d","k":7})"}) {
    auto read = ReadExchangeCommand({{}, command});
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(std::holds_alternative<ExchangeSearch>(*read));
  }
  EXPECT_EQ(std::get<ExchangeIngest>(*ReadExchangeCommand({{"ingest", "d"}, ""})).dataset, "d");
  const SearchCall defaults = Defaults({{}, R"({"command":"search","dataset":"d","k":7,"columns":["a"]})"});
  EXPECT_EQ(defaults.request.dataset, "d");
  EXPECT_EQ(defaults.request.k, std::vector<int64_t>{7});
  EXPECT_EQ(*defaults.request.columns, std::vector<std::string>{"a"});
  EXPECT_TRUE(Defaults().request.columns->empty());
  EXPECT_FALSE(Defaults({{}, R"({"command":"search"})"}).request.columns);
}

TEST(ExchangeCommand, NamesTheKnownOnesToThoseWhoSendAnother) {
  for (const FlightDescriptor& bad :
       {FlightDescriptor{{}, "fetch"}, FlightDescriptor{{}, ""}, FlightDescriptor{{"other"}, ""},
        FlightDescriptor{{}, R"({"command":"x"})"}}) {
    auto read = ReadExchangeCommand(bad);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(CodeOf(read.status()), ErrorCode::kInvalidArgument);
    EXPECT_NE(read.status().message().find("VectorSearch"), std::string::npos) << read.status();
  }
  EXPECT_FALSE(ReadExchangeCommand({{"ingest"}, ""}).ok());
  EXPECT_FALSE(ReadExchangeCommand({{}, "{"}).ok());
}

TEST(ExchangeRequest, ReadsTheOldShape) {
  auto request = ReadExchangeRequest(*Batch({{"dataset", Texts({"d"})},
                                             {"query_vector", Vectors(1)},
                                             {"k", Numbers<arrow::Int32Builder, int32_t>({4})},
                                             {"ef", Numbers<arrow::Int32Builder, int32_t>({99})}}),
                                     Defaults());
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->call.request.dataset, "d");
  EXPECT_EQ(request->call.request.k, std::vector<int64_t>{4});
  EXPECT_EQ(request->call.request.effort.ef, 99u);
  EXPECT_EQ(request->call.request.queries.array->length(), 1);
  EXPECT_FALSE(request->call.request.number_queries);
  EXPECT_TRUE(request->call.request.columns->empty());
}

TEST(ExchangeRequest, TakesManyQueriesWithTheirOwnK) {
  auto request = ReadExchangeRequest(*Batch({{"dataset", Texts({"d", "d"})},
                                             {"query_vector", Vectors(2)},
                                             {"k", Numbers<arrow::Int64Builder, int64_t>({4, 9})},
                                             {"recall", Numbers<arrow::FloatBuilder, float>({0.5f, 0.75f})},
                                             {"request_id", Texts({"a\"b", "c"})}}),
                                     Defaults());
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->call.request.k, (std::vector<int64_t>{4, 9}));
  EXPECT_EQ(request->call.request.effort.recall, 0.75f);
  EXPECT_EQ(request->request_id, R"("a\"b")");
  EXPECT_TRUE(request->call.request.number_queries);
}

TEST(ExchangeRequest, TakesKWhenNoneIsGiven) {
  auto request =
      ReadExchangeRequest(*Batch({{"dataset", Texts({"d"})}, {"query_vector", Vectors(1)}}), Defaults());
  EXPECT_EQ(request->call.request.k, std::vector<int64_t>{kDefaultK});
}

TEST(ExchangeRequest, SearchesByStoredRow) {
  auto request = ReadExchangeRequest(
      *Batch({{"dataset", Texts({"d", "d"})}, {"id", Numbers<arrow::Int64Builder, int64_t>({7, -8})}}),
      Defaults());
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->call.request.queries.keys, (std::vector<std::string>{"7", "-8"}));
}

TEST(ExchangeRequest, NamesTheColumnThatIsWrong) {
  const auto d = Texts({"d"});
  EXPECT_NE(ErrorOf({{"query_vector", Vectors(1)}}).find("'dataset'"), std::string::npos);
  EXPECT_NE(ErrorOf({{"dataset", d}}).find("'query_vector'"), std::string::npos);
  EXPECT_NE(ErrorOf({{"dataset", d}, {"query_vector", Texts({"x"})}}).find("'query_vector'"),
            std::string::npos);
  EXPECT_NE(ErrorOf({{"dataset", Texts({"d", "e"})}, {"query_vector", Vectors(2)}}).find("one dataset"),
            std::string::npos);
  EXPECT_NE(ErrorOf({{"dataset", d}, {"query_vector", Vectors(1)}, {"k", Texts({"5"})}}).find("'k'"),
            std::string::npos);
  EXPECT_NE(ErrorOf({{"dataset", Texts({})}, {"query_vector", Vectors(0)}}).find("empty"), std::string::npos);
  EXPECT_NE(ErrorOf({{"dataset", d},
                     {"query_vector", Vectors(1)},
                     {"recall", Numbers<arrow::DoubleBuilder, double>({1.5})}})
                .find("'recall'"),
            std::string::npos);
}

std::shared_ptr<arrow::RecordBatch> EmptyHits(std::shared_ptr<const arrow::KeyValueMetadata> about) {
  const auto schema = arrow::schema(
      {arrow::field("id", arrow::uint64()),
       arrow::field("vector", arrow::fixed_size_list(arrow::uint8(), 2))->WithMetadata(std::move(about))});
  return arrow::RecordBatch::MakeEmpty(schema).ValueOrDie();
}

TEST(ExchangeMetadata, IsJson) {
  query::SearchAnswer answer;
  answer.hits = EmptyHits(nullptr);
  answer.sequence = 16;
  answer.coverage = index::Coverage::kPartial;
  answer.work.distances = 12;
  const auto json = nlohmann::json::parse(WriteExchangeMetadata("\"r1\"", answer));
  EXPECT_EQ(json["request_id"], "r1");
  EXPECT_EQ(json["coverage"], "partial");
  EXPECT_EQ(json["sequence"], "s0000000000000010");
  EXPECT_EQ(json["stats"]["distances"], 12);
  EXPECT_FALSE(nlohmann::json::parse(WriteExchangeMetadata("", answer)).contains("request_id"));
  EXPECT_FALSE(json.contains("sq8"));
}

TEST(ExchangeMetadata, TellsTheRangeOfVectorsInBytesAndTheSchemaDoesNot) {
  const auto range =
      arrow::key_value_metadata({"longbow.sq8.scale", "longbow.sq8.offset"}, {"0.5", "-1e-05"});
  query::SearchAnswer answer;
  answer.hits = EmptyHits(range);
  const auto json = nlohmann::json::parse(WriteExchangeMetadata("", answer));
  EXPECT_EQ(json["sq8"]["scale"], 0.5);
  EXPECT_EQ(json["sq8"]["offset"], -1e-05);
  const auto schema = WithoutSq8Range(answer.hits->schema()).ValueOrDie();
  EXPECT_FALSE(schema->field(1)->HasMetadata());
  EXPECT_TRUE(schema->Equals(*answer.hits->schema(), false));
}

}  // namespace
}  // namespace longbow::protocol
