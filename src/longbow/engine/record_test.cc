#include "longbow/engine/record.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "longbow/engine/engine_for_test.h"

namespace longbow::engine {
namespace {

PutRecord SomePut() {
  const auto batch = BatchOf({{arrow::field("id", arrow::int64()), "[1, 2]"}});
  PutRecord put;
  put.retry = {"client", "stream", 7};
  put.hidden_keys = true;
  put.first_hidden_key = 99;
  put.rows = 2;
  put.schema = *EncodeSchema(*batch->schema());
  put.batch = *EncodeBatch(*batch);
  return put;
}

TEST(Record, PutsComeBackWithTheirMessages) {
  const PutRecord put = SomePut();
  const BufferChain payload = Encode(put);
  EXPECT_EQ(payload.pieces().back()->data(), put.batch.body.pieces().back()->data()) << "shared, not copied";
  PutRecord read;
  ASSERT_TRUE(Decode(payload, &read).ok());
  EXPECT_EQ(read.retry.client, "client");
  EXPECT_EQ(read.retry.stream, "stream");
  EXPECT_EQ(read.retry.sequence, 7u);
  EXPECT_EQ(read.first_hidden_key, 99u);
  EXPECT_TRUE(read.hidden_keys);
  EXPECT_TRUE(read.schema.metadata->Equals(*put.schema.metadata));
  EXPECT_TRUE(read.batch.metadata->Equals(*put.batch.metadata));
  EXPECT_TRUE((*read.batch.body.Join())->Equals(**put.batch.body.Join()));
}

TEST(Record, OthersComeBack) {
  DropNamespaceRecord drop{"ns", {3, 5}}, drop_read;
  ASSERT_TRUE(Decode(Encode(drop), &drop_read).ok());
  EXPECT_EQ(drop_read.name, "ns");
  EXPECT_EQ(drop_read.datasets, (std::vector<DatasetId>{3, 5}));
  DeleteRecord strings, strings_read;
  strings.kind = KeyKind::kString;
  strings.keys = {*ParseKey(KeyKind::kString, "a"), *ParseKey(KeyKind::kString, "")};
  ASSERT_TRUE(Decode(Encode(strings), &strings_read).ok());
  EXPECT_EQ(strings_read.keys[0].text, "a");
  EXPECT_EQ(strings_read.keys[0].number, strings.keys[0].number);
  DeleteRecord numbers, numbers_read;
  numbers.kind = KeyKind::kSigned;
  numbers.keys = {*ParseKey(KeyKind::kSigned, "-5")};
  ASSERT_TRUE(Decode(Encode(numbers), &numbers_read).ok());
  EXPECT_EQ(static_cast<int64_t>(numbers_read.keys[0].number), -5);
}

TEST(Record, EveryCutAndEveryTailIsDamage) {
  BufferChain payload = Encode(SomePut());
  for (int64_t n = 0; n < payload.size(); ++n) {
    PutRecord read;
    EXPECT_EQ(CodeOf(Decode(*payload.Slice(0, n), &read)), ErrorCode::kCorruption) << n;
  }
  payload.AppendString("x");
  PutRecord read;
  EXPECT_EQ(CodeOf(Decode(payload, &read)), ErrorCode::kCorruption);
}

TEST(Record, ANewerVersionIsNotGuessedAt) {
  DropDatasetRecord read;
  const Status status = Decode(BufferChain::FromString(std::string("\2\0\0\0", 4)), &read);
  EXPECT_EQ(CodeOf(status), ErrorCode::kFailedPrecondition) << status.ToString();
}

}  // namespace
}  // namespace longbow::engine
