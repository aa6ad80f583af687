// A warm search asks for no memory.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <cstring>
#include <new>
#include <random>
#include <vector>

#include "longbow/index/graph/graph_index.h"

namespace {

thread_local int64_t allocations = 0;

}  // namespace

void* operator new(size_t size) {
  ++allocations;
  void* p = std::malloc(size);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace longbow::index {
namespace {

TEST(GraphAllocation, AWarmSearchAsksForNoMemory) {
  constexpr uint32_t kDim = 24, kRows = 3000;
  MemoryLedger ledger(0, 0);
  SlabArena arena(&ledger);
  RowVersions versions(&ledger);
  VectorStore store(distance::ElementType::kFloat32, kDim, &arena, &ledger);
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  store.Grow(kRows);
  versions.Grow(kRows);
  for (RowOrdinal row = 0; row < kRows; ++row) {
    float vector[kDim];
    for (float& x : vector) x = normal(random);
    std::memcpy(store.MutableRow(row), vector, sizeof(vector));
    versions.SetBorn(row, 1);
  }
  IndexInput input;
  input.store = &store;
  input.versions = &versions;
  input.ledger = &ledger;
  GraphIndex index(input);  // without builders, whoever appends builds
  index.RowsAppended(0, kRows);
  ASSERT_EQ(index.indexed_end(), kRows);

  RowSelection selection(kRows);
  for (RowOrdinal row = 0; row < kRows; row += 2) selection.Add(row);
  const auto scratch = index.NewScratch();
  SearchHits hits;
  const uint32_t k[] = {10, 30};
  std::vector<float> queries(2 * kDim);
  SearchSpec spec;
  spec.query_count = 2;
  spec.query_stride = kDim * sizeof(float);
  spec.queries = reinterpret_cast<const std::byte*>(queries.data());
  spec.k = k;
  spec.visibility = {&versions, 1, kRows};
  int64_t before = 0;
  for (int round = 0; round < 400; ++round) {
    if (round == 200) before = allocations;
    for (float& x : queries) x = normal(random);
    spec.method = round % 2 == 0 ? Method::kWalk : Method::kFilteredWalk;
    spec.selection = round % 2 == 0 ? nullptr : &selection;
    ASSERT_TRUE(index.Search(spec, scratch.get(), &hits).ok());
    ASSERT_EQ(hits.neighbors.size(), 40u);
  }
  EXPECT_GT(before, 0);
  EXPECT_EQ(allocations - before, 0);
}

}  // namespace
}  // namespace longbow::index
