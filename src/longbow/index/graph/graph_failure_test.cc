// Builders that fail in the middle of their work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <future>
#include <random>

#include "longbow/base/failing_executor_for_test.h"
#include "longbow/index/graph/graph_index.h"

namespace longbow::index {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint32_t kDim = 4;

class GraphFailureTest : public testing::Test {
 protected:
  GraphFailureTest() {
    IndexInput input;
    input.store = &store_;
    input.versions = &versions_;
    input.builders = &builders_;
    input.ledger = &ledger_;
    input.failed = [this](const std::string& what) { failures_.push_back(what); };
    index_ = std::make_unique<GraphIndex>(input);
  }
  void Append(RowOrdinal count) {
    const RowOrdinal first = end_;
    end_ += count;
    store_.Grow(end_);
    versions_.Grow(end_);
    for (RowOrdinal row = first; row < end_; ++row) {
      float v[kDim];
      for (float& x : v) x = normal_(random_);
      std::memcpy(store_.MutableRow(row), v, sizeof(v));
      versions_.SetBorn(row, 1);
    }
    index_->RowsAppended(first, end_);
  }
  Status WaitIndexed() {
    std::promise<Status> indexed;
    index_->WhenIndexed(end_, [&](const Status& status) { indexed.set_value(status); });
    return indexed.get_future().get();
  }
  size_t Found() const {
    auto scratch = index_->NewScratch();
    const float query[kDim] = {};
    const uint32_t k[] = {10};
    SearchSpec spec;
    spec.queries = reinterpret_cast<const std::byte*>(query);
    spec.k = k;
    spec.visibility = {&versions_, 1, end_};
    SearchHits hits;
    EXPECT_TRUE(index_->Search(spec, scratch.get(), &hits).ok());
    return hits.neighbors.size();
  }

  std::mt19937_64 random_{7};
  std::normal_distribution<float> normal_;
  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  RowVersions versions_{&ledger_};
  VectorStore store_{distance::ElementType::kFloat32, kDim, &arena_, &ledger_};
  std::unique_ptr<Executor> pool_ = MakeThreadPool({.name = "builder", .threads = 4});
  FailingExecutor builders_{pool_.get()};
  std::vector<std::string> failures_;
  std::unique_ptr<GraphIndex> index_;
  RowOrdinal end_ = 0;
};

TEST_F(GraphFailureTest, WhoWaitsForAnIndexThatCannotBeBuiltIsTold) {
  builders_.FailNext();
  Append(2000);
  const Status first = WaitIndexed();
  EXPECT_EQ(CodeOf(first), ErrorCode::kInternal);
  EXPECT_THAT(first.message(), HasSubstr("bad_alloc"));
  EXPECT_EQ(WaitIndexed(), first) << "who asks later, too";
  EXPECT_THAT(failures_, ElementsAre("std::bad_alloc"));
  EXPECT_EQ(Found(), 10u) << "a scan needs no index";
  Append(10);
  index_.reset();  // waits for nobody
}

TEST_F(GraphFailureTest, SweepingThatFailsEndsMaintenance) {
  Append(4000);
  ASSERT_TRUE(WaitIndexed().ok());
  const auto maintaining = [this] {
    for (const IndexGauge& gauge : index_->Gauges()) {
      if (gauge.name == "maintaining") return gauge.value > 0;
    }
    return false;
  };
  builders_.WaitUntil([&] { return !maintaining(); });
  std::vector<RowOrdinal> rows;
  for (RowOrdinal row = 0; row < 1000; ++row) {
    versions_.SetDied(row, 1);
    rows.push_back(row);
  }
  builders_.FailNext();
  index_->Erase(rows);
  builders_.WaitUntil([&] { return builders_.failed() && !maintaining(); });
  EXPECT_THAT(failures_, ElementsAre("std::bad_alloc"));
  index_.reset();
}

}  // namespace
}  // namespace longbow::index
