#include "longbow/engine/key_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "longbow/base/random.h"

namespace longbow::engine {
namespace {

void ExpectSame(const KeyTable& table, const std::unordered_map<uint64_t, RowOrdinal>& model) {
  ASSERT_EQ(table.size(), model.size());
  for (const auto& [number, row] : model) {
    const RowOrdinal* const found = table.Find(number);
    ASSERT_NE(found, nullptr) << number;
    ASSERT_EQ(*found, row) << number;
  }
}

TEST(KeyTable, FindsWhatAMapFindsAfterAnyInsertionsAndRemovals) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    const std::unique_ptr<Random> random = MakeSeededRandom(seed);
    const auto below = [&](uint64_t n) { return random->Next() % n; };
    // Few numbers, so that they come again; small and large tables; every bit takes part.
    const uint64_t range = seed % 2 == 0 ? 40 : 20'000;
    const auto number = [&] { return below(range) << (seed * 7); };
    KeyTable table;
    std::unordered_map<uint64_t, RowOrdinal> model;
    for (RowOrdinal row = 0; row < 60'000; ++row) {
      const uint64_t one = number();
      if (below(3) > 0) {
        table.Reserve(1);
        const auto [slot, is_new] = table.Insert(one, row);
        ASSERT_EQ(is_new, model.find(one) == model.end());
        *slot = model[one] = row;
      } else if (model.erase(one) > 0) {
        table.Erase(one);
      } else {
        ASSERT_EQ(table.Find(one), nullptr);
      }
    }
    ExpectSame(table, model);
    while (!model.empty()) {
      table.Erase(model.begin()->first);
      model.erase(model.begin());
      if (model.size() % 1000 == 0) ExpectSame(table, model);
    }
  }
}

TEST(KeyTable, MovesNothingWhileThereIsReservedRoom) {
  KeyTable table;
  table.Reserve(1000);
  const int64_t bytes = table.bytes();
  const RowOrdinal* const first = table.Insert(7, 1).row;
  for (uint64_t number = 100; number < 1099; ++number) table.Insert(number, 2);
  EXPECT_EQ(table.Find(7), first);
  EXPECT_EQ(table.bytes(), bytes);
}

TEST(KeyTable, SpreadsNumbersThatDifferOnlyInHighBits) {
  std::vector<int> used(256);
  for (uint64_t i = 0; i < 256 * 16; ++i) ++used[KeyTable::Hash(i << 48) >> 56];
  for (const int count : used) EXPECT_LT(count, 64);
  used.assign(256, 0);
  for (uint64_t i = 0; i < 256 * 16; ++i) ++used[KeyTable::Hash(i << 48) & 255];
  for (const int count : used) EXPECT_LT(count, 64);
}

}  // namespace
}  // namespace longbow::engine
