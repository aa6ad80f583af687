#include "longbow/server/rate_limiter.h"

#include <gtest/gtest.h>

namespace longbow::server {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(RateLimiter, ABurstBeginsAtOnceAndTheRestAtTheRate) {
  RateLimiter limiter(10, 3);
  const int64_t now = 5 * kSecond;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limiter.Take(now, 0), 0);
  EXPECT_EQ(limiter.Take(now, 0), kSecond / 10);
  EXPECT_EQ(limiter.Take(now, 0), kSecond / 5);
}

TEST(RateLimiter, AfterAQuietTimeABurstIsAllowedAgainAndNoMore) {
  RateLimiter limiter(10, 2);
  int64_t now = kSecond;
  for (int i = 0; i < 5; ++i) limiter.Take(now, 0);
  now += 100 * kSecond;
  EXPECT_EQ(limiter.Take(now, 0), 0);
  EXPECT_EQ(limiter.Take(now, 0), 0);
  EXPECT_EQ(limiter.Take(now, 0), kSecond / 10);
}

TEST(RateLimiter, ATurnThatWouldComeTooLateIsNotTaken) {
  RateLimiter limiter(1, 1);
  const int64_t now = kSecond;
  EXPECT_EQ(limiter.Take(now, 0), 0);
  EXPECT_EQ(limiter.Take(now, now + kSecond / 2), std::nullopt);
  EXPECT_EQ(limiter.Take(now, now + kSecond), kSecond) << "the refused call took nothing";
}

}  // namespace
}  // namespace longbow::server
