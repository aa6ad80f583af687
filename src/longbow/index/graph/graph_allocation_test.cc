// A warm search asks for no memory.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include "longbow/index/graph/graph_builder.h"
#include "longbow/index/graph/graph_index.h"
#include "longbow/index/graph/graph_walk.h"

namespace {

thread_local int64_t allocations = 0;

}  // namespace

// Not inlined, or the compiler sees half of a pair and warns.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  void* p = std::malloc(size);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace longbow::index {
namespace {

constexpr uint32_t kDim = 24, kRows = 3000, kK = 10;

class GraphAllocation : public testing::Test {
 protected:
  GraphAllocation() {
    store_.Grow(kRows);
    versions_.Grow(kRows);
    for (RowOrdinal row = 0; row < kRows; ++row) {
      float vector[kDim];
      for (float& x : vector) x = normal_(random_);
      std::memcpy(store_.MutableRow(row), vector, sizeof(vector));
      versions_.SetBorn(row, 1);
    }
    IndexInput input;
    input.store = &store_;
    input.versions = &versions_;
    input.ledger = &ledger_;
    builder_ = std::make_unique<GraphBuilder>(input, GraphOptions{});  // whoever appends builds
    index_ = std::make_unique<GraphIndex>(input);
    index_->RowsAppended(0, kRows);
    EXPECT_EQ(index_->indexed_end(), kRows);
  }

  RowSelection OneIn(RowOrdinal every) const {
    RowSelection selection(kRows);
    for (RowOrdinal row = 0; row < kRows; row += every) selection.Add(row);
    return selection;
  }

  // Searches that are alike until they are warm, and as many again; what those asked for.
  SearchWork ExpectNone(Method method, uint32_t queries, uint32_t ef, const RowSelection* selection) {
    const auto scratch = index_->NewScratch();
    SearchHits hits;
    const std::vector<uint32_t> k(queries, kK);
    std::vector<float> points(queries * kDim);
    SearchSpec spec;
    spec.method = method;
    spec.effort.ef = ef;
    spec.query_count = queries;
    spec.query_stride = kDim * sizeof(float);
    spec.queries = reinterpret_cast<const std::byte*>(points.data());
    spec.k = k;
    spec.visibility = {&versions_, 1, kRows};
    spec.selection = selection;
    constexpr int kRounds = 200;
    int64_t before = 0;
    SearchWork work;
    for (int round = 0; round < 2 * kRounds; ++round) {
      if (round == kRounds) before = allocations, work = {};
      for (float& x : points) x = normal_(random_);
      EXPECT_TRUE(index_->Search(spec, scratch.get(), &hits).ok());
      EXPECT_EQ(hits.neighbors.size(), queries * kK);
      work += hits.work;
    }
    EXPECT_GT(before, 0);
    EXPECT_EQ(allocations - before, 0);
    return work;
  }

  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  RowVersions versions_{&ledger_};
  VectorStore store_{distance::ElementType::kFloat32, kDim, &arena_, &ledger_};
  std::mt19937 random_{7};
  std::normal_distribution<float> normal_;
  std::unique_ptr<GraphBuilder> builder_;
  std::unique_ptr<GraphIndex> index_;
};

TEST_F(GraphAllocation, AWarmWalkAsksForNoMemory) {
  EXPECT_GT(ExpectNone(Method::kWalk, 2, 0, nullptr).hops, 0);
  const RowSelection half = OneIn(2);
  EXPECT_GT(ExpectNone(Method::kWalk, 2, 0, &half).hops, 0);
}

// One row in ten: from one in four on, all nodes are walked over instead.
TEST_F(GraphAllocation, AWarmFilteredWalkAsksForNoMemory) {
  const RowSelection selection = OneIn(10);
  const SearchWork filtered = ExpectNone(Method::kFilteredWalk, 2, 64, &selection),
                   plain = ExpectNone(Method::kWalk, 2, 64, &selection);
  EXPECT_GT(filtered.hops, 0);
  EXPECT_LT(filtered.hops, plain.hops / 2) << "it went through nodes that pass";
}

TEST_F(GraphAllocation, AWarmScanOfCodesAsksForNoMemory) {
  const RowSelection selection = OneIn(10);
  for (const uint32_t queries : {1u, 20u}) {
    for (const RowSelection* chosen : {static_cast<const RowSelection*>(nullptr), &selection}) {
      const SearchWork work = ExpectNone(Method::kCodeScan, queries, 0, chosen);
      EXPECT_EQ(work.hops, 0);
      EXPECT_GT(work.codes, 0);
    }
  }
}

TEST_F(GraphAllocation, AWarmWalkByReachAsksForNoMemory) {
  builder_->RowsAppended(0, kRows);
  const Graph& graph = *builder_->graph();
  GraphWalk walk;
  std::vector<float> point(graph.layout().n);
  SearchWork work;
  int64_t before = 0;
  for (int round = 0; round < 400; ++round) {
    if (round == 200) before = allocations;
    for (float& x : point) x = normal_(random_);
    walk.Aim(graph, point.data(), GraphWalk::Order::kMetric);
    ASSERT_TRUE(
        walk.RunReaching(graph, {.most = 512, .rank = kK, .reach = 0.2f, .hops = 64}, nullptr, &work));
    walk.SortVisited();
    ASSERT_GE(walk.visited().size(), kK);
  }
  EXPECT_GT(before, 0);
  EXPECT_EQ(allocations - before, 0);
}

}  // namespace
}  // namespace longbow::index
