#include "longbow/index/graph/row_chains.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "longbow/index/graph/graph_space.h"
#include "longbow/index/vector_source.h"

namespace longbow::index {
namespace {

constexpr uint32_t kDim = 16;

class RowChainsTest : public testing::Test {
 protected:
  RowChainsTest() {
    store_.Grow(2);
    chains_.Grow(2);
    for (RowOrdinal row = 0; row < 2; ++row) {
      for (uint32_t i = 0; i < kDim; ++i)
        reinterpret_cast<float*>(store_.MutableRow(row))[i] = static_cast<float>(row + i);
    }
    space_ = std::make_unique<GraphSpace>(distance::Metric::kL2, &store_, 1, 0, 2);
    graph_ = std::make_unique<Graph>(space_.get(), 32, 2, codec::VectorCode::kSq8, &ledger_);
  }
  Slot MakeNode(RowOrdinal row) {
    std::vector<double> vector(space_->scratch_doubles());
    std::vector<float> point(space_->n());
    const float bias = space_->PlaceRow(row, vector.data(), point.data());
    return graph_->MakeNode(point.data(), bias);
  }

  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  VectorStore store_{distance::ElementType::kFloat32, kDim, &arena_, &ledger_};
  std::unique_ptr<GraphSpace> space_;
  std::unique_ptr<Graph> graph_;
  RowChains chains_{&ledger_};
};

TEST_F(RowChainsTest, ARowOfItsOwnGivesItsNodeBack) {
  const std::atomic<Graph*> known{graph_.get()};
  const Slot slot = MakeNode(0);
  ASSERT_TRUE(chains_.Place(*graph_, slot, 0));
  EXPECT_EQ(chains_.slot(0), slot);
  EXPECT_EQ(chains_.Erase(known, 0), slot);
  EXPECT_EQ(chains_.Erase(known, 0), kNoSlot);
}

TEST_F(RowChainsTest, ARowErasedBeforeThereIsAGraphIsNotPlacedLater) {
  const std::atomic<Graph*> none{nullptr};
  EXPECT_EQ(chains_.Erase(none, 1), kNoSlot);
  EXPECT_FALSE(chains_.Place(*graph_, MakeNode(1), 1));
}

// The first row of a dataset replaced at once: whoever erases it came before the graph was made, and waits
// while the row is placed in it.
TEST_F(RowChainsTest, TheGraphMayBeMadeWhileARowIsErased) {
  std::atomic<Graph*> known{nullptr};
  const Slot slot = MakeNode(0);
  std::thread placing, erasing;
  Slot erased = kNoSlot;
  {
    const NodeLock held(graph_->header(slot));
    placing = std::thread([&] { EXPECT_TRUE(chains_.Place(*graph_, slot, 0)); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it waits for the node, and holds the row
    erasing = std::thread([&] { erased = chains_.Erase(known, 0); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it waits for the row
    known.store(graph_.get(), std::memory_order_release);
  }
  placing.join();
  erasing.join();
  EXPECT_EQ(erased, slot);
}

}  // namespace
}  // namespace longbow::index
