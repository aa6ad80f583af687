#include "longbow/index/flat/wanted_rows.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace longbow::index {
namespace {

TEST(WantedRows, AgreeWithAskingEachRow) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 60; ++round) {
    const auto rows = static_cast<RowOrdinal>(1 + random() % 5000);
    SlabArena arena(nullptr);
    VectorStore store(distance::ElementType::kUInt8, 1, &arena, nullptr);
    RowVersions versions(nullptr);
    store.Grow(rows);
    versions.Grow(rows);
    // Shares out of 64 of rows that are dead, unborn, null, selected.
    const uint64_t dead = random() % 3 * 20, unborn = random() % 3 * 4, null = random() % 2 * 10;
    const uint64_t selected = random() % 2 == 0 ? 2 : 60;
    RowSelection selection(rows);
    for (RowOrdinal row = 0; row < rows; ++row) {
      if (random() % 64 >= unborn) versions.SetBorn(row, 1 + random() % 10);
      if (random() % 64 < dead) versions.SetDied(row, 5 + random() % 10);
      if (random() % 64 < null) store.SetNull(row);
      if (random() % 64 < selected) selection.Add(row);
    }
    const Visibility visibility{&versions, random() % 20, static_cast<RowOrdinal>(random() % (rows + 1))};
    const RowSelection* chosen = round % 2 == 0 ? nullptr : &selection;

    std::vector<RowOrdinal> expected, each, by_run;
    for (RowOrdinal row = 0; row < rows; ++row) {
      if (!visibility.Visible(row) || !store.Present(row)) continue;
      if (chosen == nullptr || chosen->Contains(row)) expected.push_back(row);
    }
    WantedRows wanted(&store, visibility, chosen);
    for (RowOrdinal first = 0; first < wanted.end(); first += WantedRows::kRows) {
      const size_t before = each.size();
      const uint32_t count = wanted.Load(first);
      wanted.ForEach([&](RowOrdinal row) { each.push_back(row); });
      EXPECT_EQ(each.size() - before, count);
      uint32_t runs = 0;
      EXPECT_TRUE(wanted.ForEachRun([&](RowOrdinal row, uint32_t n) {
        EXPECT_TRUE(by_run.empty() || by_run.back() < row);
        for (uint32_t i = 0; i < n; ++i) by_run.push_back(row + i);
        ++runs;
        return true;
      }));
      EXPECT_EQ(wanted.runs(), runs);
    }
    ASSERT_EQ(each, expected);
    ASSERT_EQ(by_run, expected);
  }
}

TEST(WantedRows, ARunAcrossWordsIsOneRun) {
  SlabArena arena(nullptr);
  VectorStore store(distance::ElementType::kUInt8, 1, &arena, nullptr);
  RowVersions versions(nullptr);
  store.Grow(1024);
  versions.Grow(1024);
  for (RowOrdinal row = 60; row < 700; ++row) versions.SetBorn(row, 1);
  WantedRows wanted(&store, {&versions, 1, 1024}, nullptr);
  EXPECT_EQ(wanted.Load(0), 640u);
  EXPECT_EQ(wanted.runs(), 1u);
}

}  // namespace
}  // namespace longbow::index
