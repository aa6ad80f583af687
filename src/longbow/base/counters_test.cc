#include "longbow/base/counters.h"

#include <gtest/gtest.h>

#include <thread>

#include "longbow/base/budget.h"
#include "longbow/base/check.h"
#include "longbow/base/random.h"

namespace longbow {
namespace {

TEST(Counters, ThreadsLoseNoCount) {
  Counter counter;
  Gauge gauge;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        counter.Add();
        gauge.Add(i % 2 == 0 ? 3 : -1);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 40'000);
  EXPECT_EQ(gauge.value(), 40'000);
}

TEST(Counters, AHistogramBucketHoldsValuesBelowItsPowerOfTwo) {
  Histogram histogram;
  for (int64_t value : {0, 1, 2, 3, 4, 1023, 1024}) histogram.Record(value);
  const auto buckets = histogram.buckets();
  EXPECT_EQ(buckets[0], 1);  // 0
  EXPECT_EQ(buckets[1], 1);  // 1
  EXPECT_EQ(buckets[2], 2);  // 2, 3
  EXPECT_EQ(buckets[3], 1);  // 4
  EXPECT_EQ(buckets[10], 1);
  EXPECT_EQ(buckets[11], 1);
  EXPECT_EQ(histogram.sum(), 0 + 1 + 2 + 3 + 4 + 1023 + 1024);
}

TEST(Counters, HistogramsTakeExtremes) {
  Histogram histogram;
  histogram.Record(-5);
  histogram.Record(INT64_MAX);
  EXPECT_EQ(histogram.buckets()[0], 1);
  EXPECT_EQ(histogram.buckets()[Histogram::kBuckets - 1], 1);
}

class FixedClock : public Clock {
 public:
  int64_t MonotonicNanos() const override { return now; }
  int64_t WallMicros() const override { return 0; }
  int64_t now = 0;
};

TEST(Budget, WithoutLimitsNeverEnds) {
  Budget budget;
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(budget.Spend(1000));
  EXPECT_EQ(budget.end(), BudgetEnd::kNone);
}

TEST(Budget, AllowsExactlyItsDistances) {
  Budget budget(nullptr, 0, nullptr, 10);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(budget.Spend(1));
  EXPECT_FALSE(budget.Spend(1));
  EXPECT_EQ(budget.end(), BudgetEnd::kDistances);
}

TEST(Budget, SeesADeadlineAndStaysEnded) {
  FixedClock clock;
  Budget budget(&clock, 100, nullptr, 0);
  EXPECT_TRUE(budget.Spend(1));
  clock.now = 100;
  int spent = 0;
  while (spent < 100'000 && budget.Spend(1)) ++spent;
  EXPECT_LT(spent, 5000);
  EXPECT_EQ(budget.end(), BudgetEnd::kDeadline);
  clock.now = 0;
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(budget.Spend(1));
}

TEST(Budget, SeesAStop) {
  StopSource stop;
  Budget budget(nullptr, 0, &stop, 0);
  EXPECT_TRUE(budget.Spend(1));
  stop.Stop();
  int spent = 0;
  while (spent < 100'000 && budget.Spend(1)) ++spent;
  EXPECT_LT(spent, 5000);
  EXPECT_EQ(budget.end(), BudgetEnd::kStopped);
}

TEST(Check, ThrowsWithTheCondition) {
  try {
    LB_CHECK(1 + 1 == 3);
    FAIL() << "did not throw";
  } catch (const CheckFailed& e) {
    EXPECT_NE(std::string(e.what()).find("1 + 1 == 3"), std::string::npos) << e.what();
    EXPECT_EQ(std::string(e.what()).find('/'), std::string::npos) << "names a directory: " << e.what();
  }
}

TEST(CheckDeathTest, FatalStopsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(LB_CHECK_FATAL(1 + 1 == 3), "1 \\+ 1 == 3");
}

TEST(Random, SameSeedSameNumbers) {
  auto a = MakeSeededRandom(7), b = MakeSeededRandom(7), c = MakeSeededRandom(8);
  for (int i = 0; i < 100; ++i) {
    const uint64_t value = a->Next();
    EXPECT_EQ(value, b->Next());
    EXPECT_NE(value, c->Next());
  }
}

TEST(Random, TokensAreHexAndDiffer) {
  const std::string token = SystemRandom()->HexToken(20);
  EXPECT_EQ(token.size(), 40u);
  EXPECT_EQ(token.find_first_not_of("0123456789abcdef"), std::string::npos) << token;
  EXPECT_NE(token, SystemRandom()->HexToken(20));
}

}  // namespace
}  // namespace longbow
