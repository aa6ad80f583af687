// What only the flat index promises; what every index promises is in tests/conformance.
#include "longbow/index/flat/flat_index.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <random>
#include <vector>

namespace {
std::atomic<int64_t> allocations{0};

void* Count(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

// Not inline, or the compiler takes malloc and delete for a mismatch.
#define LONGBOW_COUNTED __attribute__((noinline))
LONGBOW_COUNTED void* operator new(std::size_t size) { return Count(size); }
LONGBOW_COUNTED void* operator new[](std::size_t size) { return Count(size); }
LONGBOW_COUNTED void operator delete(void* memory) noexcept { std::free(memory); }
LONGBOW_COUNTED void operator delete[](void* memory) noexcept { std::free(memory); }
LONGBOW_COUNTED void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
LONGBOW_COUNTED void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace longbow::index {
namespace {

constexpr uint32_t kDim = 300;  // a call of many queries takes a part of a block, and a slab ends inside one

class FlatIndexTest : public testing::Test {
 protected:
  void Append(RowOrdinal rows) {
    store_.Grow(rows);
    versions_.Grow(rows);
    for (RowOrdinal row = 0; row < rows; ++row) {
      float vector[kDim];
      for (float& x : vector) x = static_cast<float>(random_() % 1000) * 0.01f;
      std::memcpy(store_.MutableRow(row), vector, sizeof(vector));
      versions_.SetBorn(row, 1);
    }
    index_.RowsAppended(0, rows);
    end_ = rows;
  }
  std::vector<float> Queries(uint32_t count) {
    std::vector<float> queries(count * kDim);
    for (float& x : queries) x = static_cast<float>(random_() % 1000) * 0.01f;
    return queries;
  }
  SearchSpec Spec(const std::vector<float>& queries, const std::vector<uint32_t>& k) {
    SearchSpec spec;
    spec.queries = reinterpret_cast<const std::byte*>(queries.data());
    spec.query_stride = kDim * sizeof(float);
    spec.query_count = static_cast<uint32_t>(k.size());
    spec.k = k;
    spec.visibility = {&versions_, 1, end_};
    return spec;
  }

  std::mt19937_64 random_{1};
  SlabArena arena_{nullptr};
  VectorStore store_{distance::ElementType::kFloat32, kDim, &arena_, nullptr};
  RowVersions versions_{nullptr};
  FlatIndex index_{[this] {
    IndexInput input;
    input.store = &store_;
    input.versions = &versions_;
    return input;
  }()};
  RowOrdinal end_ = 0;
};

TEST_F(FlatIndexTest, ASearchAllocatesNothingOnceWarm) {
  Append(5000);
  const auto one = Queries(1), many = Queries(40);
  RowSelection sparse(5000), dense(5000);
  for (RowOrdinal row = 0; row < 5000; ++row) {
    if (row % 7 == 0) sparse.Add(row);
    if (row % 50 != 0) dense.Add(row);
  }
  const std::vector<uint32_t> k_one{10}, k_many(40, 100);
  auto scratch = index_.NewScratch();
  SearchHits hits;
  const auto search_all = [&] {
    for (const RowSelection* selection :
         {static_cast<const RowSelection*>(nullptr), static_cast<const RowSelection*>(&sparse),
          static_cast<const RowSelection*>(&dense)}) {
      SearchSpec single = Spec(one, k_one), batch = Spec(many, k_many);
      single.selection = batch.selection = selection;
      Budget budget;
      batch.budget = &budget;
      ASSERT_TRUE(index_.Search(single, scratch.get(), &hits).ok());
      ASSERT_TRUE(index_.Search(batch, scratch.get(), &hits).ok());
    }
  };
  search_all();
  const int64_t before = allocations.load();
  ASSERT_GT(before, 0);  // they are counted
  for (int i = 0; i < 10; ++i) search_all();
  EXPECT_EQ(allocations.load() - before, 0);
}

TEST_F(FlatIndexTest, WorkIsCountedExactly) {
  Append(3000);
  const auto queries = Queries(40);
  const std::vector<uint32_t> k(40, 3);
  RowSelection selection(3000);
  for (RowOrdinal row = 0; row < 3000; row += 3) selection.Add(row);
  auto scratch = index_.NewScratch();
  SearchHits hits;
  SearchSpec spec = Spec(queries, k);
  ASSERT_TRUE(index_.Search(spec, scratch.get(), &hits).ok());
  EXPECT_EQ(hits.work.distances, 3000 * 40);
  EXPECT_EQ(hits.work.bytes, 3000 * kDim * 4);
  spec.method = Method::kSelectionScan;
  spec.selection = &selection;
  ASSERT_TRUE(index_.Search(spec, scratch.get(), &hits).ok());
  EXPECT_EQ(hits.work.distances, 1000 * 40);
  EXPECT_EQ(hits.work.bytes, 1000 * kDim * 4);
}

TEST_F(FlatIndexTest, ABatchAnswersLikeItsQueriesOneByOne) {
  Append(3000);
  const auto queries = Queries(37);
  std::vector<uint32_t> k(37);
  for (uint32_t i = 0; i < 37; ++i) k[i] = 1 + i * 5;
  RowSelection selection(3000);
  for (RowOrdinal row = 0; row < 3000; ++row) {
    if (random_() % 3 == 0) selection.Add(row);
  }
  auto scratch = index_.NewScratch();
  SearchHits batch, one;
  for (const RowSelection* chosen :
       {static_cast<const RowSelection*>(nullptr), static_cast<const RowSelection*>(&selection)}) {
    SearchSpec spec = Spec(queries, k);
    spec.selection = chosen;
    ASSERT_TRUE(index_.Search(spec, scratch.get(), &batch).ok());
    for (uint32_t q = 0; q < 37; ++q) {
      const std::vector<uint32_t> single{k[q]};
      SearchSpec alone = Spec(queries, single);
      alone.queries += q * alone.query_stride;
      alone.selection = chosen;
      ASSERT_TRUE(index_.Search(alone, scratch.get(), &one).ok());
      ASSERT_EQ(batch.offsets[q + 1] - batch.offsets[q], one.neighbors.size());
      for (size_t i = 0; i < one.neighbors.size(); ++i) {
        ASSERT_EQ(batch.neighbors[batch.offsets[q] + i].row, one.neighbors[i].row)
            << "query " << q << " hit " << i;
        ASSERT_EQ(batch.neighbors[batch.offsets[q] + i].distance, one.neighbors[i].distance);
      }
    }
  }
}

TEST_F(FlatIndexTest, ABudgetThatEndsWithTheLastRowHasSeenAllOfThem) {
  Append(4096);
  const auto queries = Queries(1);
  const std::vector<uint32_t> k{10};
  auto scratch = index_.NewScratch();
  SearchHits hits;
  SearchSpec spec = Spec(queries, k);
  Budget enough(nullptr, 0, nullptr, 4096), short_of_one_block(nullptr, 0, nullptr, 3000);
  spec.budget = &enough;
  ASSERT_TRUE(index_.Search(spec, scratch.get(), &hits).ok());
  EXPECT_EQ(hits.coverage, Coverage::kExact);
  spec.budget = &short_of_one_block;
  ASSERT_TRUE(index_.Search(spec, scratch.get(), &hits).ok());
  EXPECT_EQ(hits.coverage, Coverage::kPartial);
  EXPECT_EQ(hits.neighbors.size(), 10u);
}

TEST_F(FlatIndexTest, WhoeverWaitsForRowsIsToldWhenTheyArriveOrTheIndexCloses) {
  int arrived = 0, cancelled = 0;
  {
    IndexInput input;
    input.store = &store_;
    FlatIndex index(input);
    const auto done = [&](Status status) { ++(status.ok() ? arrived : cancelled); };
    index.WhenIndexed(0, done);
    EXPECT_EQ(arrived, 1);
    index.WhenIndexed(10, done);
    index.WhenIndexed(20, done);
    index.RowsAppended(0, 9);
    EXPECT_EQ(arrived, 1);
    index.RowsAppended(9, 10);
    EXPECT_EQ(arrived, 2);
    EXPECT_EQ(index.indexed_end(), 10u);
  }
  EXPECT_EQ(arrived, 2);
  EXPECT_EQ(cancelled, 1);
}

TEST_F(FlatIndexTest, CostGrowsWithRowsAndQueriesAndASmallSelectionIsCheaper) {
  SearchShape shape;
  shape.rows = 10000;
  const auto cost = [&](const SearchShape& s) { return index_.Methods(s).front().nanos; };
  SearchShape more = shape, batch = shape, chosen = shape;
  more.rows = 20000;
  batch.queries = 100;
  chosen.has_selection = true;
  chosen.selected = 100;
  EXPECT_GE(cost(more), 2 * cost(shape));  // beyond what caches hold, a row costs more
  EXPECT_LT(cost(more), 4 * cost(shape));
  EXPECT_GT(cost(batch), cost(shape));
  EXPECT_LT(cost(batch), 100 * cost(shape));
  EXPECT_LT(cost(chosen), cost(shape) / 5);
  SearchShape among_dead = shape;
  among_dead.held = 1000000;
  EXPECT_GT(cost(among_dead), 2 * cost(shape));
  EXPECT_EQ(index_.Methods(shape).front().method, Method::kExactScan);
  EXPECT_EQ(index_.Methods(chosen).front().method, Method::kSelectionScan);
}

}  // namespace
}  // namespace longbow::index
