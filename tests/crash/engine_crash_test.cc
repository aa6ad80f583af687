// Cuts the power at every I/O of the engine's standard workload, also while it recovers, and holds what is
// left against a ledger.
#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "crash/engine_ledger.h"

namespace longbow::crash {
namespace {

using simulation::CutPoint;
using simulation::SimulatedWorld;

constexpr uint64_t kSeeds[] = {7, 80};
constexpr int kSteps = 40;
constexpr CutPoint kCutPoints[] = {CutPoint::kBefore, CutPoint::kInside, CutPoint::kAfter};

std::string Describe(uint64_t seed, int64_t operation, CutPoint point) {
  return "seed " + std::to_string(seed) + ", power cut at operation " + std::to_string(operation) + " (" +
         (point == CutPoint::kBefore ? "before" : (point == CutPoint::kInside ? "inside" : "after")) + ")";
}

int64_t CountOperations(uint64_t seed) {
  SimulatedWorld world(seed);
  EngineLedger ledger(seed);
  ledger.RunWorkload(kSteps, &world);
  EXPECT_GT(ledger.acknowledged(), kSteps / 2) << "seed " << seed;
  return world.files().operations();
}

TEST(EngineCrash, TheWorkloadItselfIsSound) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimulatedWorld world(seed);
    EngineLedger ledger(seed);
    ledger.RunWorkload(100, &world);
    ASSERT_GT(ledger.acknowledged(), 50);
    world.RunUntilIdle();
    ASSERT_EQ(ledger.CheckAndFinish(&world), "");
  }
}

TEST(EngineCrash, LosesNothingAcknowledgedWhereverThePowerGoes) {
  for (const uint64_t seed : kSeeds) {
    const int64_t operations = CountOperations(seed);
    int64_t acknowledged = 0;
    for (int64_t n = 1; n <= operations; ++n) {
      for (const CutPoint point : kCutPoints) {
        SCOPED_TRACE(Describe(seed, n, point));
        SimulatedWorld world(seed);
        EngineLedger ledger(seed);
        world.files().CutPowerAt(n, point);
        ledger.RunWorkload(kSteps, &world);
        acknowledged += ledger.acknowledged();
        world.PowerCycle();
        ASSERT_EQ(ledger.CheckAndFinish(&world), "");
      }
    }
    std::cout << "seed " << seed << ": " << 3 * operations << " crash points, " << acknowledged
              << " acknowledged changes\n";
  }
}

TEST(EngineCrash, RecoversWhereverThePowerGoesDuringRecovery) {
  const uint64_t seed = 900;
  const int64_t operations = CountOperations(seed);
  int64_t cuts = 0;
  for (int64_t n = 3; n <= operations; n += 13) {
    const CutPoint first = kCutPoints[n % 3];
    for (int64_t k = 1;; ++k) {
      SCOPED_TRACE(Describe(seed, n, first) + ", again in recovery at operation " + std::to_string(k));
      SimulatedWorld world(seed);
      EngineLedger ledger(seed);
      world.files().CutPowerAt(n, first);
      ledger.RunWorkload(kSteps, &world);
      world.PowerCycle();
      world.files().CutPowerAt(k, kCutPoints[(n + k) % 3]);
      { const auto engine = EngineInWorld::Open(world.environment()); }
      const bool finished = world.files().power_is_on();
      world.PowerCycle();
      ASSERT_EQ(ledger.CheckAndFinish(&world), "");
      ++cuts;
      if (finished) break;
    }
  }
  std::cout << "seed " << seed << ": " << cuts << " crash points during recovery\n";
}

}  // namespace
}  // namespace longbow::crash
