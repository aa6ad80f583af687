#include "longbow/engine/batch_encoder.h"

#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "longbow/engine/engine_for_test.h"

namespace longbow::engine {
namespace {

std::string BytesOf(const IpcMessage& message) {
  std::string out = message.metadata->ToString() + "|";
  for (const auto& piece : message.body.pieces()) out += piece->ToString();
  return out;
}

std::shared_ptr<arrow::RecordBatch> Numbers(const std::string& ids, const std::string& scores) {
  return BatchOf(
      {{arrow::field("id", arrow::uint64()), ids}, {arrow::field("score", arrow::float32()), scores}});
}

TEST(BatchEncoder, GivesTheBytesThatArrowGives) {
  const std::vector<std::shared_ptr<arrow::RecordBatch>> batches = {
      Numbers("[1, 2, 3]", "[0.5, 0.25, 1]"),
      Numbers("[4, 5, 6]", "[3, 2, 1]"),
      Numbers("[4, 5]", "[3, 2]"),
      Numbers("[4, null, 6]", "[3, 2, 1]"),
      Numbers("[7, 8, 9]", "[null, 2, 1]"),
      Numbers("[7, 8, 9]", "[1, 2, 1]"),
      Numbers("[]", "[]"),
      Numbers("[1, 2, 3, 4]", "[1, 2, 3, 4]")->Slice(1, 3),
      BatchOf({{arrow::field("id", arrow::uint64()), "[1, 2]"},
               {arrow::field("key", arrow::utf8()), R"(["a", "b"])"}}),
      BatchOf({{arrow::field("on", arrow::boolean()), "[true, false, true]"}}),
      BatchOf({{arrow::field("narrow", arrow::int8()), "[1, 2, 3]"}}),
  };
  BatchEncoder encoder;
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < batches.size(); ++i) {
      for (int again = 0; again < 3; ++again) {
        const auto encoded = encoder.Encode(*batches[i]);
        ASSERT_TRUE(encoded.ok()) << encoded.status().ToString();
        EXPECT_EQ(BytesOf(*encoded), BytesOf(*EncodeBatch(*batches[i])))
            << "batch " << i << ", time " << again;
      }
    }
  }
}

}  // namespace
}  // namespace longbow::engine
