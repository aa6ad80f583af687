#include "longbow/protocol/error_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "longbow/protocol/random_bytes.h"

namespace longbow::protocol {
namespace {

TEST(ErrorText, LeavesPlainTextAlone) {
  EXPECT_EQ(PrintableText("dataset x not found"), "dataset x not found");
  EXPECT_EQ(PrintableText("größe 向量"), "größe 向量");
}

TEST(ErrorText, ReplacesControlCharactersAndBrokenUtf8) {
  EXPECT_EQ(PrintableText("a\nb\x1b[0m\x7f"), "a?b?[0m?");
  EXPECT_EQ(PrintableText("a\xff\xc3(\xed\xa0\x80"),
            "a?"
            "?(???");
  EXPECT_EQ(PrintableText(std::string_view("\0x", 2)), "?x");
}

TEST(ErrorText, CutsLongTextBetweenCharacters) {
  const std::string text = PrintableText(std::string(5000, 'x'));
  EXPECT_EQ(text.size(), kMaxErrorText);
  EXPECT_TRUE(text.ends_with("x..."));
  EXPECT_EQ(PrintableText("öööö", 6), "ö...");
  EXPECT_EQ(PrintableText("abcdef", 6), "abcdef");
}

TEST(ErrorText, IsAlwaysShortUtf8) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    RandomBytes random(seed);
    const std::string text = PrintableText(random.Noise(random.Below(3000)));
    ASSERT_LE(text.size(), kMaxErrorText) << "seed " << seed;
    ASSERT_NO_THROW((void)nlohmann::json(text).dump())
        << "seed " << seed;  // throws at bytes that are no UTF-8
  }
}

}  // namespace
}  // namespace longbow::protocol
