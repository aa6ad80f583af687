#include "longbow/engine/block_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "longbow/base/random.h"

namespace longbow::engine {
namespace {

using testing::ElementsAre;

constexpr Sequence kNow = 10;

// A shard of which it is known which rows live, and the blocks that a snapshot left.
class Shelf {
 public:
  explicit Shelf(RowOrdinal rows) : end_(rows), versions_(nullptr) {
    versions_.Grow(rows);
    for (RowOrdinal row = 0; row < rows; ++row) versions_.SetBorn(row, 1);
  }
  void Kill(RowOrdinal row) { versions_.SetDied(row, 2); }
  bool Lives(RowOrdinal row) const { return versions_.died(row) == kNever; }
  void Block(RowOrdinal first, RowOrdinal end) {
    storage::BlockEntry entry;
    entry.file = blocks_.size() + 1;
    entry.first_row = first;
    entry.end_row = end;
    entry.rows = end - first;
    blocks_.push_back(entry);
    sealed_end_ = end;
  }
  BlockPlan Plan(RowOrdinal end) {
    PlanInput input;
    input.blocks = &blocks_;
    input.visibility = {&versions_, kNow, end};
    input.sealed_end = sealed_end_;
    input.row_bytes = row_bytes_;
    input.limits = limits_;
    return PlanBlocks(input);
  }
  BlockPlan Plan() { return Plan(end_); }
  BlockLimits limits_;
  int64_t row_bytes_ = 100;

 private:
  const RowOrdinal end_;
  RowVersions versions_;
  std::vector<storage::BlockEntry> blocks_;
  RowOrdinal sealed_end_ = 0;
};

TEST(BlockPlan, WritesNewRowsAndKeepsLargeOldBlocksAsTheyAre) {
  Shelf shelf(1000);
  shelf.Block(0, 900);
  const BlockPlan plan = shelf.Plan();
  ASSERT_EQ(plan.kept.size(), 1u);
  EXPECT_TRUE(plan.kept[0].dead.empty());
  ASSERT_EQ(plan.written.size(), 1u);
  EXPECT_EQ(plan.written[0].first, 900u);
  EXPECT_EQ(plan.written[0].end, 1000u);
}

TEST(BlockPlan, WritesNothingWhenNothingChanged) {
  Shelf shelf(1000);
  shelf.Block(0, 300);
  shelf.Block(300, 1000);
  const BlockPlan plan = shelf.Plan();
  EXPECT_EQ(plan.kept.size(), 2u);
  EXPECT_TRUE(plan.written.empty());
}

TEST(BlockPlan, ShrinksBlocksOfWideRowsSooner) {
  Shelf shelf(1000);
  shelf.Block(0, 1000);
  for (RowOrdinal row = 0; row < 150; ++row) shelf.Kill(row);
  EXPECT_EQ(shelf.Plan().compacted, 0);
  shelf.row_bytes_ = 4 * 1024;
  EXPECT_EQ(shelf.Plan().compacted, 1);
  shelf.limits_.dead_percent = 5;
  shelf.row_bytes_ = 100;
  EXPECT_EQ(shelf.Plan().compacted, 1) << "never later than others";
}

TEST(BlockPlan, KeepsBlocksOfWideRowsThatAreATenthDead) {
  Shelf shelf(1000);
  shelf.Block(0, 1000);
  shelf.row_bytes_ = 4 * 1024;
  for (RowOrdinal row = 0; row < 100; ++row) shelf.Kill(row);
  EXPECT_EQ(shelf.Plan().compacted, 0);
  shelf.Kill(100);
  EXPECT_EQ(shelf.Plan().compacted, 1);
}

TEST(BlockPlan, MergesSmallBlocksAtTheEndSoThatTheyStayFew) {
  Shelf shelf(1040);
  shelf.Block(0, 1000);
  shelf.Block(1000, 1010);
  shelf.Block(1010, 1020);
  const BlockPlan plan = shelf.Plan();
  ASSERT_EQ(plan.written.size(), 1u);
  EXPECT_EQ(plan.written[0].first, 1000u);
  EXPECT_EQ(plan.written[0].end, 1040u);
  EXPECT_EQ(plan.merged, 2);
}

TEST(BlockPlan, RemembersTheDeadOfABlockThatStays) {
  Shelf shelf(100);
  shelf.Block(0, 100);
  for (RowOrdinal row = 0; row < 20; ++row) shelf.Kill(row);
  const BlockPlan plan = shelf.Plan();
  ASSERT_EQ(plan.kept.size(), 1u);
  for (RowOrdinal row = 0; row < 100; ++row) EXPECT_EQ(plan.kept[0].IsDead(row), row < 20) << row;
}

TEST(BlockPlan, WritesABlockAgainOnceMoreThanAFifthOfItDied) {
  Shelf shelf(100);
  shelf.Block(0, 100);
  for (RowOrdinal row = 0; row < 21; ++row) shelf.Kill(row);
  const BlockPlan plan = shelf.Plan();
  EXPECT_EQ(plan.kept.size(), 1u) << "until it is written again";
  EXPECT_TRUE(plan.written.empty());
  ASSERT_EQ(plan.rewrites.size(), 1u);
  EXPECT_THAT(plan.rewrites[0].files, ElementsAre(1));
  ASSERT_EQ(plan.rewrites[0].written.size(), 1u);
  EXPECT_EQ(plan.rewrites[0].written[0].first, 21u);
  EXPECT_EQ(plan.compacted, 1);
}

TEST(BlockPlan, LeavesOutABlockWhoseRowsAllDied) {
  Shelf shelf(200);
  shelf.Block(0, 100);
  shelf.Block(100, 200);
  for (RowOrdinal row = 0; row < 100; ++row) shelf.Kill(row);
  const BlockPlan plan = shelf.Plan();
  ASSERT_EQ(plan.kept.size(), 1u);
  EXPECT_EQ(plan.kept[0].first_row, 100u);
  EXPECT_TRUE(plan.written.empty());
}

TEST(BlockPlan, CompactsTheDeadestFirstWithinItsBudget) {
  Shelf shelf(4000);
  shelf.limits_.file_rows = 1000;
  for (RowOrdinal first = 0; first < 4000; first += 1000) shelf.Block(first, first + 1000);
  for (RowOrdinal row = 0; row < 210; ++row) shelf.Kill(row);
  for (RowOrdinal row = 2000; row < 2600; ++row) shelf.Kill(row);
  for (RowOrdinal row = 3000; row < 3250; ++row) shelf.Kill(row);
  shelf.limits_.compaction_bytes = 1;  // beside what the 1,060 dead rows hold
  const BlockPlan plan = shelf.Plan();
  EXPECT_EQ(plan.compacted, 2);
  EXPECT_EQ(plan.kept.size(), 4u);
  ASSERT_EQ(plan.rewrites.size(), 2u);
  EXPECT_THAT(plan.rewrites[0].files, ElementsAre(3));
  ASSERT_EQ(plan.rewrites[0].written.size(), 1u);
  EXPECT_EQ(plan.rewrites[0].written[0].first, 2600u);
  EXPECT_EQ(plan.rewrites[0].written[0].end, 3000u);
  EXPECT_THAT(plan.rewrites[1].files, ElementsAre(4));
}

TEST(BlockPlan, WritesBlocksAgainOneByOneUnlessTheyAreSmallTogether) {
  Shelf shelf(4000);
  shelf.limits_.file_rows = 1000;
  for (RowOrdinal first = 0; first < 4000; first += 1000) shelf.Block(first, first + 1000);
  for (RowOrdinal row = 0; row < 4000; ++row) {
    if (row % 1000 < (row < 2000 ? 600u : 300u)) shelf.Kill(row);
  }
  const BlockPlan plan = shelf.Plan();
  ASSERT_EQ(plan.rewrites.size(), 3u);
  EXPECT_THAT(plan.rewrites[0].files, ElementsAre(1, 2)) << "the most dead first";
  EXPECT_THAT(plan.rewrites[1].files, ElementsAre(3));
  EXPECT_THAT(plan.rewrites[2].files, ElementsAre(4));
}

TEST(BlockPlan, CutsFilesThatAreAShareOfWhatLives) {
  Shelf shelf(1000);
  shelf.row_bytes_ = 1 << 20;
  EXPECT_EQ(shelf.Plan().written.size(), 4u);
  shelf.row_bytes_ = 1 << 14;
  EXPECT_EQ(shelf.Plan().written.size(), 1u) << "16 MiB are never cut";
}

TEST(BlockPlan, KeepsTheDeadestBlockInReachWhereNothingIsNew) {
  Shelf shelf(1000);
  shelf.Block(0, 1000);
  for (RowOrdinal row = 0; row < 500; ++row) shelf.Kill(row);
  shelf.limits_.compaction_bytes = 0;
  EXPECT_EQ(shelf.Plan().compacted, 1) << "what the dead hold is budget, too";
}

TEST(BlockPlan, HoldsEveryVisibleRowExactlyOnce) {
  const uint64_t seed = 11;
  const auto random = MakeSeededRandom(seed);
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", round " + std::to_string(round));
    const auto rows = static_cast<RowOrdinal>(1 + random->Next() % 500);
    Shelf shelf(rows);
    shelf.limits_.file_rows = static_cast<uint32_t>(1 + random->Next() % 100);
    shelf.limits_.compaction_bytes = static_cast<int64_t>(random->Next() % 20000);
    RowOrdinal at = 0;
    while (at < rows && random->Next() % 8 != 0) {
      const auto end = std::min<RowOrdinal>(rows, at + 1 + static_cast<RowOrdinal>(random->Next() % 120));
      shelf.Block(at, end);
      at = end;
    }
    const uint64_t mortality = random->Next() % 100;
    for (RowOrdinal row = 0; row < rows; ++row) {
      if (random->Next() % 100 < mortality) shelf.Kill(row);
    }
    const BlockPlan plan = shelf.Plan();
    std::set<uint64_t> rewritten;
    const auto rewritten_once = [&](const BlockRewrite& rewrite) {
      return std::all_of(rewrite.files.begin(), rewrite.files.end(),
                         [&](uint64_t file) { return rewritten.insert(file).second; });
    };
    std::vector<int> held(rows, 0);
    for (const auto& block : plan.kept) {
      for (RowOrdinal row = block.first_row; row < block.end_row; ++row)
        held[row] += block.IsDead(row) ? 0 : 1;
    }
    for (const RowRange& range : plan.written) {
      uint32_t count = 0;
      for (RowOrdinal row = range.first; row < range.end; ++row) {
        held[row] += shelf.Lives(row) ? 1 : 0;
        count += shelf.Lives(row) ? 1 : 0;
      }
      ASSERT_GT(count, 0u);
      ASSERT_LE(count, shelf.limits_.file_rows);
      ASSERT_TRUE(shelf.Lives(range.first) && shelf.Lives(range.end - 1));
    }
    for (RowOrdinal row = 0; row < rows; ++row) ASSERT_EQ(held[row], shelf.Lives(row) ? 1 : 0) << row;
    for (const BlockRewrite& rewrite : plan.rewrites) {
      std::set<RowOrdinal> replaced, written;
      for (const auto& block : plan.kept) {
        if (std::find(rewrite.files.begin(), rewrite.files.end(), block.file) == rewrite.files.end())
          continue;
        for (RowOrdinal row = block.first_row; row < block.end_row; ++row) {
          if (shelf.Lives(row)) replaced.insert(row);
        }
      }
      for (const RowRange& range : rewrite.written) {
        for (RowOrdinal row = range.first; row < range.end; ++row) {
          if (shelf.Lives(row)) {
            ASSERT_TRUE(written.insert(row).second) << row;
          }
        }
      }
      ASSERT_EQ(written, replaced);
      ASSERT_TRUE(rewritten_once(rewrite));
    }
  }
}

}  // namespace
}  // namespace longbow::engine
