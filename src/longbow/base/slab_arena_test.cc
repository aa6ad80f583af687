#include "longbow/base/slab_arena.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>

namespace longbow {
namespace {

TEST(SlabArena, SlabsAreAlignedApartAndWritable) {
  MemoryLedger ledger(0, 0);
  SlabArena arena(&ledger);
  std::set<std::byte*> slabs;
  for (int i = 0; i < 9; ++i) {
    std::byte* slab = arena.Allocate();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(slab) % kSlabBytes, 0u);
    EXPECT_TRUE(slabs.insert(slab).second);
    std::memset(slab, i, 64);
    std::memset(slab + kSlabBytes - 64, i, 64);
  }
  EXPECT_EQ(arena.slabs_in_use(), 9);
  EXPECT_EQ(ledger.used(MemoryUse::kSlabs), 9 * static_cast<int64_t>(kSlabBytes));
}

TEST(SlabArena, SlabsGivenBackAreHandedOutFirst) {
  MemoryLedger ledger(0, 0);
  SlabArena arena(&ledger);
  std::byte* first = arena.Allocate();
  std::byte* second = arena.Allocate();
  arena.Free(first);
  EXPECT_EQ(arena.slabs_in_use(), 1);
  EXPECT_EQ(ledger.used(), static_cast<int64_t>(kSlabBytes));
  EXPECT_EQ(arena.Allocate(), first);
  arena.Free(first);
  arena.Free(second);
  EXPECT_EQ(ledger.used(), 0);
}

TEST(SlabArena, KeepsTheMemoryOfSomeFreeSlabsAndHandsTheseOutFirst) {
  MemoryLedger ledger(0, int64_t{64} << 20);
  SlabArena arena(&ledger);
  std::vector<std::byte*> slabs(40);
  for (std::byte*& slab : slabs) std::memset(slab = arena.Allocate(), 1, kSlabBytes);
  for (std::byte* slab : slabs) arena.Free(slab);
  const auto resident = [](std::byte* slab) {
    unsigned char present = 0;
    EXPECT_EQ(mincore(slab, SlabArena::kPageBytes, &present), 0);
    return (present & 1) != 0;
  };
  EXPECT_EQ(std::count_if(slabs.begin(), slabs.end(), resident), 16);
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(resident(arena.Allocate()));
  EXPECT_FALSE(resident(arena.Allocate()));
}

TEST(SlabArena, GivesTheLedgerBackWhatWasStillOut) {
  MemoryLedger ledger(0, 0);
  {
    SlabArena arena(&ledger);
    arena.Allocate();
  }
  EXPECT_EQ(ledger.used(), 0);
}

TEST(SlabArena, ThreadsNeverShareASlab) {
  SlabArena arena(nullptr);
  std::atomic<int> torn{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        std::byte* slab = arena.Allocate();
        std::memset(slab, t, 4096);
        for (int b = 0; b < 4096; b += 512) torn += slab[b] != static_cast<std::byte>(t) ? 1 : 0;
        arena.Free(slab);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(torn.load(), 0);
  EXPECT_EQ(arena.slabs_in_use(), 0);
}

TEST(SlabArenaDeathTest, RefusesWhatIsNoSlab) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  SlabArena arena(nullptr);
  std::byte* slab = arena.Allocate();
  EXPECT_DEATH(arena.Free(slab + 1), "kSlabBytes");
}

}  // namespace
}  // namespace longbow
