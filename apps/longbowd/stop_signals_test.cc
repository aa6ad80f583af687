#include "stop_signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

namespace longbow {
namespace {

TEST(StopSignals, ASignalEndsTheWait) {
  BlockStopSignals();
  const auto signals = StopSignals::Make().ValueOrDie();
  for (int signal : {SIGTERM, SIGINT}) {
    kill(getpid(), signal);
    EXPECT_EQ(signals->Wait(), StopEvent::kSignal);
  }
}

TEST(StopSignals, AWakeEndsTheWaitAlsoWhenItCameBefore) {
  const auto signals = StopSignals::Make().ValueOrDie();
  signals->Wake();
  EXPECT_EQ(signals->Wait(), StopEvent::kWoken);
  std::thread waker([&] { signals->Wake(); });
  EXPECT_EQ(signals->Wait(), StopEvent::kWoken);
  waker.join();
}

TEST(StopSignals, TheTimeoutEndsTheWaitAndASecondSignalIsSeen) {
  BlockStopSignals();
  const auto signals = StopSignals::Make().ValueOrDie();
  EXPECT_EQ(signals->Wait(std::chrono::milliseconds(1)), StopEvent::kTimeout);
  kill(getpid(), SIGTERM);
  EXPECT_EQ(signals->Wait(std::chrono::minutes(5)), StopEvent::kSignal);
  kill(getpid(), SIGTERM);
  EXPECT_EQ(signals->Wait(std::chrono::minutes(5)), StopEvent::kSignal);
}

TEST(StopSignals, AClosedPipeIsAnErrorNotTheEnd) {
  BlockStopSignals();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  EXPECT_EQ(write(ends[1], "x", 1), -1);
  close(ends[1]);
}

}  // namespace
}  // namespace longbow
