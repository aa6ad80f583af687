// A warm search allocates nothing between its request and its hits.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "longbow/query/neighbor_search.h"
#include "longbow/query/query_vectors.h"
#include "longbow/query/test_database.h"
#include "longbow/query/workspace.h"

namespace {

thread_local bool counting = false;
thread_local int64_t allocations = 0;

void* Allocate(std::size_t size) {
  if (counting) ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void* AllocateOrNull(std::size_t size) noexcept {
  if (counting) ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}
void* Allocate(std::size_t size, std::align_val_t alignment) {
  if (counting) ++allocations;
  const auto align = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(align, (size + align - 1) / align * align)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return Allocate(size); }
void* operator new[](std::size_t size) { return Allocate(size); }
void* operator new(std::size_t size, std::align_val_t alignment) { return Allocate(size, alignment); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return Allocate(size, alignment); }
// Those of a sanitizer would not go with the deletes below.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return AllocateOrNull(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return AllocateOrNull(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace longbow::query {
namespace {

TEST(SearchAllocationTest, AWarmSearchAllocatesNothingUpToItsHits) {
  TestDatabase database;
  std::vector<std::vector<double>> points;
  for (int i = 0; i < 5000; ++i) points.push_back({i % 7 * 1.0, i % 11 * 1.0, i % 13 * 1.0, i % 17 * 1.0});
  database.Put("d", Batch({{"id", Range(0, 5000)}, {"vector", Vectors(points, 4)}}));
  database.WaitIndexed("d");  // a plan is chosen anew when the index has changed
  const auto view = database.engine().Pin("d").ValueOrDie();

  Workspace workspace;
  Queries from_json, from_arrow;
  for (int i = 0; i < 16; ++i) from_json.numbers.push_back({1.0, 2.0, 3.0, i * 1.0});
  from_arrow.array = Vectors(from_json.numbers, 4);
  const auto search = [&](const Queries& queries) {
    Budget budget(SystemClock(), 0, nullptr, 0);
    NeighborSearch neighbors;
    neighbors.view = view.get();
    neighbors.budget = &budget;
    workspace.k.assign(16, 10);
    LB_RETURN_NOT_OK(PrepareQueries(queries, 16, *view, 0, 0, &workspace));
    return FindNeighbors(neighbors, &workspace).status();
  };
  for (const Queries* queries : {&from_json, &from_arrow}) {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(search(*queries).ok());
    allocations = 0;
    counting = true;
    Status status;
    for (int i = 0; i < 10; ++i) status = search(*queries);
    counting = false;
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(workspace.hits.neighbors.size(), 160u);
    EXPECT_EQ(allocations, 0) << (queries == &from_json ? "numbers" : "array");
  }
  counting = true;
  const auto* one = new int(1);
  counting = false;
  EXPECT_EQ(allocations, 1) << "the count itself must work";
  delete one;
}

}  // namespace
}  // namespace longbow::query
