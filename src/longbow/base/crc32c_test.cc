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

}  // namespace
}  // namespace longbow
