#include "longbow/index/graph/candidate_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <string>

#include "longbow/index/graph/seen_slots.h"

namespace longbow::index {
namespace {

TEST(CandidatePool, GivesTheNearestUnvisitedAndForgetsTheFarthest) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  CandidatePool pool;
  for (int round = 0; round < 200; ++round) {
    const auto capacity = static_cast<uint32_t>(1 + random() % 40);
    pool.Reset(capacity);
    std::vector<std::pair<float, Slot>> all;  // what is in the pool, visited or not
    std::set<Slot> visited;
    std::vector<float> distances(200);
    std::iota(distances.begin(), distances.end(), 0.0f);
    std::shuffle(distances.begin(), distances.end(), random);
    for (Slot slot = 0; slot < 200; ++slot) {
      const float distance = distances[slot];
      if (distance < pool.limit()) {
        pool.Insert(distance, slot);
        all.emplace_back(distance, slot);
        std::sort(all.begin(), all.end());
        if (all.size() > capacity) all.pop_back();
      }
      if (random() % 3 != 0) continue;
      const auto next =
          std::find_if(all.begin(), all.end(), [&](auto& c) { return !visited.contains(c.second); });
      ASSERT_EQ(pool.HasNext(), next != all.end());
      if (next == all.end()) continue;
      ASSERT_EQ(pool.PeekNext(0), next->second);
      ASSERT_EQ(pool.PopNext(), next->second);
      visited.insert(next->second);
    }
  }
}

TEST(CandidatePool, ForgetsWhatLiesBeyondItsReachOfTheOneAtItsRank) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  CandidatePool pool;
  for (int round = 0; round < 200; ++round) {
    const auto rank = static_cast<uint32_t>(1 + random() % 12);
    const float reach = 0.5f, shift = 0.2f, rounding = 0.01f;
    pool.Reset(300, {rank, reach, shift, rounding});
    std::vector<float> all;
    for (Slot slot = 0; slot < 200; ++slot) {
      const float distance = uniform(random);
      if (distance < pool.limit()) pool.Insert(distance, slot);
      all.push_back(distance);
    }
    const std::vector<float> of_slot = all;
    std::sort(all.begin(), all.end());
    const float last = all[rank - 1], limit = last + reach * std::max(last + shift, 0.0f) + rounding;
    for (const float distance : all) {
      if (!(distance < limit)) break;
      ASSERT_TRUE(pool.HasNext());
      ASSERT_EQ(of_slot[pool.PopNext()], distance);
    }
    ASSERT_FALSE(pool.HasNext());
  }
}

TEST(CandidatePool, KeepsAsManyAsItsRankWhereAllAreEquallyNear) {
  CandidatePool pool;
  pool.Reset(300, {.rank = 5});
  for (Slot slot = 0; slot < 40; ++slot) {
    if (0 < pool.limit()) pool.Insert(0, slot);
  }
  for (int i = 0; i < 5; ++i, pool.PopNext()) ASSERT_TRUE(pool.HasNext());
  EXPECT_FALSE(pool.HasNext());
}

TEST(CandidatePool, GivesUpWhatAnotherBoundLeavesOut) {
  CandidatePool pool;
  pool.Reset(20);
  EXPECT_EQ(pool.DistanceAt(1), std::numeric_limits<float>::infinity());
  for (Slot slot = 0; slot < 10; ++slot) pool.Insert(static_cast<float>(10 * slot), slot);
  EXPECT_EQ(pool.DistanceAt(3), 20);
  EXPECT_EQ(pool.DistanceAt(11), std::numeric_limits<float>::infinity());
  for (Slot slot = 0; slot < 4; ++slot) EXPECT_EQ(pool.PopNext(), slot);
  pool.Bound(70);
  EXPECT_EQ(pool.limit(), 70);
  pool.Bound(80);
  EXPECT_EQ(pool.limit(), 70) << "it only ever gets nearer";
  pool.Insert(5, 17);
  EXPECT_EQ(pool.PopNext(), 17u);
  for (Slot slot = 4; slot < 7; ++slot) EXPECT_EQ(pool.PopNext(), slot);
  EXPECT_FALSE(pool.HasNext());
  pool.Bound(30);
  EXPECT_FALSE(pool.HasNext()) << "also of what was visited";
  pool.Insert(1, 18);
  EXPECT_EQ(pool.PopNext(), 18u);
}

TEST(SeenSlots, HoldWhatWasAddedInThisWalkAlsoBeyondWhatWasExpected) {
  SeenSlots seen;
  for (int walk = 0; walk < 50; ++walk) {
    seen.Reset(10);
    for (Slot slot = 0; slot < 3000; slot += 3) ASSERT_TRUE(seen.Add(slot)) << slot;
    for (Slot slot = 0; slot < 3000; slot += 3) ASSERT_FALSE(seen.Add(slot)) << slot;
    ASSERT_TRUE(seen.Add(1));
  }
}

TEST(SeenSlots, ForgetALongWalkInAShortOne) {
  SeenSlots seen;
  for (uint32_t expected : {2000u, 3u, 500u, 1u, 2000u}) {
    seen.Reset(expected);
    for (Slot slot = 0; slot < 2 * expected; ++slot) ASSERT_TRUE(seen.Add(slot)) << slot;
    for (Slot slot = 0; slot < 2 * expected; ++slot) ASSERT_FALSE(seen.Add(slot)) << slot;
  }
}

}  // namespace
}  // namespace longbow::index
