// Disks that fail and disks that are full.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "crash/log_ledger.h"
#include "longbow/storage/log_format.h"

namespace longbow::crash {
namespace {

using simulation::Fault;
using simulation::Operation;
using simulation::SimulatedWorld;
using storage::AsyncWindow;
using storage::Durability;
using testing::HasSubstr;

void ExpectSoundAfterRestartAndPowerCut(SimulatedWorld* world, LogLedger* ledger) {
  {  // a new process on the same kernel
    const auto log = RecoverLog(world->environment(), ledger);
    ASSERT_TRUE(log.ok()) << log.status().ToString();
  }
  world->PowerCycle();
  const auto log = RecoverLog(world->environment(), ledger);
  ASSERT_TRUE(log.ok()) << log.status().ToString();
  ASSERT_TRUE(ledger->Append(log->get(), 1, Durability::kFsync, "more")) << ledger->last_refusal().ToString();
  world->RunUntilIdle();
  EXPECT_EQ(ledger->trouble(), "");
}

TEST(LogFault, NothingIsAcknowledgedAfterAnyFailure) {
  for (const uint64_t seed : {7, 70, 700}) {
    int64_t operations = 0;
    {
      SimulatedWorld world(seed);
      LogLedger ledger;
      ASSERT_TRUE(RunLogWorkload(seed, 100, &world, &ledger).ok());
      operations = world.files().operations();
    }
    for (int64_t n = 1; n <= operations; ++n) {
      for (const Fault fault : {Fault::kIoError, Fault::kShortWrite, Fault::kNoSpace}) {
        SCOPED_TRACE("seed " + std::to_string(seed) + ", fault " + std::to_string(static_cast<int>(fault)) +
                     " in operation " + std::to_string(n));
        SimulatedWorld world(seed);
        LogLedger ledger;
        world.files().FailAt(n, fault);
        (void)RunLogWorkload(seed, 100, &world, &ledger);
        ASSERT_EQ(ledger.trouble(), "");
        ASSERT_EQ(ledger.unanswered(), 0);
        ASSERT_NO_FATAL_FAILURE(ExpectSoundAfterRestartAndPowerCut(&world, &ledger));
      }
    }
  }
}

TEST(LogFault, AFailedSyncMakesTheLogReadOnlyAndSaysWhy) {
  SimulatedWorld world(1);
  LogLedger ledger;
  auto log = *RecoverLog(world.environment(), &ledger);
  world.RunUntilIdle();
  world.files().FailAt(world.files().operations() + 1, Fault::kIoError);
  for (uint64_t i = 0; i < 5; ++i)
    ASSERT_TRUE(ledger.Append(log.get(), 1 + i % 2, Durability::kFsync, "lost"));
  Status told;
  log->WhenDurable([&](Status status) { told = std::move(status); });
  world.RunUntilIdle();
  EXPECT_EQ(ledger.acknowledged(), 0);
  EXPECT_EQ(ledger.unanswered(), 0);
  EXPECT_EQ(CodeOf(told), ErrorCode::kUnavailable);
  EXPECT_EQ(CodeOf(log->health()), ErrorCode::kUnavailable);
  EXPECT_THAT(log->health().message(), HasSubstr("Input/output error"));
  EXPECT_THAT(log->health().message(), HasSubstr("read-only"));
  EXPECT_FALSE(ledger.Append(log.get(), 1, Durability::kFsync, "refused"));
  EXPECT_EQ(CodeOf(ledger.last_refusal()), ErrorCode::kUnavailable);
  EXPECT_EQ(log->counters().flush_failures.value(), 1);
  EXPECT_EQ(log->counters().pending_records.value(), 0);
  const int64_t writes = world.files().operations(Operation::kSyncedWrite);
  world.RunUntilIdle();
  EXPECT_EQ(world.files().operations(Operation::kSyncedWrite), writes) << "nothing is tried again";
}

TEST(LogAsync, IsAcknowledgedAheadOfTheDiskOnlyInsideTheWindow) {
  SimulatedWorld world(1);
  LogLedger ledger;
  auto log = *RecoverLog(world.environment(), &ledger);
  world.RunUntilIdle();
  // Nothing reaches the disk while nobody runs the world, and nobody is told either.
  const uint64_t window = kSmallWindow.bytes;
  for (uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(ledger.Append(log.get(), 3, Durability::kAsync, SomeBytes(window / 3, i)));
  }
  EXPECT_LE(log->counters().async_bytes.value(), static_cast<int64_t>(window));
  EXPECT_GT(log->counters().async_bytes.value(), 0);
  world.RunUntilIdle();
  EXPECT_EQ(ledger.acknowledged(), 10) << "the others when they are durable";
  EXPECT_EQ(log->counters().async_bytes.value(), 0);
  EXPECT_EQ(ledger.trouble(), "");

  ASSERT_TRUE(ledger.Append(log.get(), 3, Durability::kAsync, "first"));
  const int64_t ahead = log->counters().async_bytes.value();
  EXPECT_GT(ahead, 0);
  world.clock().Advance(kSmallWindow.ns);
  ASSERT_TRUE(ledger.Append(log.get(), 3, Durability::kAsync, "too late to go ahead"));
  EXPECT_EQ(log->counters().async_bytes.value(), ahead);
  ASSERT_TRUE(ledger.Append(log.get(), 4, Durability::kMemory, ""));
  world.RunUntilIdle();
  EXPECT_EQ(ledger.acknowledged(), 13);
  EXPECT_EQ(ledger.trouble(), "");
}

TEST(LogAsync, EveryShardHasAWindowOfItsOwn) {
  SimulatedWorld world(2);
  LogLedger ledger;
  auto log = *RecoverLog(world.environment(), &ledger);
  world.RunUntilIdle();
  std::vector<ShardId> answered;
  const auto append = [&](ShardId shard, AsyncWindow window) {
    const auto position = log->Append({.shard = shard,
                                       .durability = Durability::kAsync,
                                       .async_window = window,
                                       .payload = BufferChain::FromString(std::string(1000, 'x'))},
                                      [&, shard](const storage::LogPosition&, const Status& status) {
                                        EXPECT_TRUE(status.ok());
                                        answered.push_back(shard);
                                      });
    ASSERT_TRUE(position.ok());
  };
  append(1, {.bytes = 2500, .ns = kSmallWindow.ns});
  append(1, {.bytes = 2500, .ns = kSmallWindow.ns});
  append(1, {.bytes = 2500, .ns = kSmallWindow.ns});  // waits
  append(2, {.bytes = 500, .ns = kSmallWindow.ns});   // larger than its window
  append(3, {.bytes = 1 << 20, .ns = kSmallWindow.ns});
  append(1, {.bytes = 1 << 20, .ns = kSmallWindow.ns});  // behind one that waits
  EXPECT_EQ(log->counters().async_bytes.value(), 3 * static_cast<int64_t>(storage::RecordBytes(1000)));
  world.RunUntilIdle();
  EXPECT_EQ(log->counters().async_bytes.value(), 0);
  std::sort(answered.begin(), answered.end());
  EXPECT_EQ(answered, (std::vector<ShardId>{1, 1, 1, 1, 2, 3}));
}

TEST(LogFault, AFullDiskRefusesBeforeAcceptedRecordsSuffer) {
  for (uint64_t capacity = 20'000; capacity < 400'000; capacity += 7'777) {
    SCOPED_TRACE("capacity " + std::to_string(capacity));
    SimulatedWorld world(capacity);
    LogLedger ledger;
    world.files().set_capacity(capacity);
    auto log = *RecoverLog(world.environment(), &ledger);
    int accepted = 0;
    while (
        ledger.Append(log.get(), 1, Durability::kFsync, SomeBytes(2500, static_cast<uint64_t>(accepted)))) {
      if (++accepted % 5 == 0) world.RunUntilIdle();
      ASSERT_LT(accepted, 1000);
    }
    EXPECT_EQ(CodeOf(ledger.last_refusal()), ErrorCode::kResourceExhausted)
        << ledger.last_refusal().ToString();
    world.RunUntilIdle();
    EXPECT_EQ(ledger.acknowledged(), accepted);
    EXPECT_TRUE(log->health().ok());

    log.reset();  // a full disk does not stop a start
    auto again = RecoverLog(world.environment(), &ledger);
    ASSERT_TRUE(again.ok()) << again.status().ToString();
    log = *std::move(again);
    world.RunUntilIdle();

    world.files().set_capacity(capacity + 200'000);
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(ledger.Append(log.get(), 1, Durability::kFsync, SomeBytes(2500, 1)))
          << ledger.last_refusal().ToString();
    }
    world.RunUntilIdle();
    EXPECT_EQ(ledger.acknowledged(), accepted + 20);
    world.PowerCycle();
    log.reset();
    const auto recovered = RecoverLog(world.environment(), &ledger);
    ASSERT_TRUE(recovered.ok()) << recovered.status().ToString();
  }
}

// A disk that fills up, a start on the full disk, space that comes back, segments given back. False when it
// ended early.
bool FillAndFree(SimulatedWorld* world, LogLedger* ledger) {
  world->files().set_capacity(120'000);
  for (int restart = 0; restart < 2; ++restart) {
    auto log = RecoverLog(world->environment(), ledger);
    if (!log.ok()) return false;
    for (uint64_t i = 0; i < 200; ++i) {
      if (!ledger->Append(log->get(), 1, Durability::kFsync, SomeBytes(2500, i))) break;
      if (i % 4 == 0) world->RunUntilIdle();
    }
    world->RunUntilIdle();
  }
  auto log = RecoverLog(world->environment(), ledger);
  if (!log.ok()) return false;
  world->files().set_capacity(400'000);
  for (uint64_t i = 0; i < 20; ++i) {
    if (!ledger->Append(log->get(), 1, Durability::kFsync, SomeBytes(2500, i))) return false;
  }
  world->RunUntilIdle();
  ledger->Release((*log)->last_appended());
  if (!(*log)->ReleaseThrough((*log)->last_appended()).ok()) return false;
  world->RunUntilIdle();
  return world->files().power_is_on();
}

TEST(LogFault, ThePowerMayGoAnywhereWhileADiskFillsAndEmpties) {
  for (int64_t n = 1;; ++n) {
    bool ended = false;
    for (const auto point :
         {simulation::CutPoint::kBefore, simulation::CutPoint::kInside, simulation::CutPoint::kAfter}) {
      SCOPED_TRACE("seed 5, power cut at operation " + std::to_string(n) + ", point " +
                   std::to_string(static_cast<int>(point)));
      SimulatedWorld world(5);
      LogLedger ledger;
      world.files().CutPowerAt(n, point);
      ended = FillAndFree(&world, &ledger);
      world.PowerCycle();
      const auto log = RecoverLog(world.environment(), &ledger);
      ASSERT_TRUE(log.ok()) << log.status().ToString();
      ASSERT_EQ(ledger.trouble(), "");
    }
    if (ended) break;
  }
}

TEST(LogFault, ReleasingSegmentsOnAFullDiskLetsWritesGoOn) {
  SimulatedWorld world(3);
  LogLedger ledger;
  world.files().set_capacity(150'000);
  auto log = *RecoverLog(world.environment(), &ledger);
  for (int round = 0; round < 5; ++round) {
    int accepted = 0;
    while (ledger.Append(log.get(), 1, Durability::kFsync, SomeBytes(2500, 1))) ++accepted;
    ASSERT_EQ(CodeOf(ledger.last_refusal()), ErrorCode::kResourceExhausted);
    EXPECT_GT(accepted, 3) << "round " << round;
    world.RunUntilIdle();
    ledger.Release(log->last_appended());
    ASSERT_TRUE(log->ReleaseThrough(log->last_appended()).ok());
    world.RunUntilIdle();
  }
  world.PowerCycle();
  log.reset();
  const auto recovered = RecoverLog(world.environment(), &ledger);
  ASSERT_TRUE(recovered.ok()) << recovered.status().ToString();
}

}  // namespace
}  // namespace longbow::crash
