#include "longbow/engine/apply_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "longbow/base/check.h"

namespace longbow::engine {
namespace {

using ::testing::ElementsAre;

class ApplyQueueTest : public ::testing::Test {
 protected:
  ApplyQueueTest() { queue_->set_owner(owner_); }
  std::shared_ptr<Mutation> Push(int number, bool fails = false) {
    auto mutation = std::make_shared<Mutation>();
    mutation->apply = [this, number, fails](const storage::LogPosition&) {
      LB_CHECK(!fails);
      applied_.push_back(number);
      return WriteAck{};
    };
    mutation->done = [this, number](const Result<WriteAck>& ack) {
      (ack.ok() ? acked_ : failed_).push_back(number);
    };
    queue_->Push(mutation);
    return mutation;
  }
  void Settle(const std::shared_ptr<Mutation>& mutation, Status status = Status::OK()) {
    queue_->Settle(mutation, {}, std::move(status));
  }

  std::unique_ptr<Executor> pool_ = MakeThreadPool({"t", 1, 16});
  std::shared_ptr<TaskGate> gate_ = std::make_shared<TaskGate>();
  std::shared_ptr<int> owner_ = std::make_shared<int>();
  int publishes_ = 0;
  std::vector<int> applied_, acked_, failed_;
  std::shared_ptr<ApplyQueue> queue_ = std::make_shared<ApplyQueue>(pool_.get(), gate_, [this] {
    ++publishes_;
    LB_CHECK(!publish_fails_);
  });
  bool publish_fails_ = false;
};

TEST_F(ApplyQueueTest, AppliesInPushOrderWhateverTheLogSettlesFirst) {
  gate_->Close();  // this thread drains
  const auto a = Push(1), b = Push(2), c = Push(3);
  Settle(c);
  Settle(b);
  queue_->Drain();
  EXPECT_TRUE(applied_.empty());
  Settle(a);
  queue_->Drain();
  EXPECT_THAT(applied_, ElementsAre(1, 2, 3));
  EXPECT_THAT(acked_, ElementsAre(1, 2, 3));
  EXPECT_EQ(publishes_, 1) << "one for all that was ready";
}

TEST_F(ApplyQueueTest, AFailedApplyFencesWhatFollows) {
  gate_->Close();
  for (const auto& m : {Push(1), Push(2, true), Push(3)}) Settle(m);
  queue_->Drain();
  EXPECT_THAT(applied_, ElementsAre(1));
  EXPECT_THAT(acked_, ElementsAre(1));
  EXPECT_THAT(failed_, ElementsAre(2, 3));
  EXPECT_EQ(CodeOf(queue_->fence()), ErrorCode::kInternal);
}

TEST_F(ApplyQueueTest, WhatCannotBeShownIsNotAcknowledgedAndFencesWhatFollows) {
  gate_->Close();
  publish_fails_ = true;
  Settle(Push(1));
  queue_->Drain();
  publish_fails_ = false;
  Settle(Push(2));
  queue_->Drain();
  EXPECT_TRUE(acked_.empty());
  EXPECT_THAT(failed_, ElementsAre(1, 2));
  EXPECT_FALSE(queue_->fence().ok());
  bool told = false;
  queue_->WhenApplied([&](const Status& status) { told = !status.ok(); });
  EXPECT_TRUE(told);
}

TEST_F(ApplyQueueTest, WhatFollowsALostRecordIsNotApplied) {
  gate_->Close();
  const auto a = Push(1), b = Push(2);
  Settle(a, Error(ErrorCode::kUnavailable, "read-only"));
  Settle(b);
  queue_->Drain();
  EXPECT_TRUE(applied_.empty());
  EXPECT_THAT(failed_, ElementsAre(1, 2));
  EXPECT_TRUE(queue_->fence().ok()) << "readers go on";
  Status after;
  queue_->WhenApplied([&](Status status) { after = std::move(status); });
  EXPECT_EQ(CodeOf(after), ErrorCode::kUnavailable);
}

TEST_F(ApplyQueueTest, WhenAppliedComesAfterWhatWasPushed) {
  gate_->Close();
  bool now = false;
  queue_->WhenApplied([&](const Status&) { now = true; });
  EXPECT_TRUE(now);
  const auto a = Push(1);
  std::vector<int> seen;
  queue_->WhenApplied([&](const Status&) { seen = applied_; });
  queue_->Drain();
  EXPECT_TRUE(seen.empty());
  Settle(a);
  queue_->Drain();
  EXPECT_THAT(seen, ElementsAre(1));
}

}  // namespace
}  // namespace longbow::engine
