#include "longbow/protocol/allow_list_body.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <gtest/gtest.h>

namespace longbow::protocol {
namespace {

std::string StreamOf(const arrow::RecordBatch& batch) {
  auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto writer = arrow::ipc::MakeStreamWriter(sink, batch.schema()).ValueOrDie();
  EXPECT_TRUE(writer->WriteRecordBatch(batch).ok());
  EXPECT_TRUE(writer->WriteRecordBatch(batch).ok());
  EXPECT_TRUE(writer->Close().ok());
  return sink->Finish().ValueOrDie()->ToString();
}

std::shared_ptr<arrow::RecordBatch> SomeIds() {
  arrow::UInt32Builder ids;
  for (uint32_t id : {7u, 8u}) EXPECT_TRUE(ids.Append(id).ok());
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("mine", arrow::uint32())}), 2,
                                  {ids.Finish().ValueOrDie()});
}

TEST(AllowListBody, ColumnsOfAStreamAreLists) {
  const auto body = ReadAllowLists(StreamOf(*SomeIds())).ValueOrDie();
  EXPECT_FALSE(body.append);
  const auto& lists = body.lists;
  ASSERT_EQ(lists.size(), 1u);
  EXPECT_EQ(lists[0].name, "mine");
  EXPECT_EQ(lists[0].values->length(), 4);
}

TEST(AllowListBody, AListOfNothingNeedsNoType) {
  const auto none = arrow::RecordBatch::Make(arrow::schema({arrow::field("mine", arrow::null())}), 0,
                                             {arrow::MakeArrayOfNull(arrow::null(), 0).ValueOrDie()});
  const auto body = ReadAllowLists(StreamOf(*none)).ValueOrDie();
  EXPECT_EQ(body.lists[0].values->type_id(), arrow::Type::INT64);
  EXPECT_EQ(body.lists[0].values->length(), 0);
}

TEST(AllowListBody, ShortListsMayBeJson) {
  const auto numbers = ReadAllowLists(R"({"name":"a","values":[1,-2]})").ValueOrDie();
  EXPECT_EQ(numbers.lists[0].name, "a");
  EXPECT_EQ(numbers.lists[0].values->type_id(), arrow::Type::INT64);
  const auto large = ReadAllowLists(R"({"name":"a","values":[1,18446744073709551615]})").ValueOrDie();
  EXPECT_EQ(large.lists[0].values->type_id(), arrow::Type::UINT64);
  EXPECT_EQ(large.lists[0].values->length(), 2);
  EXPECT_FALSE(ReadAllowLists(R"({"name":"a","values":[-1,18446744073709551615]})").ok());
  EXPECT_EQ(ReadAllowLists(R"({"name":"a","values":["x"]})").ValueOrDie().lists[0].values->type_id(),
            arrow::Type::STRING);
  EXPECT_EQ(ReadAllowLists(R"({"name":"a","values":[]})").ValueOrDie().lists[0].values->length(), 0);
  EXPECT_EQ(ReadAllowListName(R"({"name":"a"})").ValueOrDie(), "a");
}

TEST(AllowListBody, FurtherPartsSaySo) {
  const auto metadata = [](const char* append) {
    return arrow::key_value_metadata({"longbow.append"}, {append});
  };
  const auto part = [&](const char* append) {
    return ReadAllowLists(StreamOf(*SomeIds()->ReplaceSchemaMetadata(metadata(append))));
  };
  EXPECT_TRUE(part("true").ValueOrDie().append);
  EXPECT_FALSE(part("false").ValueOrDie().append);
  EXPECT_NE(part("yes").status().message().find("longbow.append"), std::string::npos);
  EXPECT_TRUE(ReadAllowLists(R"({"name":"a","values":[1],"append":true})").ValueOrDie().append);
}

TEST(AllowListBody, WhatIsNeitherIsRefused) {
  for (const char* body :
       {"", "{}", R"({"name":"a"})", R"({"name":"a","values":7})", R"({"name":"a","values":[1,"x"]})",
        R"({"name":"a","values":[1.5]})", "\xff\xff\xff\xff", "\xff\xff\xff\xff\x10\x00\x00\x00"}) {
    const auto lists = ReadAllowLists(body);
    ASSERT_FALSE(lists.ok()) << body;
    EXPECT_EQ(CodeOf(lists.status()), ErrorCode::kInvalidArgument) << lists.status();
  }
  EXPECT_FALSE(ReadAllowListName("{}").ok());
}

}  // namespace
}  // namespace longbow::protocol
