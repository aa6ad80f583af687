#include "longbow/query/lru_cache.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>

namespace longbow::query {
namespace {

using Cache = LruCache<int, std::shared_ptr<int>, std::hash<int>>;

TEST(LruCache, GivesBackWhatWasUsedLongestAgoWhileMemoryIsShort) {
  MemoryLedger ledger(100'000, 0);
  Cache cache(80'000, &ledger);
  for (int i = 0; i < 50; ++i) cache.Put(i, std::make_shared<int>(i), 1000);
  const int64_t held = ledger.used(MemoryUse::kCache);
  EXPECT_GE(held, 50'000);
  ASSERT_NE(cache.Find(0), nullptr);  // used again
  cache.Shrink();
  EXPECT_EQ(ledger.used(MemoryUse::kCache), held) << "nobody needs it";
  auto rows = ledger.ReserveAlways(MemoryUse::kRows, 70'000);
  cache.Shrink();
  EXPECT_LE(ledger.used(), 100'000);
  EXPECT_GT(ledger.used(), 98'000) << "no more than is needed";
  EXPECT_EQ(cache.held.value(), ledger.used(MemoryUse::kCache));
  EXPECT_NE(cache.Find(0), nullptr);
  EXPECT_EQ(cache.Find(1), nullptr);
  EXPECT_NE(cache.Find(49), nullptr);
  const auto more = ledger.ReserveAlways(MemoryUse::kRows, 70'000);
  cache.Shrink();
  EXPECT_EQ(ledger.used(MemoryUse::kCache), 0);
  cache.Put(7, std::make_shared<int>(7), 1000);
  EXPECT_EQ(cache.Find(7), nullptr) << "nothing is added meanwhile";
}

}  // namespace
}  // namespace longbow::query
