// Cuts the power at every I/O of a commit log, also while it recovers, and holds what is left against a
// ledger.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "crash/log_ledger.h"
#include "crash/seed.h"

namespace longbow::crash {
namespace {

using simulation::CutPoint;
using simulation::SimulatedWorld;

constexpr uint64_t kSeeds[] = {1, 20, 300};
constexpr int kSteps = 120;
constexpr CutPoint kCutPoints[] = {CutPoint::kBefore, CutPoint::kInside, CutPoint::kAfter};

std::string Describe(uint64_t seed, int64_t operation, CutPoint point) {
  return "seed " + std::to_string(seed) + ", power cut at operation " + std::to_string(operation) + " (" +
         (point == CutPoint::kBefore ? "before" : (point == CutPoint::kInside ? "inside" : "after")) + ")";
}

int64_t CountOperations(uint64_t seed) {
  SimulatedWorld world(seed);
  LogLedger ledger;
  const Status ran = RunLogWorkload(seed, kSteps, &world, &ledger);
  EXPECT_TRUE(ran.ok()) << "seed " << seed << ": " << ran.ToString();
  return world.files().operations();
}

// Recovers, goes on writing, and recovers once more.
void ExpectSound(SimulatedWorld* world, LogLedger* ledger) {
  world->PowerCycle();
  for (int round = 0; round < 2; ++round) {
    auto log = RecoverLog(world->environment(), ledger);
    ASSERT_TRUE(log.ok()) << log.status().ToString();
    for (uint64_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(ledger->Append(log->get(), 1, storage::Durability::kFsync, SomeBytes(40 * i, i)))
          << ledger->last_refusal().ToString();
    }
    ASSERT_TRUE(world->RunUntil([&] { return (*log)->committed() == (*log)->last_appended(); }));
    world->RunUntilIdle();
    EXPECT_EQ(ledger->trouble(), "");
  }
}

TEST(LogCrash, LosesNothingAcknowledgedWhereverThePowerGoes) {
  for (const uint64_t number : kSeeds) {
    const uint64_t seed = SeedOf(number);
    const int64_t operations = CountOperations(seed);
    ASSERT_GT(operations, 50);
    int64_t acknowledged = 0;
    for (int64_t n = 1; n <= operations; ++n) {
      for (const CutPoint point : kCutPoints) {
        SCOPED_TRACE(Describe(seed, n, point));
        SimulatedWorld world(seed);
        LogLedger ledger;
        world.files().CutPowerAt(n, point);
        (void)RunLogWorkload(seed, kSteps, &world, &ledger);
        ASSERT_NO_FATAL_FAILURE(ExpectSound(&world, &ledger));
        acknowledged += ledger.acknowledged();
      }
    }
    std::cout << "seed " << seed << ": " << 3 * operations << " cuts, " << acknowledged
              << " acknowledged records\n";
  }
}

TEST(LogCrash, RecoversWhereverThePowerGoesDuringRecovery) {
  const uint64_t seed = SeedOf(4000);
  const int64_t operations = CountOperations(seed);
  int64_t cuts = 0;
  const int64_t stride = StrideOf(11);
  for (int64_t n = stride == 1 ? 1 : 5; n <= operations; n += stride) {
    const CutPoint first = kCutPoints[n % 3];
    for (int64_t k = 1;; ++k) {
      SCOPED_TRACE(Describe(seed, n, first) + ", again in recovery, operation " + std::to_string(k));
      SimulatedWorld world(seed);
      LogLedger ledger;
      world.files().CutPowerAt(n, first);
      (void)RunLogWorkload(seed, kSteps, &world, &ledger);
      world.PowerCycle();
      world.files().CutPowerAt(k, kCutPoints[(n + k) % 3]);
      { const auto log = RecoverLog(world.environment(), &ledger); }
      const bool finished = world.files().power_is_on();
      ASSERT_NO_FATAL_FAILURE(ExpectSound(&world, &ledger));
      cuts += 1;
      if (finished) break;
    }
  }
  std::cout << "seed " << seed << ": " << cuts << " cuts during recovery\n";
}

void CrashAgainAndAgain(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  SimulatedWorld world(seed);
  LogLedger ledger;
  const auto random = MakeSeededRandom(seed);
  for (int crash = 0; crash < 6; ++crash) {
    world.files().CutPowerAt(static_cast<int64_t>(1 + random->Next() % 60), kCutPoints[random->Next() % 3]);
    (void)RunLogWorkload(seed + static_cast<uint64_t>(crash), 40, &world, &ledger);
    world.PowerCycle();
  }
  ASSERT_NO_FATAL_FAILURE(ExpectSound(&world, &ledger));
}

TEST(LogCrash, ConvergesWhenRecoveryIsInterruptedAgainAndAgain) {
  for (uint64_t seed = SeedOf(50'000); seed < SeedOf(50'000) + 200; ++seed) {
    ASSERT_NO_FATAL_FAILURE(CrashAgainAndAgain(seed));
  }
}

// A tail is cut before a seal, the segment that the seal names is given back, and the power goes before the
// cut.
TEST(LogCrash, NeedsNoSegmentThatOnlyATornTailNames) { CrashAgainAndAgain(573'198'875'050'087); }

// A process that dies leaves the kernel's cache, in which bytes may stand whose write-back failed.
TEST(LogCrash, DoesNotTrustACacheThatTheDiskNeverTook) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimulatedWorld world(seed);
    LogLedger ledger;
    {
      auto log = *RecoverLog(world.environment(), &ledger);
      ASSERT_TRUE(ledger.Append(log.get(), 1, storage::Durability::kFsync, SomeBytes(100, 1)));
      world.RunUntilIdle();
      world.files().FailAt(world.files().operations() + 1, simulation::Fault::kIoError);
      ASSERT_TRUE(ledger.Append(log.get(), 1, storage::Durability::kFsync, SomeBytes(3000, 2)));
      world.RunUntilIdle();
    }
    {  // the same kernel: what was found and replayed counts as durable from here on
      auto log = RecoverLog(world.environment(), &ledger);
      ASSERT_TRUE(log.ok()) << log.status().ToString();
      ASSERT_TRUE(ledger.Append(log->get(), 1, storage::Durability::kFsync, SomeBytes(10, 3)));
      world.RunUntilIdle();
    }
    world.PowerCycle();
    const auto log = RecoverLog(world.environment(), &ledger);
    ASSERT_TRUE(log.ok()) << log.status().ToString();
  }
}

}  // namespace
}  // namespace longbow::crash
