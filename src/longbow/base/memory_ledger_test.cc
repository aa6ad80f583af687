#include "longbow/base/memory_ledger.h"

#include <gtest/gtest.h>

#include <thread>

namespace longbow {
namespace {

TEST(MemoryLedger, ReturnsWhatAReservationHeld) {
  MemoryLedger ledger(0, 0);
  {
    MemoryReservation a = ledger.Reserve(MemoryUse::kLog, 100).ValueOrDie();
    MemoryReservation b = ledger.ReserveAlways(MemoryUse::kRows, 50);
    EXPECT_EQ(ledger.used(), 150);
    EXPECT_EQ(ledger.used(MemoryUse::kLog), 100);
    EXPECT_EQ(ledger.used(MemoryUse::kRows), 50);
    b = std::move(a);  // lets go of the 50
    EXPECT_EQ(ledger.used(), 100);
    EXPECT_EQ(a.bytes(), 0);
    EXPECT_EQ(b.bytes(), 100);
    b.Release();
    b.Release();
    EXPECT_EQ(ledger.used(), 0);
  }
  EXPECT_EQ(ledger.used(), 0);
  EXPECT_EQ(ledger.used(MemoryUse::kRows), 0);
}

TEST(MemoryLedger, RefusesAboveTheHardLimitWithNumbers) {
  MemoryLedger ledger(0, 1000);
  MemoryReservation held = ledger.Reserve(MemoryUse::kLog, 600).ValueOrDie();
  const Status refused = ledger.Reserve(MemoryUse::kNetwork, 401).status();
  EXPECT_EQ(CodeOf(refused), ErrorCode::kResourceExhausted);
  EXPECT_EQ(refused.message(), "memory limit exceeded: 600/1000 bytes used (write size: 401)");
  EXPECT_EQ(ledger.refusals().value(), 1);
  EXPECT_EQ(ledger.used(), 600) << "a refused reservation leaves no trace";
  EXPECT_TRUE(ledger.Reserve(MemoryUse::kNetwork, 400).ok());
  EXPECT_FALSE(ledger.Reserve(MemoryUse::kNetwork, INT64_MAX).ok());
}

TEST(MemoryLedger, ReadsHaveAShareOfTheirOwnBeyondTheHardLimit) {
  constexpr int64_t kShare = 16 << 20;
  MemoryLedger ledger(0, 1000);
  const MemoryReservation data = ledger.ReserveAlways(MemoryUse::kRows, 2000);
  {
    const auto read = ledger.ReserveToRead(kShare);
    ASSERT_TRUE(read.ok()) << read.status();
    const Status refused = ledger.ReserveToRead(1).status();
    EXPECT_EQ(CodeOf(refused), ErrorCode::kResourceExhausted);
    EXPECT_EQ(
        refused.message(),
        "memory limit exceeded: 16779216/1000 bytes used (read size: 1, for all reads under way: 16777216)");
    EXPECT_EQ(ledger.used(MemoryUse::kRequests), kShare) << "a refused read leaves no trace";
  }
  EXPECT_EQ(ledger.used(), 2000);
  EXPECT_FALSE(ledger.Reserve(MemoryUse::kRows, 1).ok()) << "not for writes";

  MemoryLedger large(0, int64_t{100} * kShare);
  EXPECT_TRUE(large.ReserveToRead(int64_t{60} * kShare).ok()) << "below the limit they may have all there is";
}

TEST(MemoryLedger, WhatMustBeHadIsCountedAndNotRefused) {
  MemoryLedger ledger(10, 100);
  MemoryReservation must = ledger.ReserveAlways(MemoryUse::kRows, 500);
  ledger.Charge(MemoryUse::kSlabs, 20);
  EXPECT_EQ(ledger.used(), 520);
  EXPECT_TRUE(ledger.above_soft_limit());
  ledger.Charge(MemoryUse::kSlabs, -20);
  EXPECT_EQ(ledger.used(), 500);
}

TEST(MemoryLedger, ResumesOnceBelowTheSoftLimit) {
  MemoryLedger ledger(100, 0);
  int resumed = 0;
  ledger.WhenBelowSoftLimit([&] { ++resumed; });
  EXPECT_EQ(resumed, 1) << "already below";
  ledger.Charge(MemoryUse::kLog, 150);
  ledger.WhenBelowSoftLimit([&] { ++resumed; });
  ledger.Charge(MemoryUse::kLog, -49);
  EXPECT_EQ(resumed, 1) << "101 of 100 is above";
  ledger.Charge(MemoryUse::kLog, -1);
  EXPECT_EQ(resumed, 2);
  ledger.Charge(MemoryUse::kLog, 100);
  ledger.Charge(MemoryUse::kLog, -100);
  EXPECT_EQ(resumed, 2) << "each is called once";
}

TEST(MemoryLedger, ThreadsNeverPassTheHardLimitNorMissAResume) {
  MemoryLedger ledger(500, 1000);
  std::atomic<int64_t> resumed{0}, asked{0}, beyond{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        auto reservation = ledger.Reserve(MemoryUse::kRequests, 300);
        if (ledger.used() > 1000) beyond.fetch_add(1);
        if (i % 8 == 0) {
          asked.fetch_add(1);
          ledger.WhenBelowSoftLimit([&] { resumed.fetch_add(1); });
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(beyond.load(), 0);
  EXPECT_EQ(resumed.load(), asked.load());
  EXPECT_EQ(ledger.used(), 0);
}

TEST(MemoryLedger, NamesEveryUse) {
  EXPECT_EQ(MemoryUseName(MemoryUse::kSlabs), "slabs");
  EXPECT_EQ(MemoryUseName(MemoryUse::kCache), "cache");
}

}  // namespace
}  // namespace longbow
