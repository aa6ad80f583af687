#include "env_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace longbow {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST(EnvFile, HoldsOneVariableALine) {
  EXPECT_THAT(
      ParseEnvFile("LONGBOW_MAX_K=50\n"
                   "\n"
                   "# LONGBOW_TTL=1h\n"
                   "  export LONGBOW_LOG_LEVEL = debug \r\n"
                   "LONGBOW_DATA_PATH=/data/a#b # where it lies\n"
                   "EMPTY=\n"
                   "NOTHING= # but words\n"
                   "LONGBOW_MAX_K=60"),
      UnorderedElementsAre(Pair("LONGBOW_MAX_K", "60"), Pair("LONGBOW_LOG_LEVEL", "debug"),
                           Pair("LONGBOW_DATA_PATH", "/data/a#b"), Pair("EMPTY", ""), Pair("NOTHING", "")));
}

TEST(EnvFile, QuotesKeepWhatIsBetweenThem) {
  EXPECT_THAT(ParseEnvFile(R"(A=' a # "b" \n ' # c)"
                           "\n"
                           R"(B="two\nlines \"and\" a \\" # more)"),
              UnorderedElementsAre(Pair("A", R"( a # "b" \n )"), Pair("B", "two\nlines \"and\" a \\")));
}

TEST(EnvFile, WhatIsNoAssignmentIsPassedOver) {
  EXPECT_THAT(ParseEnvFile("hello\n=5\nA B=5\nKEY=\"-----BEGIN\nabc=\n-----END\"\n\xff\xfe=1\n"),
              UnorderedElementsAre(Pair("abc", "")));
  EXPECT_THAT(ParseEnvFile(""), IsEmpty());
  EXPECT_THAT(ReadEnvFile("/nowhere/.env"), IsEmpty());
  EXPECT_THAT(ReadEnvFile("/"), IsEmpty()) << "a directory";
}

}  // namespace
}  // namespace longbow
