// What the engine's surface cannot reach: keys whose numbers collide, and when indexes forget rows.
#include "longbow/engine/shard.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "longbow/engine/engine_for_test.h"
#include "longbow/engine/view.h"

namespace longbow::engine {
namespace {

class ShardTest : public ::testing::Test {
 protected:
  ShardTest() {
    input_.environment.builders = builders_.get();
    input_.ledger = &ledger_;
    input_.arena = &arena_;
    input_.gate = std::make_shared<TaskGate>();
  }
  void Make(const arrow::Schema& schema) {
    layout_ = StoredLayout::Make(*ReadSchema(schema, {}));
    shard_ = std::make_shared<Shard>(input_, "d", *layout_, 1);
    shard_->AddVectors(*shard_->MakeVectors(*layout_->schema, 0));
  }
  // Puts with all keys' numbers reduced to `number`.
  void PutColliding(Sequence at, const std::string& ids, uint64_t number) {
    const auto batch = BatchOf({{arrow::field("id", arrow::utf8()), ids}});
    if (shard_ == nullptr) Make(*batch->schema());
    auto put = *PreparePut(*layout_, Deliver(*batch)->batch);
    for (auto& key : put.keys) key = number;
    shard_->Put(at, put);
  }
  bool Finds(const std::string& key, uint64_t number, Sequence at) {
    bool known = false;
    const RowOrdinal row = shard_->FindKey({number, key}, shard_->block_list().blocks(),
                                           {&shard_->versions(), at, shard_->end()}, &known);
    return row != kNoRow;
  }

  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  std::unique_ptr<Executor> builders_ = MakeThreadPool({"b", 1, 16});
  ShardInput input_;
  std::shared_ptr<const StoredLayout> layout_;
  std::shared_ptr<Shard> shard_;
};

TEST_F(ShardTest, StringsThatShareANumberAreToldApart) {
  PutColliding(1, R"(["a", "b", "c"])", 42);
  PutColliding(2, R"(["b", "d"])", 42);
  EXPECT_EQ(shard_->live_rows(), 4);
  EXPECT_EQ(shard_->Delete(3, std::vector<Key>{{42, "a"}, {42, "never"}}), 1);
  for (const char* key : {"b", "c", "d"}) EXPECT_TRUE(Finds(key, 42, 3)) << key;
  EXPECT_FALSE(Finds("a", 42, 3));
  EXPECT_TRUE(Finds("a", 42, 2));
  EXPECT_FALSE(Finds("d", 42, 1));
  EXPECT_FALSE(Finds("never", 42, 3));
  PutColliding(4, R"(["a", "a"])", 42);
  EXPECT_EQ(shard_->live_rows(), 4);
  EXPECT_TRUE(Finds("a", 42, 4));
}

TEST_F(ShardTest, HorizonIsTheOldestViewOrWhatIsPublished) {
  ViewPins pins;
  pins.Publish(5);
  EXPECT_EQ(pins.Horizon(), 5u);
  pins.Pin(5);
  pins.Pin(5);
  pins.Publish(9);
  EXPECT_EQ(pins.Horizon(), 5u);
  pins.Unpin(5);
  EXPECT_EQ(pins.Horizon(), 5u);
  pins.Unpin(5);
  EXPECT_EQ(pins.Horizon(), 9u);
}

TEST_F(ShardTest, BlocksMergeLikeACounterAndStopAtTheirCap) {
  BlockList list(&ledger_);
  const auto one = BatchOf({{arrow::field("id", arrow::int64()), "[1]"}});
  RowOrdinal next = 0;
  for (int i = 0; i < 1000; ++i) list.Append(next++, one);
  EXPECT_LE(list.blocks().size(), 11u);
  const auto wide = arrow::RecordBatch::MakeEmpty(one->schema()).ValueOrDie();
  EXPECT_EQ(list.Append(next, wide), 0);
  RowOrdinal expected = 0;
  for (const auto& block : list.blocks()) {
    EXPECT_EQ(block->first, expected);
    expected = block->end;
    EXPECT_LE(block->rows->num_rows(), BlockList::kMaxRows);
  }
  EXPECT_EQ(expected, next);
  EXPECT_EQ(ledger_.used(MemoryUse::kRows), list.bytes());
  EXPECT_EQ(FindBlock(list.blocks(), next), nullptr);
  EXPECT_EQ(FindBlock(list.blocks(), 0)->first, 0u);
}

}  // namespace
}  // namespace longbow::engine
