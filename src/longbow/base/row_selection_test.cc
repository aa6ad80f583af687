#include "longbow/base/row_selection.h"

#include <gtest/gtest.h>

#include <memory>

#include "longbow/base/chunked_array.h"
#include "longbow/base/random.h"
#include "longbow/base/row_versions.h"

namespace longbow {
namespace {

bool BitAt(const std::vector<uint8_t>& bits, int64_t i) { return (bits[i / 8] >> (i % 8) & 1) != 0; }

TEST(RowSelection, AddsBitsFromAnywhereToAnywhere) {
  constexpr uint64_t kSeed = 42;
  auto random = MakeSeededRandom(kSeed);
  for (int round = 0; round < 3000; ++round) {
    const auto end = static_cast<RowOrdinal>(1 + random->Next() % 400);
    const auto first = static_cast<RowOrdinal>(random->Next() % (end + 1));
    const auto count = static_cast<int64_t>(random->Next() % (end - first + 1));
    const auto offset = static_cast<int64_t>(random->Next() % 70);
    // Exactly as many bytes as hold the bits, so that a sanitizer sees a read past them.
    std::vector<uint8_t> bits(static_cast<size_t>((offset + count + 7) / 8));
    for (auto& byte : bits) byte = static_cast<uint8_t>(random->Next());
    bits.shrink_to_fit();

    RowSelection selection(end);
    const auto already = static_cast<RowOrdinal>(random->Next() % end);
    selection.Add(already);
    selection.AddBits(first, bits.data(), offset, count);

    int64_t expected_count = 0;
    for (RowOrdinal row = 0; row < end; ++row) {
      const bool in_bits = row >= first && row - first < count && BitAt(bits, offset + (row - first));
      const bool expected = in_bits || row == already;
      expected_count += expected ? 1 : 0;
      ASSERT_EQ(selection.Contains(row), expected)
          << "seed " << kSeed << " round " << round << " row " << row << " first " << first << " offset "
          << offset << " count " << count;
    }
    ASSERT_EQ(selection.Count(), expected_count) << "seed " << kSeed << " round " << round;
  }
}

TEST(RowSelection, RowsPastTheEndAreNotContained) {
  RowSelection selection(10);
  selection.Add(9);
  EXPECT_TRUE(selection.Contains(9));
  EXPECT_FALSE(selection.Contains(10));
  EXPECT_FALSE(selection.Contains(kNoRow));
  EXPECT_EQ(RowSelection(0).Count(), 0);
}

TEST(RowSelection, VisitsEachRowOfARangeInOrderUntilTold) {
  RowSelection selection(300);
  std::vector<RowOrdinal> rows = {0, 1, 63, 64, 65, 127, 128, 200, 299};
  for (RowOrdinal row : rows) selection.Add(row);
  for (RowOrdinal from : {0u, 1u, 63u, 64u, 100u, 299u, 300u}) {
    for (RowOrdinal to : {0u, 1u, 64u, 65u, 128u, 299u, 300u, 1000u}) {
      std::vector<RowOrdinal> expected, visited;
      for (RowOrdinal row : rows) {
        if (row >= from && row < to) expected.push_back(row);
      }
      selection.ForEach(from, to, [&](RowOrdinal row) {
        visited.push_back(row);
        return true;
      });
      EXPECT_EQ(visited, expected) << from << ".." << to;
    }
  }
  int visits = 0;
  selection.ForEach(0, 300, [&](RowOrdinal) { return ++visits < 3; });
  EXPECT_EQ(visits, 3);
}

TEST(RowSelection, IntersectKeepsTheCommonRows) {
  RowSelection a(130), b(130);
  for (RowOrdinal row : {1u, 64u, 129u}) a.Add(row);
  for (RowOrdinal row : {2u, 64u, 129u}) b.Add(row);
  a.Intersect(b);
  EXPECT_EQ(a.Count(), 2);
  EXPECT_TRUE(a.Contains(64));
  EXPECT_TRUE(a.Contains(129));
}

TEST(RowVersions, ARowIsSeenFromItsBirthUntilItsDeath) {
  MemoryLedger ledger(0, 0);
  {
    const auto versions = std::make_unique<RowVersions>(&ledger);
    versions->Grow(ChunkedArray<Sequence>::kChunk + 1);
    EXPECT_GT(ledger.used(MemoryUse::kRows), 0);
    const RowOrdinal row = ChunkedArray<Sequence>::kChunk;  // in the second chunk
    const auto seen_at = [&](Sequence at) { return Visibility{versions.get(), at, row + 1}.Visible(row); };
    EXPECT_FALSE(seen_at(100)) << "never written";
    versions->SetBorn(row, 5);
    EXPECT_FALSE(seen_at(4));
    EXPECT_TRUE(seen_at(5));
    versions->SetDied(row, 9);
    EXPECT_TRUE(seen_at(8));
    EXPECT_FALSE(seen_at(9));
    EXPECT_FALSE((Visibility{versions.get(), 8, row}.Visible(row))) << "beyond what was pinned";
  }
  EXPECT_EQ(ledger.used(), 0);
}

TEST(RowSelectionTest, RangesAreAddedFromAnyBitToAnyOther) {
  for (const RowOrdinal first : {0u, 1u, 63u, 64u, 65u, 127u}) {
    for (const RowOrdinal end : {first, first + 1, first + 63, first + 64, first + 65, 300u}) {
      RowSelection selection(300), expected(300);
      selection.AddRange(first, end);
      for (RowOrdinal row = first; row < end; ++row) expected.Add(row);
      EXPECT_EQ(selection.words(), expected.words()) << first << " to " << end;
    }
  }
}

}  // namespace
}  // namespace longbow
