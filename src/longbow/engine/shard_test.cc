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

// Writes down what it is told to forget.
class ForgettingIndex final : public index::VectorIndex {
 public:
  std::string_view name() const override { return "forgetting"; }
  void RowsAppended(RowOrdinal, RowOrdinal end) override { end_ = end; }
  void Erase(std::span<const RowOrdinal> rows) override {
    std::lock_guard lock(mutex_);
    forgotten_.insert(forgotten_.end(), rows.begin(), rows.end());
  }
  void Forget(RowOrdinal, RowOrdinal) override {}
  std::vector<RowOrdinal> forgotten() const {
    std::lock_guard lock(mutex_);
    return forgotten_;
  }
  std::vector<index::MethodCost> Methods(const index::SearchShape&) const override {
    return {{index::Method::kExactScan, 0, true}};
  }
  std::unique_ptr<index::SearchScratch> NewScratch() const override { return nullptr; }
  Status Search(const index::SearchSpec&, index::SearchScratch*, index::SearchHits*) const override {
    return Status::OK();
  }
  RowOrdinal indexed_end() const override { return end_; }
  void WhenIndexed(RowOrdinal, std::function<void(Status)> done) override { done(Status::OK()); }
  Status Save(FileSystem*, std::string_view) override { return Status::OK(); }
  Status Load(FileSystem*, std::string_view) override { return Status::OK(); }
  Result<index::AuditReport> Audit() const override { return index::AuditReport{}; }
  std::vector<index::IndexGauge> Gauges() const override { return {}; }
  int64_t memory_bytes() const override { return 0; }

 private:
  mutable std::mutex mutex_;
  std::vector<RowOrdinal> forgotten_;
  RowOrdinal end_ = 0;
};

TEST_F(ShardTest, IndexesForgetARowOnlyWhenNoViewCanSeeIt) {
  const auto batch =
      BatchOf({{arrow::field("id", arrow::int64()), "[1, 2, 3]"},
               {arrow::field("vector", arrow::fixed_size_list(arrow::float32(), 1)), "[[1], [2], [3]]"}});
  layout_ = StoredLayout::Make(*ReadSchema(*batch->schema(), {}));
  shard_ = std::make_shared<Shard>(input_, "d", *layout_, 1);
  auto vectors = *shard_->MakeVectors(*layout_->schema, 0);
  auto owned = std::make_unique<ForgettingIndex>();
  const ForgettingIndex& index = *owned;
  vectors[0]->index = std::move(owned);
  shard_->AddVectors(std::move(vectors));
  const auto put = *PreparePut(*layout_, Deliver(*batch)->batch);
  shard_->Put(1, put);
  shard_->Published(1, std::make_shared<const RowBlocks>(shard_->block_list().blocks()), shard_->end());
  shard_->PinView(1);
  shard_->Delete(2, std::vector<Key>{{2, ""}});
  shard_->Published(2, std::make_shared<const RowBlocks>(shard_->block_list().blocks()), shard_->end());
  shard_->PinView(2);
  shard_->Delete(3, std::vector<Key>{{1, ""}});
  EXPECT_TRUE(index.forgotten().empty());
  shard_->UnpinView(1);
  builders_.reset();  // runs what was posted
  EXPECT_EQ(index.forgotten(), (std::vector<RowOrdinal>{1})) << "key 1 was still alive at the oldest view";
}

}  // namespace
}  // namespace longbow::engine
