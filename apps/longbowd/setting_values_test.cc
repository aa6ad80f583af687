#include "setting_values.h"

#include <gtest/gtest.h>

namespace longbow {
namespace {

using std::chrono::nanoseconds;

template <typename T>
void ExpectRefused(const Result<T>& result, const std::string& expected, const std::string& given) {
  ASSERT_FALSE(result.ok()) << given;
  EXPECT_EQ(CodeOf(result.status()), ErrorCode::kInvalidArgument);
  EXPECT_NE(result.status().message().find("expected " + expected), std::string::npos)
      << result.status().message();
  EXPECT_NE(result.status().message().find("given \"" + given + "\""), std::string::npos)
      << result.status().message();
}

TEST(ParseBool, TakesTheUsualWords) {
  for (const char* yes : {"true", "TRUE", "True", "t", "1", "yes", "on", " true "}) {
    EXPECT_EQ(ParseBool(yes).ValueOr(false), true) << yes;
  }
  for (const char* no : {"false", "F", "0", "no", "OFF"}) EXPECT_EQ(ParseBool(no).ValueOr(true), false) << no;
  for (const char* neither : {"", "2", "maybe", "truefalse"}) {
    ExpectRefused(ParseBool(neither), "true or false", neither);
  }
}

TEST(ParseInteger, TakesWholeNumbersHoweverPrinted) {
  EXPECT_EQ(ParseInteger("0").ValueOr(-1), 0);
  EXPECT_EQ(ParseInteger("-12").ValueOr(0), -12);
  EXPECT_EQ(ParseInteger("9223372036854775807").ValueOr(0), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ParseInteger("6.7108864e+07").ValueOr(0), 67108864);
  EXPECT_EQ(ParseInteger("100.0").ValueOr(0), 100);
  for (const char* bad :
       {"", "ten", "1.5", "1e300", "nan", "inf", "9223372036854775808", "5 apples", "0x10"}) {
    ExpectRefused(ParseInteger(bad), "a whole number", bad);
  }
}

TEST(ParseBytes, TakesUnitsOf1024And1000) {
  EXPECT_EQ(ParseBytes("67108864").ValueOr(0), 67108864);
  EXPECT_EQ(ParseBytes("6.7108864e+07").ValueOr(0), 67108864);
  EXPECT_EQ(ParseBytes("512MiB").ValueOr(0), int64_t{512} << 20);
  EXPECT_EQ(ParseBytes("512 mib").ValueOr(0), int64_t{512} << 20);
  EXPECT_EQ(ParseBytes("4Gi").ValueOr(0), int64_t{4} << 30);
  EXPECT_EQ(ParseBytes("1.5GiB").ValueOr(0), int64_t{3} << 29);
  EXPECT_EQ(ParseBytes("2TiB").ValueOr(0), int64_t{2} << 40);
  EXPECT_EQ(ParseBytes("10kB").ValueOr(0), 10000);
  EXPECT_EQ(ParseBytes("3GB").ValueOr(0), 3000000000);
  EXPECT_EQ(ParseBytes("17B").ValueOr(0), 17);
  for (const char* bad :
       {"", "MiB", "-1", "-1MiB", "1.5", "0.3KiB", "1XiB", "1e30GiB", "12M", "nan", "1MiB 2"}) {
    ExpectRefused(ParseBytes(bad), "a number of bytes such as 67108864 or 64MiB", bad);
  }
}

TEST(ParseDuration, TakesGoSyntax) {
  EXPECT_EQ(ParseDuration("0").ValueOr(nanoseconds(-1)).count(), 0);
  EXPECT_EQ(ParseDuration("0s").ValueOr(nanoseconds(-1)).count(), 0);
  EXPECT_EQ(ParseDuration("200ms").ValueOr(nanoseconds(0)).count(), 200'000'000);
  EXPECT_EQ(ParseDuration("+5s").ValueOr(nanoseconds(0)).count(), 5'000'000'000);
  EXPECT_EQ(ParseDuration("1h").ValueOr(nanoseconds(0)).count(), 3'600'000'000'000);
  EXPECT_EQ(ParseDuration("2h45m").ValueOr(nanoseconds(0)).count(), 9'900'000'000'000);
  EXPECT_EQ(ParseDuration("1h15m30.918s").ValueOr(nanoseconds(0)).count(), 4'530'918'000'000);
  EXPECT_EQ(ParseDuration(".5s").ValueOr(nanoseconds(0)).count(), 500'000'000);
  EXPECT_EQ(ParseDuration("10us").ValueOr(nanoseconds(0)).count(), 10'000);
  EXPECT_EQ(ParseDuration("10µs").ValueOr(nanoseconds(0)).count(), 10'000);
  EXPECT_EQ(ParseDuration("7ns").ValueOr(nanoseconds(0)).count(), 7);
  for (const char* bad :
       {"", "5", "s", "1d", "-1s", "-0.5h", "1s-1ms", "1 h", "1e3s", "1..5s", "3000000000h", "."}) {
    ExpectRefused(ParseDuration(bad), "a duration of zero or more such as 200ms, 1h or 2h45m", bad);
  }
}

TEST(ParseAddress, TakesHostAndPort) {
  const auto text = [](const char* given) {
    return ParseAddress(given).ValueOr(Address{"refused", 1}).ToString();
  };
  EXPECT_EQ(text("127.0.0.1:3000"), "127.0.0.1:3000");
  EXPECT_EQ(text("localhost:0"), "localhost:0");
  EXPECT_EQ(text("[::1]:65535"), "[::1]:65535");
  EXPECT_EQ(text(":3000"), "0.0.0.0:3000");
  for (const char* bad : {"", "3000", "localhost", "localhost:", "localhost:65536", "localhost:-1",
                          "localhost:http", "::1:3000", "[::1:3000", "[nonsense]:1", "a b:1", "http://x:1"}) {
    ExpectRefused(ParseAddress(bad), "an address such as 127.0.0.1:3000 or [::1]:3000", bad);
  }
}

TEST(Address, KnowsWhoCanReachIt) {
  for (const char* inside : {"127.0.0.1:1", "127.8.9.10:1", "[::1]:1", "localhost:1", "LocalHost:1"}) {
    EXPECT_TRUE(ParseAddress(inside).ValueOrDie().loopback()) << inside;
  }
  for (const char* outside : {"0.0.0.0:1", ":1", "[::]:1", "10.0.0.1:1", "128.0.0.1:1", "example.org:1",
                              "localhost.example.org:1", "127.0.0.1.example.org:1"}) {
    EXPECT_FALSE(ParseAddress(outside).ValueOrDie().loopback()) << outside;
  }
}

}  // namespace
}  // namespace longbow
