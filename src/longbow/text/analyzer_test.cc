#include "longbow/text/analyzer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "longbow/base/status.h"
#include "longbow/text/word_breaker.h"

namespace longbow::text {
namespace {

using Words = std::vector<std::string>;

Words ToWords(const TokenList& tokens) {
  Words words;
  for (size_t i = 0; i < tokens.size(); ++i) words.emplace_back(tokens[i]);
  return words;
}

Words Analyze(std::string_view analyzer, std::string_view text) {
  const auto type = FindAnalyzerType(analyzer);
  EXPECT_TRUE(type.ok()) << type.status();
  TokenList tokens;
  (*type)->make()->Analyze(text, &tokens);
  return ToWords(tokens);
}

TEST(Analyzer, StandardTakesWordsByUnicodesRules) {
  EXPECT_EQ(Analyze("standard", "The QUICK brown-fox, can't pay 3.50!"),
            (Words{"the", "quick", "brown", "fox", "can't", "pay", "3.50"}));
  EXPECT_EQ(Analyze("standard", "Straße ÉCOLE école"), (Words{"strasse", "école", "école"}));
  EXPECT_EQ(Analyze("standard",
                    "e\xCC\x81"
                    "cole"),
            (Words{"école"}));                                    // two code points for é
  EXPECT_EQ(Analyze("standard", "ﬁne ①"), (Words{"fine", "1"}));  // compatibility forms
  EXPECT_EQ(Analyze("standard", ""), Words{});
  EXPECT_EQ(Analyze("standard", " -- ___ !?"), Words{});
}

TEST(Analyzer, StandardFindsWordsOfScriptsWithoutSpaces) {
  EXPECT_GT(Analyze("standard", "สวัสดีชาวโลก").size(), 1u);
  EXPECT_GT(Analyze("standard", "東京都に住む").size(), 1u);
}

TEST(Analyzer, BytesThatAreNotUtf8AreReadAndNeverFail) {
  EXPECT_EQ(Analyze("standard", "ab \xFF\xC3 cd").front(), "ab");
  EXPECT_EQ(Analyze("ngram3", "\xF0\x9F plain").back(), "ain");
}

TEST(Analyzer, LanguagesLeaveStopWordsOutAndStem) {
  EXPECT_EQ(Analyze("english", "The foxes were jumping over the dogs"), (Words{"fox", "jump", "dog"}));
  EXPECT_EQ(Analyze("german", "Die Häuser und die Gärten"), Analyze("german", "das Haus der Garten"));
  EXPECT_EQ(Analyze("french", "l'eau et d’autres"), Analyze("french", "EAU autres"));
  EXPECT_EQ(Analyze("spanish", "los gatos"), Analyze("spanish", "gato"));
  EXPECT_EQ(Analyze("italian", "dell'acqua"), Analyze("italian", "acqua"));
  EXPECT_EQ(Analyze("portuguese", "as casas"), Analyze("portuguese", "casa"));
  EXPECT_EQ(Analyze("dutch", "de katten"), Analyze("dutch", "kat"));
}

TEST(Analyzer, NgramsCutWordsByCharacters) {
  EXPECT_EQ(Analyze("ngram3", "Große"), (Words{"gro", "ros", "oss", "sse"}));
  EXPECT_EQ(Analyze("ngram2", "añb c"), (Words{"añ", "ñb", "c"}));
}

TEST(Analyzer, KeywordAndWhitespaceKeepWhatIsThere) {
  EXPECT_EQ(Analyze("keyword", "New York-2"), (Words{"new york-2"}));
  EXPECT_EQ(Analyze("whitespace", " New  York-2\n"), (Words{"New", "York-2"}));
}

TEST(Analyzer, WordsTooLongAreLeftOut) {
  EXPECT_EQ(Analyze("standard", std::string(300, 'a') + " b"), (Words{"b"}));
}

TEST(Analyzer, UnknownNamesAreRefusedWithTheKnownOnes) {
  const auto status = FindAnalyzerType("klingon").status();
  EXPECT_EQ(CodeOf(status), ErrorCode::kInvalidArgument);
  EXPECT_NE(status.message().find("english"), std::string::npos) << status.message();
}

TEST(WordBreaker, TheAsciiPathGivesWhatIcuGives) {
  for (uint64_t seed = 1; seed <= 20000; ++seed) {
    std::mt19937_64 random(seed);
    constexpr std::string_view kLikely = "abZ19__..,,;;''::  -\"\n/@";
    std::string text;
    for (size_t i = random() % 24; i > 0; --i) {
      text += random() % 8 == 0 ? static_cast<char>(random() % 128) : kLikely[random() % kLikely.size()];
    }
    WordBreaker breaker;
    TokenList fast, slow;
    breaker.Break(text, &fast);
    breaker.BreakByIcu(text, &slow);
    ASSERT_EQ(ToWords(fast), ToWords(slow)) << "seed " << seed << ": [" << text << "]";
  }
}

}  // namespace
}  // namespace longbow::text
