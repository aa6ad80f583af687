// Work for one dataset that fails, beside others that go on.
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <thread>

#include "longbow/base/counters_for_test.h"
#include "longbow/engine/engine_for_test.h"

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
    EXPECT_TRUE(engine_.WaitIndexed().ok());
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

}  // namespace
}  // namespace longbow::engine
