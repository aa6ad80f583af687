#include "simulation/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace longbow::simulation {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr int64_t kSecond = 1'000'000'000;

std::vector<int> OrderOfFiveTasks(uint64_t seed) {
  Schedule schedule(seed);
  SimulatedExecutor executor(&schedule);
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) executor.Post([&order, i] { order.push_back(i); });
  schedule.RunUntilIdle();
  return order;
}

TEST(Schedule, TheSeedDecidesTheOrder) {
  std::set<std::vector<int>> orders;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const std::vector<int> order = OrderOfFiveTasks(seed);
    EXPECT_THAT(order, SizeIs(5)) << "seed " << seed;
    EXPECT_EQ(order, OrderOfFiveTasks(seed)) << "seed " << seed;
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 60u) << "of 120";
}

TEST(Schedule, AStrandKeepsItsOrderUnderEverySeed) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Schedule schedule(seed);
    SimulatedExecutor executor(&schedule);
    auto strand = std::make_shared<Strand>(&executor);
    std::vector<int> order;
    for (int i = 0; i < 5; ++i) strand->Post([&order, i] { order.push_back(i); });
    schedule.RunUntilIdle();
    EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4)) << "seed " << seed;
  }
}

TEST(Schedule, TimeJumpsToTheNextTimer) {
  Schedule schedule(1);
  SimulatedExecutor executor(&schedule);
  std::vector<int64_t> fired;
  const int64_t start = schedule.clock().MonotonicNanos();
  for (int seconds : {3600, 1, 60}) {
    executor.PostAfter(seconds * kSecond, [&, seconds] {
      EXPECT_GE(schedule.clock().MonotonicNanos() - start, seconds * kSecond);
      fired.push_back(seconds);
    });
  }
  EXPECT_EQ(schedule.RunUntilIdle(), 0) << "no timer is due";
  EXPECT_TRUE(schedule.RunUntil([&] { return fired.size() == 3; }));
  EXPECT_THAT(fired, ElementsAre(1, 60, 3600));
  EXPECT_FALSE(schedule.RunUntil([] { return false; })) << "nothing is left to run";
}

TEST(Schedule, RunForRunsWhatIsDueInThatTime) {
  Schedule schedule(1);
  SimulatedExecutor executor(&schedule);
  int fired = 0;
  executor.PostAfter(kSecond, [&] { ++fired; });
  executor.PostAfter(3 * kSecond, [&] { ++fired; });
  const int64_t start = schedule.clock().MonotonicNanos();
  schedule.RunFor(2 * kSecond);
  EXPECT_EQ(fired, 1);
  EXPECT_GE(schedule.clock().MonotonicNanos() - start, 2 * kSecond);
  schedule.RunFor(2 * kSecond);
  EXPECT_EQ(fired, 2);
}

TEST(Schedule, TheClockOfTheWallMayJumpAndTheOtherNot) {
  SimulatedClock clock;
  const int64_t wall = clock.WallMicros(), monotonic = clock.MonotonicNanos();
  clock.JumpWall(-1'000'000);
  EXPECT_EQ(clock.WallMicros(), wall - 1'000'000);
  EXPECT_EQ(clock.MonotonicNanos(), monotonic);
}

TEST(SimulatedExecutor, RefusesBeyondItsLimit) {
  Schedule schedule(1);
  SimulatedExecutor executor(&schedule, 2);
  EXPECT_TRUE(executor.TryPost([] {}));
  EXPECT_TRUE(executor.TryPost([] {}));
  EXPECT_FALSE(executor.TryPost([] {}));
  EXPECT_EQ(executor.waiting(), 2);
  schedule.RunUntilIdle();
  EXPECT_EQ(executor.waiting(), 0);
  EXPECT_TRUE(executor.TryPost([] {}));
}

TEST(SimulatedExecutor, WaitingRunsWhatIsWaitedForAlsoInsideATask) {
  Schedule schedule(5);
  SimulatedExecutor one(&schedule), other(&schedule);
  bool outer = false, inner = false;
  one.Post([&] {
    other.Post([&] { inner = true; });
    other.WaitUntil([&] { return inner; });
    outer = true;
  });
  one.WaitUntil([&] { return outer; });
  EXPECT_TRUE(inner);
}

TEST(SimulatedExecutorDeathTest, WaitingForWhatCannotComeStopsWithTheSeed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Schedule schedule(77);
        SimulatedExecutor executor(&schedule);
        executor.WaitUntil([] { return false; });
      },
      "seed 77");
}

}  // namespace
}  // namespace longbow::simulation
