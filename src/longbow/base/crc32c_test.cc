#include "longbow/base/crc32c.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace longbow {
namespace {

uint32_t BitByBit(const std::string& bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0);
  }
  return ~crc;
}

TEST(Crc32c, GivesThePublishedValues) {  // RFC 3720, B.4
  EXPECT_EQ(ExtendCrc32c(0, "123456789", 9), 0xE3069283u);
  const std::string zeros(32, '\0');
  EXPECT_EQ(ExtendCrc32c(0, zeros.data(), zeros.size()), 0x8A9136AAu);
  EXPECT_EQ(ExtendCrc32c(0, nullptr, 0), 0u);
}

TEST(Crc32c, AgreesWithTheDefinitionForEveryLengthAndCut) {
  std::string bytes;
  for (int i = 0; i < 700; ++i) bytes.push_back(static_cast<char>(i * i % 251));
  for (size_t n = 0; n <= bytes.size(); ++n) {
    const std::string part = bytes.substr(0, n);
    const uint32_t expected = BitByBit(part);
    ASSERT_EQ(ExtendCrc32c(0, part.data(), n), expected) << n;
    const size_t cut = n * 2 / 3;
    BufferChain chain = BufferChain::FromString(part.substr(0, cut));
    chain.AppendString(part.substr(cut));
    ASSERT_EQ(ExtendCrc32c(0, chain), expected) << n;
  }
}

TEST(Crc32c, OfTwoStretchesIsTheOneOfBothTogether) {
  std::string bytes;
  for (int i = 0; i < 5000; ++i) bytes.push_back(static_cast<char>(i * i % 251));
  for (const size_t cut : {0u, 1u, 63u, 64u, 4096u, 4999u, 5000u}) {
    const uint32_t first = ExtendCrc32c(0, bytes.data(), cut);
    const uint32_t second = ExtendCrc32c(0, bytes.data() + cut, bytes.size() - cut);
    EXPECT_EQ(JoinCrc32c(first, second, bytes.size() - cut), ExtendCrc32c(0, bytes.data(), bytes.size()))
        << cut;
  }
}

TEST(Crc32c, TakesKnownStretchesAsTheyStand) {
  BufferChain chain = BufferChain::FromString("one stretch");
  chain.AppendString(" and another, cut anywhere");
  chain.AppendString(" and a last one");
  const std::string whole = "one stretch and another, cut anywhere and a last one";
  const auto known = [&](int64_t offset, int64_t bytes) {
    return KnownCrc{offset, bytes, ExtendCrc32c(0, whole.data() + offset, static_cast<size_t>(bytes))};
  };
  const uint32_t expected = ExtendCrc32c(7, whole.data(), whole.size());
  EXPECT_EQ(ExtendCrc32c(7, chain, std::vector<KnownCrc>{}), expected);
  EXPECT_EQ(ExtendCrc32c(7, chain, std::vector<KnownCrc>{known(0, 52)}), expected);
  EXPECT_EQ(ExtendCrc32c(7, chain, std::vector<KnownCrc>{known(3, 20), known(23, 0), known(40, 12)}),
            expected);
  KnownCrc wrong = known(3, 20);
  wrong.crc ^= 1;
  EXPECT_NE(ExtendCrc32c(7, chain, std::vector<KnownCrc>{wrong}), expected);
}

}  // namespace
}  // namespace longbow
