#include "recovery_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "longbow/base/clock.h"

namespace longbow {
namespace {

using ::testing::HasSubstr;

class RecoveryLinesTest : public testing::Test {
 protected:
  RecoveryLinesTest() {
    EXPECT_EQ(pipe(pipe_), 0);
    progress_.bytes_total = 1000;
  }
  ~RecoveryLinesTest() override {
    close(pipe_[0]);
    close(pipe_[1]);
  }
  // The next line of the log; waits for it.
  std::string Line() const {
    std::string line;
    for (char c = 0; read(pipe_[0], &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }

  int pipe_[2];
  engine::RecoveryProgress progress_;
};

TEST_F(RecoveryLinesTest, SayHowFarItIsAsItGoesOnAndWhileItDoesNot) {
  observe::LineLog log(pipe_[1], observe::LogLevel::kInfo, observe::LogFormat::kConsole, SystemClock());
  const RecoveryLines lines(&progress_, &log, /*look_ns=*/1'000'000);
  EXPECT_THAT(Line(), HasSubstr("recovering percent=0"));
  EXPECT_THAT(Line(), HasSubstr("percent=0")) << "that it takes long is worth a line, too";
  progress_.records = 7;
  progress_.bytes = 450;
  std::string line;
  while (line.find("percent=45") == std::string::npos) line = Line();
  EXPECT_THAT(line, HasSubstr("bytes=450 bytes_at_most=1000 log_records=7"));
}

TEST_F(RecoveryLinesTest, SayNothingOfARecoveryThatIsOverSoon) {
  observe::LineLog log(pipe_[1], observe::LogLevel::kInfo, observe::LogFormat::kConsole, SystemClock());
  { const RecoveryLines lines(&progress_, &log); }
  log.Info("over");
  EXPECT_THAT(Line(), HasSubstr("over"));
}

}  // namespace
}  // namespace longbow
