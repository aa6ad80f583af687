#include "longbow/storage/record_compression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace longbow::storage {
namespace {

using testing::HasSubstr;

// `bytes` of which every sixteenth is random: as floats of which most are zero.
std::string Compressible(size_t bytes, uint32_t seed) {
  std::mt19937 random(seed);
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; i += 16) text[i] = static_cast<char>(random());
  return text;
}

std::string Noise(size_t bytes, uint32_t seed) {
  std::mt19937 random(seed);
  std::string text(bytes, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

// Pieces as a network would cut them.
BufferChain InPieces(const std::string& bytes, uint32_t seed) {
  std::mt19937 random(seed);
  BufferChain chain;
  for (size_t at = 0; at < bytes.size();) {
    const size_t n = std::min<size_t>(bytes.size() - at, 1 + random() % 20'000);
    chain.AppendString(bytes.substr(at, n));
    at += n;
  }
  return chain;
}

std::string Text(const BufferChain& chain) { return (*chain.Join())->ToString(); }

RecordHeader HeaderOf(const RecordCompressor::Smaller& smaller) {
  RecordHeader header;
  header.codec = smaller.codec;
  header.payload_bytes = static_cast<uint64_t>(smaller.payload.size());
  return header;
}

TEST(RecordCompression, GivesBackWhatWentIn) {
  for (const auto choice : {LogCompression::kLz4, LogCompression::kZstd}) {
    RecordCompressor compressor(choice);
    for (const size_t size : {1024u, 65'536u, 1'000'003u, 9'500'000u}) {
      const std::string bytes = Compressible(size, static_cast<uint32_t>(size));
      const auto smaller = compressor.Compress(InPieces(bytes, 3), false);
      ASSERT_TRUE(smaller.has_value()) << size;
      EXPECT_LT(smaller->payload.size(), static_cast<int64_t>(size));
      const auto back = DecompressRecord(HeaderOf(*smaller), InPieces(Text(smaller->payload), 4));
      ASSERT_TRUE(back.ok()) << back.status().ToString();
      EXPECT_EQ(Text(*back), bytes) << size;
    }
  }
}

TEST(RecordCompression, LeavesAloneWhatDoesNotBecomeSmaller) {
  for (const auto choice : {LogCompression::kAuto, LogCompression::kLz4, LogCompression::kZstd}) {
    RecordCompressor compressor(choice);
    EXPECT_FALSE(compressor.Compress(InPieces(Noise(300'000, 1), 1), true).has_value());
    EXPECT_FALSE(compressor.Compress(InPieces(Compressible(1000, 1), 1), true).has_value()) << "too short";
    EXPECT_FALSE(compressor.Compress({}, true).has_value());
  }
}

TEST(RecordCompression, CompressesByItselfOnlyWhereItIsAskedAndASampleBecomesSmaller) {
  RecordCompressor automatic(LogCompression::kAuto);
  const BufferChain payload = InPieces(Compressible(200'000, 1), 1);
  EXPECT_FALSE(automatic.Compress(payload, false).has_value());
  const auto smaller = automatic.Compress(payload, true);
  ASSERT_TRUE(smaller.has_value());
  EXPECT_EQ(smaller->codec, RecordCodec::kLz4);
  EXPECT_FALSE(RecordCompressor(LogCompression::kNone).Compress(payload, true).has_value());
  EXPECT_TRUE(automatic.Compress(InPieces(Compressible(1024, 1), 1), true).has_value());
}

TEST(RecordCompression, RefusesAFrameThatIsNotWhole) {
  for (const auto choice : {LogCompression::kLz4, LogCompression::kZstd}) {
    RecordCompressor compressor(choice);
    const auto smaller = compressor.Compress(InPieces(Compressible(50'000, 1), 1), false);
    ASSERT_TRUE(smaller.has_value());
    const std::string frame = Text(smaller->payload);
    const auto expand = [&](const std::string& bytes) {
      return DecompressRecord(HeaderOf(*smaller), InPieces(bytes, 2)).status().message();
    };
    EXPECT_THAT(expand(""), HasSubstr("has no length"));
    EXPECT_THAT(expand(frame + std::string(10, '\0')), HasSubstr("payload is compressed"));
    std::string longer = frame, shorter = frame;
    longer[0] = static_cast<char>(longer[0] - 1);
    shorter[0] = static_cast<char>(shorter[0] + 1);
    EXPECT_THAT(expand(longer), HasSubstr("longer than it says"));
    EXPECT_THAT(expand(shorter), HasSubstr("ends early"));
    for (size_t n = 8; n < frame.size(); n += 97) {
      EXPECT_THAT(expand(frame.substr(0, n)), HasSubstr("payload is compressed")) << n;
    }
    std::mt19937 random(5);
    for (int i = 0; i < 500; ++i) {  // whatever is flipped, it ends, and within its length
      std::string flipped = frame;
      flipped[random() % flipped.size()] ^= static_cast<char>(1 << random() % 8);
      const auto back = DecompressRecord(HeaderOf(*smaller), InPieces(flipped, 2));
      EXPECT_LT(back.ok() ? back->size() : 0, 1 << 20);
    }
  }
  RecordHeader unknown;
  unknown.codec = static_cast<RecordCodec>(7);
  EXPECT_THAT(DecompressRecord(unknown, {}).status().message(), HasSubstr("no codec of that number"));
}

}  // namespace
}  // namespace longbow::storage
