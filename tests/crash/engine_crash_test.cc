// Cuts the power at every I/O of the engine's workloads, also while it recovers, and holds what is left
// against a ledger.
#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "crash/engine_ledger.h"
#include "crash/seed.h"

namespace longbow::crash {
namespace {

using simulation::CutPoint;
using simulation::Fault;
using simulation::SimulatedWorld;

constexpr Workload kWrites{.steps = 40};
constexpr Workload kSnapshots{.steps = 30, .snapshots = true};
constexpr CutPoint kCutPoints[] = {CutPoint::kBefore, CutPoint::kInside, CutPoint::kAfter};

std::string Describe(uint64_t seed, int64_t operation, CutPoint point) {
  return "seed " + std::to_string(seed) + ", power cut at operation " + std::to_string(operation) + " (" +
         (point == CutPoint::kBefore ? "before" : (point == CutPoint::kInside ? "inside" : "after")) + ")";
}

int64_t CountOperations(uint64_t seed, const Workload& workload) {
  SimulatedWorld world(seed);
  EngineLedger ledger(seed, workload);
  ledger.RunWorkload(&world);
  EXPECT_GT(ledger.acknowledged(), workload.steps / 4) << "seed " << seed;
  // Of the histories played each time; a drawn one may be poor.
  if (SeedOf(0) == 0) EXPECT_EQ(ledger.snapshots() > 1, workload.snapshots) << "seed " << seed;
  return world.files().operations();
}

void ExpectSound(const Workload& workload) {
  for (uint64_t number = 1; number <= 20; ++number) {
    const uint64_t seed = SeedOf(number);
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimulatedWorld world(seed);
    EngineLedger ledger(seed, {.steps = 100, .snapshots = workload.snapshots});
    ledger.RunWorkload(&world);
    ASSERT_GT(ledger.acknowledged(), 50);
    world.RunUntilIdle();
    ASSERT_EQ(ledger.CheckAndFinish(&world), "");
  }
}

// Cuts at every `stride`th operation.
void CutEverywhere(const Workload& workload, uint64_t seed, int64_t stride = 1) {
  const int64_t operations = CountOperations(seed, workload);
  int64_t cuts = 0, acknowledged = 0;
  for (int64_t n = 1; n <= operations; n += stride) {
    for (const CutPoint point : kCutPoints) {
      SCOPED_TRACE(Describe(seed, n, point));
      SimulatedWorld world(seed);
      EngineLedger ledger(seed, workload);
      world.files().CutPowerAt(n, point);
      ledger.RunWorkload(&world);
      acknowledged += ledger.acknowledged();
      world.PowerCycle();
      ASSERT_EQ(ledger.CheckAndFinish(&world), "");
      ++cuts;
    }
  }
  std::cout << "seed " << seed << ": " << cuts << " crash points, " << acknowledged
            << " acknowledged changes\n";
}

// Cuts at every `stride`th operation, and then at every `inner_stride`th of the recovery, too.
void CutInRecovery(const Workload& workload, uint64_t seed, int64_t stride, int64_t inner_stride) {
  const int64_t operations = CountOperations(seed, workload);
  int64_t cuts = 0;
  for (int64_t n = stride == 1 ? 1 : 3; n <= operations; n += stride) {
    const CutPoint first = kCutPoints[n % 3];
    for (int64_t k = 1 + n % inner_stride;; k += inner_stride) {
      SCOPED_TRACE(Describe(seed, n, first) + ", again in recovery at operation " + std::to_string(k));
      SimulatedWorld world(seed);
      EngineLedger ledger(seed, workload);
      world.files().CutPowerAt(n, first);
      ledger.RunWorkload(&world);
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

void FailEverywhere(const Workload& workload, uint64_t seed, int64_t stride = 1) {
  const int64_t operations = CountOperations(seed, workload);
  int64_t faults = 0;
  for (int64_t n = 1; n <= operations; n += stride) {
    for (const Fault fault : {Fault::kIoError, Fault::kShortWrite, Fault::kNoSpace}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", fault " + std::to_string(static_cast<int>(fault)) +
                   " at operation " + std::to_string(n));
      SimulatedWorld world(seed);
      EngineLedger ledger(seed, workload);
      world.files().FailAt(n, fault);
      ledger.RunWorkload(&world);
      world.PowerCycle();
      ASSERT_EQ(ledger.CheckAndFinish(&world), "");
      ++faults;
    }
  }
  std::cout << "seed " << seed << ": " << faults << " faults\n";
}

TEST(EngineCrash, TheWorkloadItselfIsSound) { ExpectSound(kWrites); }

TEST(EngineCrash, LosesNothingAcknowledgedWhereverThePowerGoes) {
  for (const uint64_t seed : {7, 80}) CutEverywhere(kWrites, SeedOf(seed));
}

TEST(EngineCrash, RecoversWhereverThePowerGoesDuringRecovery) {
  CutInRecovery(kWrites, SeedOf(900), StrideOf(13), 1);
}

TEST(EngineCrash, LosesNothingAcknowledgedWhicheverCallFails) { FailEverywhere(kWrites, SeedOf(4)); }

TEST(SnapshotCrash, TheWorkloadItselfIsSound) { ExpectSound(kSnapshots); }

TEST(SnapshotCrash, LosesNothingAcknowledgedWhereverThePowerGoes) { CutEverywhere(kSnapshots, SeedOf(7)); }

TEST(SnapshotCrash, RecoversWhereverThePowerGoesDuringRecovery) {
  CutInRecovery(kSnapshots, SeedOf(900), StrideOf(29), StrideOf(3));
}

TEST(SnapshotCrash, LosesNothingAcknowledgedWhicheverCallFails) { FailEverywhere(kSnapshots, SeedOf(4), 2); }

// Whatever was written beside it: a copy of manifest and blocks is a whole.
TEST(SnapshotCrash, ASnapshotAloneShowsOneMomentOfTheHistory) {
  for (uint64_t number = 1; number <= 60; ++number) {
    const uint64_t seed = SeedOf(number);
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimulatedWorld world(seed);
    EngineLedger ledger(seed, {.steps = 60, .snapshots = true});
    ledger.RunWorkload(&world);
    ASSERT_GT(ledger.snapshots(), 0);
    world.RunUntilIdle();
    ASSERT_EQ(ledger.CheckWithoutLog(&world), "");
  }
}

TEST(EngineCrash, AfterAFailedFlushWritesAreRefusedAndReadsGoOn) {
  SimulatedWorld world(5);
  EngineLedger ledger(5, kWrites);
  auto opened = EngineInWorld::Open(world.environment());
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  engine::Engine& engine = ***opened;
  ASSERT_TRUE(ledger.IssuePut(engine, "ints", {"1"}, 0));
  ASSERT_TRUE(ledger.Settled(&world));
  ASSERT_EQ(ledger.acknowledged(), 1);
  world.files().FailAt(world.files().operations() + 1, Fault::kIoError);
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
