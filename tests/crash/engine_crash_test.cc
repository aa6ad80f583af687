// Cuts the power at every I/O of the engine's standard workload, also while it recovers, and holds what is
// left against a ledger.
#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "crash/engine_ledger.h"
#include "crash/seed.h"

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
  EXPECT_GT(ledger.acknowledged(), kSteps / 4) << "seed " << seed;
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
  for (const uint64_t number : kSeeds) {
    const uint64_t seed = SeedOf(number);
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
  const uint64_t seed = SeedOf(900);
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

TEST(EngineCrash, LosesNothingAcknowledgedWhicheverCallFails) {
  using simulation::Fault;
  const uint64_t seed = SeedOf(4);
  const int64_t operations = CountOperations(seed);
  int64_t faults = 0;
  for (int64_t n = 1; n <= operations; ++n) {
    for (const Fault fault : {Fault::kIoError, Fault::kShortWrite, Fault::kNoSpace}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", fault " + std::to_string(static_cast<int>(fault)) +
                   " at operation " + std::to_string(n));
      SimulatedWorld world(seed);
      EngineLedger ledger(seed);
      world.files().FailAt(n, fault);
      ledger.RunWorkload(kSteps, &world);
      world.PowerCycle();
      ASSERT_EQ(ledger.CheckAndFinish(&world), "");
      ++faults;
    }
  }
  std::cout << "seed " << seed << ": " << faults << " faults\n";
}

TEST(EngineCrash, AfterAFailedFlushWritesAreRefusedAndReadsGoOn) {
  SimulatedWorld world(5);
  EngineLedger ledger(5);
  auto opened = EngineInWorld::Open(world.environment());
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  engine::Engine& engine = ***opened;
  ASSERT_TRUE(ledger.IssuePut(engine, "ints", {"1"}, 0));
  ASSERT_TRUE(ledger.Settled(&world));
  ASSERT_EQ(ledger.acknowledged(), 1);
  world.files().FailAt(world.files().operations() + 1, simulation::Fault::kIoError);
  (void)ledger.IssuePut(engine, "ints", {"2"}, 0);
  (void)ledger.Settled(&world);
  EXPECT_EQ(ledger.acknowledged(), 1);
  EXPECT_FALSE(engine.health().ok());
  EXPECT_FALSE(ledger.IssuePut(engine, "strings", {"k"}, 0)) << "a new dataset needs the log";
  const auto view = engine.Pin("ints");
  ASSERT_TRUE(view.ok());
  EXPECT_EQ((*view)->live_rows(), 1);
}

}  // namespace
}  // namespace longbow::crash
