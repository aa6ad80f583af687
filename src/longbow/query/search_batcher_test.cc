#include "longbow/query/search_batcher.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>

#include "longbow/query/test_database.h"

namespace longbow::query {
namespace {

// Keeps what is posted until it is told to run it.
class HeldExecutor final : public Executor {
 public:
  void Post(Task task) override { tasks.push_back(std::move(task)); }
  bool TryPost(Task task) override {
    if (full) return false;
    Post(std::move(task));
    return true;
  }
  void PostAfter(int64_t, Task task) override { Post(std::move(task)); }
  int64_t waiting() const override { return static_cast<int64_t>(tasks.size()); }
  void WaitUntil(const std::function<bool()>& done) override {
    while (!done()) RunAll();
  }
  void RunAll() {
    while (!tasks.empty()) {
      const Task task = std::move(tasks.front());
      tasks.pop_front();
      task();
    }
  }
  std::deque<Task> tasks;
  bool full = false;
};

class SearchBatcherTest : public testing::Test {
 protected:
  SearchBatcherTest() {
    std::vector<std::vector<double>> points;
    for (int i = 0; i < 500; ++i) points.push_back({i * 1.0, i % 7 * 1.0});
    database_.Put("d", Batch({{"id", Range(0, 500)}, {"vector", Vectors(points, 2)}, {"n", Range(0, 500)}}));
  }
  static SearchRequest Ask(double x, int64_t k, bool arrow) {
    SearchRequest request;
    request.dataset = "d";
    request.exact = true;
    request.k = {k};
    request.number_queries = arrow;
    if (arrow) {
      request.queries.array = Vectors({{x, 1}}, 2);
    } else {
      request.queries.numbers = {{x, 1}};
    }
    return request;
  }
  void Submit(const SearchRequest& request) {
    answers_.emplace_back();
    auto* const slot = &answers_.back();
    ASSERT_TRUE(
        batcher_->Submit(request, [slot](Result<SearchAnswer> answer) { *slot = std::move(answer); }));
  }
  double Batched() const { return CountersSeen::Of(*batcher_)["search_batched_queries_total"]; }

  TestDatabase database_;
  HeldExecutor searchers_;
  const std::shared_ptr<SearchBatcher> batcher_ =
      std::make_shared<SearchBatcher>(&database_.query(), &searchers_);
  std::deque<std::optional<Result<SearchAnswer>>> answers_;
};

TEST_F(SearchBatcherTest, WhoWaitsTogetherGetsWhatEachWouldGetAlone) {
  std::vector<SearchRequest> requests;
  for (const bool arrow : {false, true}) {
    for (int i = 0; i < 100; ++i) {
      requests.push_back(Ask(i * 4.3, 1 + i % 5, arrow));
      requests.back().describe = i % 2 == 0;
    }
  }
  for (const auto& request : requests) Submit(request);
  searchers_.RunAll();
  for (size_t i = 0; i < requests.size(); ++i) {
    ASSERT_TRUE(answers_[i] && answers_[i]->ok()) << i;
    const auto alone = database_.query().Search(requests[i]).ValueOrDie();
    const SearchAnswer& together = **answers_[i];
    EXPECT_TRUE(together.hits->Equals(*alone.hits)) << together.hits->ToString() << alone.hits->ToString();
    EXPECT_TRUE(together.hits->ValidateFull().ok());
    EXPECT_EQ(together.offsets, alone.offsets);
    EXPECT_EQ(together.coverage, alone.coverage);
    EXPECT_EQ(together.hits->schema()->HasMetadata(), requests[i].describe);
  }
  EXPECT_EQ(Batched(), 200);
}

TEST_F(SearchBatcherTest, WhoComesAloneIsAnsweredAlone) {
  Submit(Ask(3, 2, false));
  searchers_.RunAll();
  Submit(Ask(4, 2, false));
  searchers_.RunAll();
  EXPECT_TRUE(answers_[0]->ok() && answers_[1]->ok());
  EXPECT_EQ(Batched(), 0);
}

TEST_F(SearchBatcherTest, OneThatIsWrongHarmsNoOther) {
  Submit(Ask(3, 2, false));
  Submit(Ask(3, 0, false));
  auto absent = Ask(3, 2, false);
  absent.dataset = "absent";
  Submit(absent);
  StopSource stop;
  stop.Stop();
  auto stopped = Ask(3, 2, false);
  stopped.stop = &stop;
  Submit(stopped);
  searchers_.RunAll();
  EXPECT_TRUE(answers_[0]->ok());
  EXPECT_EQ(CodeOf(answers_[1]->status()), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(answers_[2]->status()), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(answers_[3]->status()), ErrorCode::kCancelled);
}

TEST_F(SearchBatcherTest, WhoseTimeIsOverIsToldSoAndTheOthersAreAnswered) {
  auto late = Ask(3, 2, false), soon = late, patient = late;
  late.deadline_ns = database_.clock.MonotonicNanos() - 1;
  patient.deadline_ns = database_.clock.MonotonicNanos() + 30'000'000'000;
  for (const auto& request : {late, Ask(4, 2, false), patient, Ask(5, 2, false)}) Submit(request);
  searchers_.RunAll();
  EXPECT_EQ(CodeOf(answers_[0]->status()), ErrorCode::kDeadlineExceeded);
  for (size_t i = 1; i < 4; ++i) EXPECT_TRUE(answers_[i]->ok());
  EXPECT_EQ(Batched(), 3);

  // A second passes at each look: the search begins behind the first deadline.
  answers_.clear();
  patient.deadline_ns = database_.clock.MonotonicNanos() + 300'000'000'000;
  database_.clock.step_ns = 1'000'000'000;
  soon.deadline_ns = database_.clock.MonotonicNanos() + 1'500'000'000;
  for (const auto& request : {soon, Ask(4, 2, false), patient, soon, Ask(5, 2, false)}) Submit(request);
  searchers_.RunAll();
  for (const size_t i : {0, 3}) EXPECT_EQ(CodeOf(answers_[i]->status()), ErrorCode::kDeadlineExceeded);
  for (const size_t i : {1, 2, 4}) {
    ASSERT_TRUE(answers_[i]->ok()) << answers_[i]->status();
    EXPECT_EQ((*answers_[i])->hits->num_rows(), 2);
  }
  EXPECT_EQ(Batched(), 6);
}

TEST_F(SearchBatcherTest, WhereNoMoreMayWaitItSaysSoAndForgets) {
  searchers_.full = true;
  bool called = false;
  EXPECT_FALSE(batcher_->Submit(Ask(3, 2, false), [&](const Result<SearchAnswer>&) { called = true; }));
  searchers_.full = false;
  Submit(Ask(4, 2, false));
  searchers_.RunAll();
  EXPECT_FALSE(called);
  EXPECT_TRUE(answers_[0]->ok());
}

TEST_F(SearchBatcherTest, OnlyPlainSingleQueriesWaitTogether) {
  auto request = Ask(3, 2, true);
  EXPECT_TRUE(SearchBatcher::Takes(request));
  request.queries.keys = {"1"};
  EXPECT_FALSE(SearchBatcher::Takes(request));
  request = Ask(3, 2, false);
  request.queries.numbers.push_back({1, 2});
  EXPECT_FALSE(SearchBatcher::Takes(request));
  request = Ask(3, 2, false);
  request.explain = Explain::kPlan;
  EXPECT_FALSE(SearchBatcher::Takes(request));
}

}  // namespace
}  // namespace longbow::query
