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

TEST(SeenSlots, HoldWhatWasAddedInThisWalkAlsoBeyondWhatWasExpected) {
  SeenSlots seen;
  for (int walk = 0; walk < 50; ++walk) {
    seen.Reset(10);
    for (Slot slot = 0; slot < 3000; slot += 3) ASSERT_TRUE(seen.Add(slot)) << slot;
    for (Slot slot = 0; slot < 3000; slot += 3) ASSERT_FALSE(seen.Add(slot)) << slot;
    ASSERT_TRUE(seen.Add(1));
  }
}

}  // namespace
}  // namespace longbow::index
