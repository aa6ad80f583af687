#include "longbow/storage/log_format.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace longbow::storage {
namespace {

RecordHeader SomeRecord() {
  return {.type = RecordType::kMarks,
          .kind = 2,
          .payload_crc = 3,
          .payload_bytes = 4,
          .salt = 5,
          .offset = 6,
          .number = 7,
          .durable = 8,
          .generation = 9,
          .shard = 10,
          .term = 11,
          .index = 12,
          .sequence = 13,
          .schema_version = 14,
          .codec = RecordCodec::kZstd};
}

TEST(LogFormat, NoBitOfARecordHeaderCanFlipUnseen) {
  uint8_t bytes[kRecordHeaderBytes];
  EncodeRecordHeader(SomeRecord(), bytes);
  ASSERT_TRUE(DecodeRecordHeader(bytes).has_value());
  for (size_t bit = 0; bit < kRecordHeaderBytes * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(DecodeRecordHeader(bytes).has_value()) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
}

TEST(LogFormat, ARecordHeaderStandsAsTheFormatPageSays) {
  uint8_t bytes[kRecordHeaderBytes];
  EncodeRecordHeader(SomeRecord(), bytes);
  EXPECT_EQ(std::string(reinterpret_cast<char*>(bytes), 4), "LREC");
  EXPECT_EQ(bytes[4], 4);   // type
  EXPECT_EQ(bytes[6], 2);   // kind
  EXPECT_EQ(bytes[12], 3);  // payload_crc
  EXPECT_EQ(bytes[16], 4);  // payload_bytes
  for (int field = 0; field < 9; ++field) EXPECT_EQ(bytes[24 + 8 * field], 5 + field);
  EXPECT_EQ(bytes[96], 14);  // schema_version
  EXPECT_EQ(bytes[100], 2);  // codec
}

TEST(LogFormat, NoBitOfASegmentHeaderCanFlipUnseen) {
  const SegmentHeader header{
      .number = 1, .generation = 2, .salt = 3, .base = 4, .base_sequence = 5, .cut = true};
  std::vector<uint8_t> block = EncodeSegmentHeader(header);
  ASSERT_EQ(block.size(), kSegmentHeaderBytes);
  EXPECT_EQ(std::string(reinterpret_cast<char*>(block.data()), 8), "LBLOGSEG");
  const SegmentHeader read = *DecodeSegmentHeader(block, "x");
  EXPECT_EQ(read.number, 1u);
  EXPECT_EQ(read.generation, 2u);
  EXPECT_EQ(read.salt, 3u);
  EXPECT_EQ(read.base, 4u);
  EXPECT_EQ(read.base_sequence, 5u);
  EXPECT_TRUE(read.cut);
  for (size_t bit = 0; bit < block.size() * 8; ++bit) {
    block[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_EQ(CodeOf(DecodeSegmentHeader(block, "x").status()), ErrorCode::kCorruption) << "bit " << bit;
    block[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
}

TEST(LogFormat, MarksComeBackAndRefuseOtherLengths) {
  const LogMarks marks{.first_segment = 55, .last_sequence = 77, .shards = {{1, 2, 3}, {4, 5, 6}}};
  const std::string bytes = EncodeMarks(marks);
  const LogMarks read = *DecodeMarks(BufferChain::FromString(bytes));
  EXPECT_EQ(read.first_segment, 55u);
  EXPECT_EQ(read.last_sequence, 77u);
  ASSERT_EQ(read.shards.size(), 2u);
  EXPECT_EQ(read.shards[1].shard, 4u);
  EXPECT_EQ(read.shards[1].term, 5u);
  EXPECT_EQ(read.shards[1].last_index, 6u);
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(DecodeMarks(BufferChain::FromString(bytes.substr(0, n))).ok()) << n;
  }
}

TEST(LogFormat, NamesComeBackAndOtherNamesDoNot) {
  EXPECT_EQ(SegmentName(42), "00000000000000000042.log");
  EXPECT_EQ(ParseSegmentName(SegmentName(42)), 42u);
  EXPECT_EQ(ParseSpareName(SpareName(~uint64_t{0})), ~uint64_t{0});
  for (const char* name :
       {"", ".log", "42.log", "0000000000000000004x.log", "00000000000000000042.spare",
        "99999999999999999999.log", "00000000000000000000.log", "000000000000000000042.log"}) {
    EXPECT_FALSE(ParseSegmentName(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace longbow::storage
