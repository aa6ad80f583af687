#include "longbow/observe/line_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace longbow::observe {
namespace {

class FixedClock : public Clock {
 public:
  int64_t MonotonicNanos() const override { return 0; }
  int64_t WallMicros() const override { return 1234567890000042; }
};

class LineLogTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe(ends_), 0); }
  void TearDown() override {
    for (int end : ends_) {
      if (end >= 0) close(end);
    }
  }
  std::string Written() {
    close(ends_[1]);
    ends_[1] = -1;
    std::string text;
    char piece[4096];
    for (ssize_t n; (n = read(ends_[0], piece, sizeof(piece))) > 0;)
      text.append(piece, static_cast<size_t>(n));
    return text;
  }
  FixedClock clock_;
  int ends_[2] = {-1, -1};
};

TEST_F(LineLogTest, JsonIsOneObjectALine) {
  LineLog log(ends_[1], LogLevel::kInfo, LogFormat::kJson, &clock_);
  log.Info("ready", {{"rows", "12"}});
  log.Error("two");
  EXPECT_EQ(
      Written(),
      "{\"time\":\"2009-02-13T23:31:30.000042Z\",\"level\":\"info\",\"message\":\"ready\",\"rows\":\"12\"}\n"
      "{\"time\":\"2009-02-13T23:31:30.000042Z\",\"level\":\"error\",\"message\":\"two\"}\n");
}

TEST_F(LineLogTest, ConsoleIsReadable) {
  LineLog log(ends_[1], LogLevel::kInfo, LogFormat::kConsole, &clock_);
  log.Warn("slow disk", {{"ms", "900"}, {"why", "no idea"}});
  EXPECT_EQ(Written(), "2009-02-13T23:31:30.000042Z warn  slow disk ms=900 why=\"no idea\"\n");
}

TEST_F(LineLogTest, WhatIsBelowTheLevelIsNotWritten) {
  LineLog log(ends_[1], LogLevel::kWarn, LogFormat::kConsole, &clock_);
  log.Info("quiet");
  log.Write(LogLevel::kDebug, "quieter");
  EXPECT_EQ(Written(), "");
}

TEST_F(LineLogTest, AnEventCannotForgeASecondLine) {
  const std::string evil = "a\n{\"level\":\"info\"}\x1b[2J";
  for (LogFormat format : {LogFormat::kJson, LogFormat::kConsole}) {
    LineLog(ends_[1], LogLevel::kInfo, format, &clock_).Info(evil, {{"dataset", evil}});
  }
  const std::string text = Written();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace longbow::observe
