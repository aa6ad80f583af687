// Work for one dataset that fails, beside others that go on.
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <mutex>
#include <thread>

#include "longbow/base/counters_for_test.h"
#include "longbow/engine/engine_for_test.h"
#include "longbow/storage/manifest.h"

namespace longbow::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::shared_ptr<arrow::RecordBatch> RowsFrom(int first, int count) {
  std::string ids, texts, vectors;
  for (int i = first; i < first + count; ++i) {
    const std::string comma = i == first ? "" : ",", number = std::to_string(i);
    ids += comma + number;
    texts += comma + "\"row " + number + "\"";
    vectors += comma + "[" + number + ", " + std::to_string(i % 7) + ", 1, 2]";
  }
  return BatchOf(
      {{arrow::field("id", arrow::int64()), "[" + ids + "]"},
       {arrow::field("text", arrow::utf8()), "[" + texts + "]"},
       {arrow::field("vector", arrow::fixed_size_list(arrow::float32(), 4)), "[" + vectors + "]"}});
}

class Fences : public testing::Test {
 protected:
  Fences() : engine_(0, Options(this)) {}
  static EngineOptions Options(Fences* test) {
    EngineOptions options;
    options.log.segment_bytes = uint64_t{64} << 10;
    options.log.spare_segments = 0;
    options.fenced = [test](const std::string& dataset, const Status& why) {
      std::lock_guard lock(test->told_mutex_);
      test->told_ += dataset + ": " + why.message() + "\n";
    };
    return options;
  }
  // Has the index of the dataset, which holds rows, fail while it is built. How many rows it has then.
  int BreakIndex(const std::string& dataset, int rows) {
    for (const std::string& name : {std::string("good"), dataset})
      EXPECT_TRUE(engine_.WaitIndexed(name).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // for the log's own tasks
    engine_.builders().FailNext();
    EXPECT_TRUE(engine_.Put(dataset, RowsFrom(rows, 1000)).ok());
    EXPECT_EQ(CodeOf(engine_.WaitIndexed(dataset)), ErrorCode::kInternal);
    EXPECT_TRUE(engine_.builders().failed());
    return rows + 1000;
  }
  std::vector<std::string> All(const std::string& dataset) {
    const auto view = engine_->Pin(dataset);
    return view.ok() ? VisibleRows(**view) : std::vector<std::string>{view.status().message()};
  }
  storage::Manifest Manifest() const {
    const auto files = MakePosixFileSystem(engine_.directory(), 1).ValueOrDie();
    return storage::LoadManifest(files.get()).ValueOrDie();
  }
  Status Compact(const std::string& dataset) {
    std::promise<Status> done;
    engine_->Compact(dataset, [&](const Result<SnapshotInfo>& info) { done.set_value(info.status()); });
    return done.get_future().get();
  }
  std::string told() {
    std::lock_guard lock(told_mutex_);
    return told_;
  }

  std::mutex told_mutex_;
  std::string told_;  // guarded by told_mutex_
  EngineForTest engine_;
};

TEST_F(Fences, AnIndexThatCannotBeBuiltFencesItsDatasetAlone) {
  ASSERT_TRUE(engine_.Put("good", RowsFrom(0, 500)).ok());
  ASSERT_TRUE(engine_.Put("bad", RowsFrom(0, 500)).ok());
  BreakIndex("bad", 500);
  const auto sentence = AllOf(HasSubstr("fenced"), HasSubstr("'vector'"), HasSubstr("bad_alloc"),
                              HasSubstr("restart the server"));
  EXPECT_THAT(engine_.WaitIndexed("bad").message(), sentence);
  EXPECT_THAT(engine_.WaitIndexed().message(), sentence) << "who waits for all is told, too";
  EXPECT_THAT(engine_->Pin("bad").status().message(), sentence);
  EXPECT_THAT(engine_.Put("bad", RowsFrom(0, 1)).status().message(), sentence);
  EXPECT_THAT(told(), AllOf(HasSubstr("bad: "), sentence));
  const auto shown = CountersSeen::Of(*engine_);
  EXPECT_EQ(shown["datasets_fenced_total"], 1);
  EXPECT_EQ(shown["dataset_fenced/bad/" + engine_->Pin("bad").status().message()], 1);
  EXPECT_EQ(shown["background_task_failures_total"], 0);

  ASSERT_TRUE(engine_.Put("good", RowsFrom(500, 1000)).ok());
  EXPECT_TRUE(engine_.WaitIndexed("good").ok());
  EXPECT_EQ((*engine_->Pin("good"))->live_rows(), 1500);
  engine_.Reopen();  // and a stop comes to its end
  EXPECT_EQ((*engine_->Pin("bad"))->live_rows(), 1500) << "the log has it all";
  EXPECT_TRUE(engine_.WaitIndexed().ok());
}

TEST_F(Fences, SnapshotsGoOnWithoutTheFencedDatasetAndLoseNothingOfIt) {
  ASSERT_TRUE(engine_.Put("good", RowsFrom(0, 500)).ok());
  ASSERT_TRUE(engine_.Put("bad", RowsFrom(0, 500)).ok());
  ASSERT_TRUE(engine_.Snapshot().ok());
  const Sequence sealed = Manifest().snapshot_sequence;
  ASSERT_TRUE(engine_.Delete("bad", {"3", "400"}).ok());
  const auto expected_bad_before = All("bad");
  const int rows = BreakIndex("bad", 500);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(engine_.Put("good", RowsFrom(500 + 100 * i, 100)).ok());
    if (i % 7 == 0) {
      const auto info = engine_.Snapshot();
      ASSERT_TRUE(info.ok()) << info.status().ToString();
    }
  }
  ASSERT_TRUE(engine_.Delete("good", {"5"}).ok());
  ASSERT_TRUE(engine_.Snapshot().ok());
  const auto expected_good = All("good");
  EXPECT_EQ(CountersSeen::Of(*engine_)["snapshot_datasets_behind"], 1);
  const auto manifest = Manifest();
  EXPECT_GT(manifest.snapshot_sequence, sealed);
  EXPECT_EQ(manifest.log_begin(), sealed);
  EXPECT_EQ(CodeOf(Compact("bad")), ErrorCode::kInternal);
  EXPECT_TRUE(Compact("good").ok());

  for (int start = 0; start < 2; ++start) {  // and once more from what the start left
    engine_.Reopen();
    EXPECT_EQ(All("good"), expected_good);
    const auto bad = All("bad");
    ASSERT_EQ(bad.size(), static_cast<size_t>(rows - 2)) << bad.front();
    for (const auto& row : expected_bad_before) EXPECT_TRUE(std::binary_search(bad.begin(), bad.end(), row));
  }
  ASSERT_TRUE(engine_.Put("bad", RowsFrom(3, 1)).ok());
  const auto expected_bad = All("bad");
  ASSERT_TRUE(engine_.Snapshot().ok());
  EXPECT_EQ(Manifest().log_begin(), Manifest().snapshot_sequence) << "the log is let go";
  engine_.Reopen();
  EXPECT_EQ(All("good"), expected_good);
  EXPECT_EQ(All("bad"), expected_bad);
}

TEST_F(Fences, ADatasetThatNoSnapshotHasIsKeptByTheLog) {
  ASSERT_TRUE(engine_.Put("good", RowsFrom(0, 100)).ok());
  ASSERT_TRUE(engine_.Snapshot().ok());
  ASSERT_TRUE(engine_.Put("bad", RowsFrom(0, 500)).ok());
  const int rows = BreakIndex("bad", 500);
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(engine_.Put("good", RowsFrom(i * 500, 500)).ok());
    ASSERT_TRUE(engine_.Snapshot().ok());
  }
  engine_.Reopen();
  EXPECT_EQ(All("bad").size(), static_cast<size_t>(rows));
  EXPECT_EQ(All("good").size(), 1600u);
  ASSERT_TRUE(engine_.Put("third", RowsFrom(0, 5)).ok()) << "with an id of its own";
  EXPECT_EQ(All("bad").size(), static_cast<size_t>(rows));
}

TEST_F(Fences, AFencedDatasetCanBeDropped) {
  ASSERT_TRUE(engine_.Put("good", RowsFrom(0, 100)).ok());
  ASSERT_TRUE(engine_.CreateNamespace("ns").ok());
  for (const std::string name : {"bad", "ns/bad"}) {
    ASSERT_TRUE(engine_.Put(name, RowsFrom(0, 500)).ok());
    BreakIndex(name, 500);
  }
  ASSERT_TRUE(engine_.Snapshot().ok());
  EXPECT_EQ(Manifest().behind.size(), 2u);
  const Status dropped = engine_.Drop("bad");
  EXPECT_TRUE(dropped.ok()) << dropped.ToString();
  const Status emptied = engine_.DropNamespace("ns");
  EXPECT_TRUE(emptied.ok()) << emptied.ToString();
  EXPECT_EQ(CodeOf(engine_->Pin("bad").status()), ErrorCode::kNotFound);
  EXPECT_EQ(engine_->Datasets().size(), 1u);
  ASSERT_TRUE(engine_.Put("bad", RowsFrom(0, 7)).ok()) << "the name is free";
  engine_.Reopen();
  EXPECT_EQ(All("bad").size(), 7u);
  EXPECT_EQ(engine_->Datasets().size(), 2u);
  ASSERT_TRUE(engine_.Snapshot().ok());
  EXPECT_TRUE(Manifest().behind.empty());
}

}  // namespace
}  // namespace longbow::engine
