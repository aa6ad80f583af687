#include "longbow/text/text_query.h"

#include <gtest/gtest.h>

namespace longbow::text {
namespace {

std::string Say(std::string_view text) {
  const auto query = ParseTextQuery(text);
  if (!query.ok()) return query.status().ToString();
  std::string said;
  for (const auto& clause : query->clauses) {
    said += clause.occur == Occur::kMust ? "+" : clause.occur == Occur::kMustNot ? "-" : "";
    const std::string_view quote = clause.phrase ? "\"" : "";
    said.append(quote).append(clause.text).append(quote);
    if (clause.boost != 1) said.append("*").append(std::to_string(clause.boost).substr(0, 3));
    said += "|";
  }
  return said;
}

TEST(TextQuery, WordsPhrasesAndSignsAreRead) {
  EXPECT_EQ(Say("fast red  car"), "fast|red|car|");
  EXPECT_EQ(Say("+must -not \"a phrase\" -\"no phrase\""), "+must|-not|\"a phrase\"|-\"no phrase\"|");
  EXPECT_EQ(Say("red^2 \"fast car\"^0.5"), "red*2.0|\"fast car\"*0.5|");
}

TEST(TextQuery, AnyOtherTextStandsForItself) {
  EXPECT_EQ(Say("a - b"), "a|-|b|");
  EXPECT_EQ(Say("wi-fi c++ x^y 3^"), "wi-fi|c++|x^y|3^|");
  EXPECT_EQ(Say("say \"open"), "say|\"open|");
  EXPECT_EQ(Say("+"), "+|");
  EXPECT_EQ(Say(""), "");
}

TEST(TextQuery, TooManyClausesAndBytesAreRefused) {
  std::string many;
  for (int i = 0; i < 257; ++i) many += "w ";
  EXPECT_NE(Say(many).find("more than 256"), std::string::npos);
  EXPECT_NE(Say(std::string(70000, 'x')).find("at most 65536"), std::string::npos);
}

TEST(TextQuery, WordsAreCountedAsPeopleDo) {
  EXPECT_EQ(CountWords(""), 0u);
  EXPECT_EQ(CountWords("  one two\tthree "), 3u);
}

}  // namespace
}  // namespace longbow::text
