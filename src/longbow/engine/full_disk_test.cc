// Disks that fill up, and snapshots that do not come to their end.
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <thread>

#include "longbow/engine/engine_for_test.h"

namespace longbow::engine {
namespace {

using ::testing::HasSubstr;

EngineOptions SmallSegments(uint64_t snapshot_log_bytes = 0) {
  EngineOptions options;
  options.log.segment_bytes = uint64_t{64} << 10;
  options.log.spare_segments = 0;
  options.snapshot_log_bytes = snapshot_log_bytes;
  return options;
}

std::shared_ptr<arrow::RecordBatch> RowsFrom(int first, int count) {
  std::string ids, texts;
  for (int i = first; i < first + count; ++i) {
    ids += (ids.empty() ? "" : ",") + std::to_string(i);
    texts += (texts.empty() ? "\"" : ",\"") + std::string(100, static_cast<char>('a' + i % 26)) + "\"";
  }
  return BatchOf({{arrow::field("id", arrow::int64()), "[" + ids + "]"},
                  {arrow::field("text", arrow::utf8()), "[" + texts + "]"}});
}

// Batches of ten rows until one is refused; how many rows were taken.
int FillUp(EngineForTest& engine) {
  for (int first = 0; first < 100000; first += 10) {
    const auto ack = engine.Put("d", RowsFrom(first, 10));
    if (ack.ok()) continue;
    EXPECT_EQ(CodeOf(ack.status()), ErrorCode::kResourceExhausted) << ack.status().ToString();
    EXPECT_THAT(ack.status().message(), HasSubstr("disk full"));
    return first;
  }
  ADD_FAILURE() << "a full disk took 100,000 rows";
  return 0;
}

int64_t Live(EngineForTest& engine) { return (*engine->Pin("d"))->live_rows(); }

// Waits, for at most ten seconds.
template <typename Condition>
bool Comes(Condition&& condition) {
  for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return condition();
}

TEST(FullDisk, TakesDeletionsAndDropsAndTakesWritesAgainWhenThereIsSpace) {
  EngineForTest engine(0, SmallSegments());
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(engine.Put("d", RowsFrom(i * 10, 10)).ok());
  ASSERT_TRUE(engine.Put("other", RowsFrom(0, 10)).ok());
  engine.disk().set_full(true);
  const int taken = std::max(FillUp(engine), 600);
  EXPECT_EQ(Live(engine), taken);
  for (int key = 0; key < 50; ++key) {
    const auto deleted = engine.Delete("d", {std::to_string(key)});
    ASSERT_TRUE(deleted.ok()) << "key " << key << ": " << deleted.status().ToString();
  }
  EXPECT_EQ(Live(engine), taken - 50);
  EXPECT_FALSE(engine.Put("d", RowsFrom(0, 10)).ok()) << "the room was kept for deletions";
  EXPECT_TRUE(engine.Drop("other").ok());
  EXPECT_TRUE(engine->health().ok()) << engine->health().ToString();
  engine.disk().set_full(false);
  const auto again = engine.Put("d", RowsFrom(0, 10));
  EXPECT_TRUE(again.ok()) << again.status().ToString();
  engine.Reopen();
  EXPECT_EQ(Live(engine), taken - 40);
  EXPECT_FALSE(engine->Pin("other").ok());
}

TEST(FullDisk, ARowThatNeedsALargerSegmentIsRefusedAndSmallerOnesAreNot) {
  EngineForTest engine(0, SmallSegments());
  ASSERT_TRUE(engine.Put("d", RowsFrom(0, 10)).ok());
  engine.disk().set_full(true);
  const auto refused = engine.Put("d", RowsFrom(1000, 2000));
  EXPECT_EQ(CodeOf(refused.status()), ErrorCode::kResourceExhausted) << refused.status().ToString();
  EXPECT_TRUE(engine.Put("d", RowsFrom(10, 10)).ok());
  EXPECT_TRUE(engine.Delete("d", {"3"}).ok());
  EXPECT_EQ(Live(engine), 19);
  engine.disk().set_full(false);
  EXPECT_TRUE(engine.Put("d", RowsFrom(1000, 2000)).ok());
  engine.Reopen();
  EXPECT_EQ(Live(engine), 2019);
}

TEST(FullDisk, ASnapshotThatFoundNoSpaceIsTakenWhenThereIsSome) {
  EngineForTest engine(0, SmallSegments(/*snapshot_log_bytes=*/20000));
  ASSERT_TRUE(engine.Put("d", RowsFrom(0, 10)).ok());
  engine.disk().set_full(true);
  const auto refused = engine.Snapshot();
  EXPECT_EQ(CodeOf(refused.status()), ErrorCode::kResourceExhausted) << refused.status().ToString();
  const auto blocks = std::filesystem::path(engine.directory()) / "blocks";
  EXPECT_TRUE(std::filesystem::is_empty(blocks)) << "what was begun takes no space";
  EXPECT_TRUE(engine->health().ok());
  const int taken = std::max(FillUp(engine), 10);
  // The log asks for one of its own accord, which fails, too, and nothing is written that would ask again.
  const int refusals = engine.disk().refusals();
  EXPECT_TRUE(Comes([&] { return engine.disk().refusals() > refusals; })) << "it is tried again";
  engine.disk().set_full(false);
  EXPECT_TRUE(Comes([&] { return !std::filesystem::is_empty(blocks); }));
  EXPECT_TRUE(Comes([&] { return engine.Put("d", RowsFrom(0, 10)).ok(); }));
  EXPECT_TRUE(engine.Snapshot().ok());
  engine.Reopen();
  EXPECT_EQ(Live(engine), taken);
}

TEST(CancelledSnapshot, LeavesWhatWasBeforeAndNothingOfItself) {
  EngineForTest engine(0, SmallSegments());
  ASSERT_TRUE(engine.Put("d", RowsFrom(0, 100)).ok());
  ASSERT_TRUE(engine.Snapshot().ok());
  ASSERT_TRUE(engine.Put("d", RowsFrom(50, 100)).ok());
  engine.disk().Hold("blocks");
  std::promise<Result<SnapshotInfo>> answered;
  engine->TakeSnapshot([&](const Result<SnapshotInfo>& info) { answered.set_value(info); });
  engine.disk().AwaitWriter();
  std::thread closing([&] { engine.Stop(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  engine.disk().LetGo();
  closing.join();
  const auto info = answered.get_future().get();
  EXPECT_EQ(CodeOf(info.status()), ErrorCode::kCancelled) << info.status().ToString();
  ASSERT_TRUE(engine.Start().ok());
  EXPECT_EQ(Live(engine), 150);
  size_t blocks = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(engine.directory()) / "blocks")) {
    blocks += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(blocks, 1u) << "the first snapshot's; what the second had begun is gone";
  EXPECT_TRUE(engine.Snapshot().ok());
  engine.Reopen();
  EXPECT_EQ(Live(engine), 150);
}

}  // namespace
}  // namespace longbow::engine
