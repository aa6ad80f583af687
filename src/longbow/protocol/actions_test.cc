#include "longbow/protocol/actions.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "longbow/protocol/random_bytes.h"

namespace longbow::protocol {
namespace {

std::shared_ptr<arrow::RecordBatch> Hits() {
  arrow::UInt64Builder ids;
  arrow::FloatBuilder scores;
  EXPECT_TRUE(ids.AppendValues({1, 2, 18446744073709551615u}).ok());
  EXPECT_TRUE(scores.AppendValues({1.0f, 0.5f, 0.25f}).ok());
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("id", arrow::uint64()), arrow::field("score", arrow::float32())}), 3,
      {*ids.Finish(), *scores.Finish()});
}

TEST(VectorSearchBody, ReadsOneVectorAndMany) {
  auto one = ReadVectorSearch(
      R"({"dataset":"d","vector":[1,2],"k":3,"filters":[{"field":"a","operator":"=","value":1}]})");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->call.request.queries.numbers.size(), 1u);
  EXPECT_EQ(one->call.request.k, std::vector<int64_t>{3});
  EXPECT_TRUE(one->call.request.filter);
  EXPECT_FALSE(one->json);
  ASSERT_TRUE(one->call.request.columns);
  EXPECT_TRUE(one->call.request.columns->empty());  // payload only when asked for
  auto many =
      ReadVectorSearch(R"({"dataset":"d","vectors":[[1,2],[3,4]],"k":1,"format":"json","columns":["a"]})");
  ASSERT_TRUE(many.ok()) << many.status();
  EXPECT_EQ(many->call.request.queries.numbers.size(), 2u);
  EXPECT_TRUE(many->json);
  EXPECT_EQ(*many->call.request.columns, std::vector<std::string>{"a"});
}

TEST(VectorSearchBody, LeavesAMissingKToBeRefused) {
  EXPECT_EQ(ReadVectorSearch(R"({"dataset":"d","vector":[1]})")->call.request.k, std::vector<int64_t>{0});
}

TEST(VectorSearchBody, SaysWhatIsWrong) {
  const auto error = [](std::string_view body) { return ReadVectorSearch(body).status().message(); };
  EXPECT_NE(error("").find("dataset"), std::string::npos);
  EXPECT_NE(error("{").find("invalid action body format"), std::string::npos);
  EXPECT_NE(error(R"({"dataset":"d","k":1})").find("no query vector provided"), std::string::npos);
  EXPECT_NE(error(R"({"dataset":"d","k":1,"vector":[1],"vectors":[[1]]})").find("both"), std::string::npos);
  EXPECT_NE(error(R"({"dataset":"d","k":1,"vector":[1],"format":"xml"})").find("xml"), std::string::npos);
}

TEST(VectorSearchBody, MayBeLargeWhereOthersMayNot) {
  const std::string padding(kMaxActionBodyBytes, ' ');
  EXPECT_TRUE(ReadVectorSearch("{\"dataset\":\"d\",\"vector\":[1],\"k\":1" + padding + "}").ok());
  EXPECT_FALSE(ReadSubject("{\"dataset\":\"d\"" + padding + "}").ok());
  EXPECT_FALSE(ReadVectorSearch("{" + std::string(kMaxSearchBodyBytes, ' ') + "}").ok());
}

TEST(Keys, AreTextOrNumbers) {
  EXPECT_EQ(ReadDelete(R"({"dataset":"d","id":"a7"})")->keys, std::vector<std::string>{"a7"});
  EXPECT_EQ(ReadDelete(R"({"dataset":"d","id":-7})")->keys, std::vector<std::string>{"-7"});
  EXPECT_EQ(ReadDelete(R"({"dataset":"d","ids":[1,"x",18446744073709551615]})")->keys,
            (std::vector<std::string>{"1", "x", "18446744073709551615"}));
  EXPECT_EQ(ReadVectorSearchByKey(R"({"dataset":"d","id":12,"k":2})")->request.queries.keys,
            std::vector<std::string>{"12"});
  EXPECT_FALSE(ReadDelete(R"({"dataset":"d","id":1.5})").ok());
  EXPECT_FALSE(ReadDelete(R"({"dataset":"d"})").ok());
  EXPECT_FALSE(ReadDelete(R"({"dataset":"d","ids":[[]]})").ok());
  EXPECT_FALSE(ReadVectorSearchByKey(R"({"dataset":"d","k":2})").ok());
}

TEST(Subject, MayBeEmpty) {
  EXPECT_EQ(ReadSubject("")->dataset, "");
  EXPECT_EQ(ReadSubject(R"({"name":"n"})")->name, "n");
  EXPECT_FALSE(ReadSubject("[]").ok());
}

TEST(Answers, HaveTheKeysThatClientsRead) {
  using nlohmann::json;
  EXPECT_EQ(json::parse(StatusJson("created")), (json{{"status", "created"}}));
  EXPECT_EQ(json::parse(CountJson(3)), (json{{"count", 3}}));
  EXPECT_EQ(json::parse(NamespacesJson({"a", "b"})), (json{{"namespaces", {"a", "b"}}, {"count", 2}}));
  EXPECT_EQ(json::parse(ReadinessJson("READY", "", 5)), (json{{"status", "READY"}, {"index_len", 5}}));
  EXPECT_EQ(json::parse(ReadinessJson("BUSY", "why", 5))["reason"], "why");
  EXPECT_EQ(json::parse(*HitsJson(*Hits(), 1, 3)),
            (json{{"ids", {2, 18446744073709551615u}}, {"scores", {0.5, 0.25}}}));
  const auto told = Hits()->ReplaceSchemaMetadata(arrow::key_value_metadata({"longbow.coverage"}, {"exact"}));
  EXPECT_EQ(json::parse(*HitsJson(*told, 1, 2)),
            (json{{"ids", {2}}, {"scores", {0.5}}, {"coverage", "exact"}}));
  EXPECT_TRUE(ReadVectorSearchByKey(R"({"dataset":"d","id":1})")->request.describe);
}

TEST(Answers, AreArrowStreamsOfTheRowsAskedFor) {
  const auto read = [](const std::string& bytes) {
    arrow::io::BufferReader source(arrow::Buffer::FromString(bytes));
    return *(*arrow::ipc::RecordBatchStreamReader::Open(&source))->ToRecordBatches();
  };
  const auto batches = read(*HitsStream(*Hits(), 1, 3));
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_TRUE(batches[0]->Equals(*Hits()->Slice(1, 2)));
  EXPECT_TRUE(read(*HitsStream(*Hits(), 2, 2)).empty());  // a stream with a schema and no rows
}

TEST(Bodies, SurviveBrokenBytes) {
  const std::string good =
      R"({"dataset":"d","name":"n","id":"x","vectors":[[1,2],[3]],"k":5,"format":"json"})";
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    RandomBytes random(seed);
    const std::string bytes = random.Break(good);
    (void)ReadVectorSearch(bytes);
    (void)ReadVectorSearchByKey(bytes);
    (void)ReadDelete(bytes);
    auto subject = ReadSubject(bytes);
    if (!subject.ok()) {
      ASSERT_EQ(CodeOf(subject.status()), ErrorCode::kInvalidArgument) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace longbow::protocol
