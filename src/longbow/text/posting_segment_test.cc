#include "longbow/text/posting_segment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "longbow/text/posting_cursor.h"

namespace longbow::text {
namespace {

TEST(PostingBlock, EveryWidthComesBack) {
  std::mt19937 random(5);
  for (uint32_t bits = 0; bits <= 32; ++bits) {
    uint32_t values[kBlockPostings], back[kBlockPostings];
    for (uint32_t& value : values) value = bits == 0 ? 0 : static_cast<uint32_t>(random()) >> (32 - bits);
    std::vector<uint8_t> packed(PackedBytes(bits));
    PackBlock(values, bits, packed.data());
    UnpackBlock(packed.data(), bits, back);
    EXPECT_TRUE(std::equal(values, values + kBlockPostings, back)) << bits << " bits";
  }
}

TEST(Bm25, LengthsAreExactUpTo127AndThenWithinAQuarter) {
  for (uint32_t length = 0; length < 128; ++length) EXPECT_EQ(DecodeLength(EncodeLength(length)), length);
  LengthCode before = 0;
  for (uint64_t length = 128; length <= 0xFFFFFFFFull; length += length / 50 + 1) {
    const LengthCode code = EncodeLength(static_cast<uint32_t>(length));
    EXPECT_LE(DecodeLength(code), length);
    EXPECT_GT(DecodeLength(code) * 1.26, static_cast<double>(length));
    EXPECT_GE(code, before);
    before = code;
  }
}

// Lists of every size around a block's, against plain vectors.
class Lists : public ::testing::TestWithParam<PostingValue> {};

TEST_P(Lists, CursorsGiveWhatWasWritten) {
  struct Posting {
    uint32_t document, value;
  };
  constexpr uint32_t kDocuments = 20000;
  for (const uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::vector<LengthCode> lengths(kDocuments);
    for (auto& length : lengths) length = static_cast<LengthCode>(1 + random() % 60);
    SegmentWriter writer(GetParam(), nullptr, 100, lengths);
    std::vector<std::vector<Posting>> lists;
    for (const size_t count : {1, 2, 5, 127, 128, 129, 255, 256, 257, 1000, 5000}) {
      std::set<uint32_t> documents;
      while (documents.size() < count) documents.insert(static_cast<uint32_t>(random() % kDocuments));
      auto& list = lists.emplace_back();
      writer.BeginTerm(static_cast<TermId>(lists.size() * 7));
      for (const uint32_t document : documents) {
        const float weight = static_cast<float>(random() % 100) / 7 - 5;
        list.push_back({document, GetParam() == PostingValue::kWeight ? std::bit_cast<uint32_t>(weight)
                                  : lists.size() % 2 == 0             ? 1
                                                          : static_cast<uint32_t>(1 + random() % 300)});
        writer.Add(document, list.back().value);
      }
      writer.EndTerm();
    }
    const auto segment = writer.Finish();
    EXPECT_EQ(segment->Find(1), nullptr);
    for (size_t i = 0; i < lists.size(); ++i) {
      SCOPED_TRACE(lists[i].size());
      const PostingList* list = segment->Find(static_cast<TermId>((i + 1) * 7));
      ASSERT_NE(list, nullptr);
      PostingCursor cursor;
      cursor.Open(segment.get(), list);
      cursor.Decode();
      for (const Posting& posting : lists[i]) {
        ASSERT_EQ(cursor.document(), posting.document);
        ASSERT_EQ(cursor.value(), posting.value);
        ASSERT_GE(cursor.block_last(), posting.document);
        cursor.Next();
      }
      ASSERT_EQ(cursor.document(), kNoDocument);
      for (int walk = 0; walk < 20; ++walk) {
        cursor.Open(segment.get(), list);
        for (uint32_t target = 0; target < kDocuments; target += 1 + random() % (walk * 100 + 1) * 3) {
          const auto found = std::lower_bound(lists[i].begin(), lists[i].end(), target,
                                              [](const Posting& p, uint32_t t) { return p.document < t; });
          cursor.Seek(target);
          ASSERT_EQ(cursor.document(), found == lists[i].end() ? kNoDocument : found->document) << target;
          if (found == lists[i].end()) break;
          ASSERT_EQ(cursor.value(), found->value);
          target = std::max(target, found->document - static_cast<uint32_t>(random() % 2));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Values, Lists, ::testing::Values(PostingValue::kFrequency, PostingValue::kWeight),
                         [](const auto& info) {
                           return info.param == PostingValue::kFrequency ? "Frequencies" : "Weights";
                         });

}  // namespace
}  // namespace longbow::text
