#include "longbow/index/vector_source.h"

#include <gtest/gtest.h>

#include <cstring>

#include "longbow/base/memory_ledger.h"

namespace longbow::index {
namespace {

using distance::ElementType;

class VectorStoreTest : public testing::Test {
 protected:
  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
};

TEST_F(VectorStoreTest, ASlabHoldsAsManyRowsAsFit) {
  const auto rows = [this](ElementType type, uint32_t dim) {
    return VectorStore(type, dim, &arena_, &ledger_).rows_per_slab();
  };
  EXPECT_EQ(rows(ElementType::kFloat32, 128), 4096u);
  EXPECT_EQ(rows(ElementType::kFloat32, 768), 682u);
  EXPECT_EQ(rows(ElementType::kFloat32, 129), 4064u);
  EXPECT_EQ(rows(ElementType::kUInt8, 1), 2u << 20);
  EXPECT_EQ(rows(ElementType::kComplex128, 32768), 4u);
  EXPECT_EQ(rows(ElementType::kComplex64, 3), 87381u);
}

TEST_F(VectorStoreTest, EveryRowHasAPlaceOfItsOwn) {
  for (uint32_t dim : {1u, 3u, 128u, 129u, 768u, 1000u, 32768u}) {
    VectorStore store(ElementType::kFloat32, dim, &arena_, &ledger_);
    const uint32_t rows = store.rows_per_slab();
    store.Grow(3 * uint64_t{rows});
    for (RowOrdinal row = 1; row < 3 * rows; ++row) {
      const bool first_of_slab = row % rows == 0;
      ASSERT_EQ(store.ContiguousFrom(row), rows - row % rows) << dim;
      if (!first_of_slab) {
        ASSERT_EQ(store.Row(row), store.Row(row - 1) + store.row_bytes()) << dim;
      } else {
        ASSERT_EQ(reinterpret_cast<uintptr_t>(store.Row(row)) % kSlabBytes, 0u) << dim;
        ASSERT_NE(store.Row(row), store.Row(row - rows)) << dim;
      }
    }
  }
}

TEST_F(VectorStoreTest, RowsLieWithoutPaddingAndDoNotMove) {
  VectorStore store(ElementType::kFloat32, 768, &arena_, &ledger_);
  EXPECT_EQ(store.row_bytes(), 3072u);
  store.Grow(1);
  const std::byte* first = store.Row(0);
  store.Grow(5000);
  EXPECT_EQ(store.Row(0), first);
  EXPECT_EQ(store.Row(1), first + 3072);
  EXPECT_EQ(store.ContiguousFrom(0), 682u);
  EXPECT_EQ(store.ContiguousFrom(681), 1u);
  for (RowOrdinal row = 0; row < 5000; ++row) std::memcpy(store.MutableRow(row), &row, sizeof(row));
  for (RowOrdinal row = 0; row < 5000; ++row)
    ASSERT_EQ(std::memcmp(store.Row(row), &row, sizeof(row)), 0) << row;
}

TEST_F(VectorStoreTest, NullRowsAreAbsentAndTheOthersPresent) {
  VectorStore store(ElementType::kUInt8, 3, &arena_, &ledger_);
  store.Grow(100);
  EXPECT_TRUE(store.Present(70));
  EXPECT_EQ(store.NullWord(64), 0u);
  store.SetNull(70);
  store.SetNull(64);
  EXPECT_FALSE(store.Present(70));
  EXPECT_TRUE(store.Present(71));
  EXPECT_EQ(store.NullWord(64), uint64_t{1} | uint64_t{1} << 6);
  EXPECT_EQ(store.NullWord(0), 0u);
  const uint64_t far = 3 * uint64_t{store.rows_per_slab()};
  store.Grow(far);
  EXPECT_TRUE(store.Present(static_cast<RowOrdinal>(far - 1)));
}

TEST_F(VectorStoreTest, MemoryIsChargedAndGivenBack) {
  const int64_t before = ledger_.used();
  {
    VectorStore store(ElementType::kFloat32, 768, &arena_, &ledger_);
    store.Grow(683);
    EXPECT_EQ(store.bytes(), static_cast<int64_t>(2 * kSlabBytes));
    EXPECT_EQ(ledger_.used(MemoryUse::kSlabs), static_cast<int64_t>(2 * kSlabBytes));
    EXPECT_EQ(arena_.slabs_in_use(), 2);
  }
  EXPECT_EQ(arena_.slabs_in_use(), 0);
  EXPECT_EQ(ledger_.used(), before);
}

}  // namespace
}  // namespace longbow::index
