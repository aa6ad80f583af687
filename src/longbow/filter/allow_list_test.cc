#include "longbow/filter/allow_list.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <thread>

#include "longbow/filter/filter.h"

namespace longbow::filter {
namespace {

template <typename Builder, typename T>
std::shared_ptr<arrow::Array> Array(const std::vector<T>& values) {
  Builder builder;
  for (const auto& value : values) EXPECT_TRUE(builder.Append(value).ok());
  return builder.Finish().ValueOrDie();
}

class AllowListTest : public testing::Test {
 protected:
  int64_t Matching(const std::shared_ptr<arrow::Array>& column) {
    const auto schema = arrow::schema({arrow::field("c", column->type())});
    const auto block = arrow::RecordBatch::Make(schema, column->length(), {column});
    const FilterTree tree{Operator::kInList, "c", {std::string("mine")}, {}};
    const auto bound = BoundFilter::Bind(tree, *schema, &lists_);
    EXPECT_TRUE(bound.ok()) << bound.status();
    RowSelection selection(static_cast<RowOrdinal>(column->length()));
    EXPECT_TRUE((*bound)->Select(*block, 0, &selection).ok());
    return selection.Count();
  }
  MemoryLedger ledger_{0, 1 << 20};
  AllowLists lists_{&ledger_};
};

TEST_F(AllowListTest, AListIsUsedWhateverIntegerTypeTheColumnHas) {
  ASSERT_TRUE(lists_.Put("mine", Array<arrow::Int64Builder, int64_t>({1, 300, -1, 3})).ok());
  EXPECT_EQ(Matching(Array<arrow::Int64Builder, int64_t>({1, 2, 3, 300})), 3);
  EXPECT_EQ(Matching(Array<arrow::UInt8Builder, uint8_t>({1, 2, 44, 255})), 1);
  EXPECT_EQ(Matching(Array<arrow::DoubleBuilder, double>({1, 1.5, 300})), 2);
  EXPECT_EQ(Matching(Array<arrow::StringBuilder, std::string>({"1", "one", "-1"})), 2);
}

TEST_F(AllowListTest, ListsOfTextFindTextAndNumbers) {
  ASSERT_TRUE(lists_.Put("mine", Array<arrow::StringBuilder, std::string>({"b", "7"})).ok());
  EXPECT_EQ(Matching(Array<arrow::LargeStringBuilder, std::string>({"a", "b"})), 1);
  const auto schema = arrow::schema({arrow::field("c", arrow::int64())});
  EXPECT_FALSE(BoundFilter::Bind({Operator::kInList, "c", {std::string("mine")}, {}}, *schema, &lists_).ok());
}

TEST_F(AllowListTest, PuttingAgainReplacesAndDroppingForgets) {
  ASSERT_TRUE(lists_.Put("mine", Array<arrow::Int64Builder, int64_t>({1})).ok());
  const auto first = lists_.Find("mine").ValueOrDie();
  ASSERT_TRUE(lists_.Put("mine", Array<arrow::Int64Builder, int64_t>({2, 3})).ok());
  const auto second = lists_.Find("mine").ValueOrDie();
  EXPECT_NE(first->version, second->version);
  EXPECT_EQ(second->values->length(), 2);
  EXPECT_EQ(first->values->length(), 1) << "who holds a list keeps it";
  ASSERT_TRUE(lists_.Drop("mine").ok());
  EXPECT_EQ(CodeOf(lists_.Drop("mine")), ErrorCode::kNotFound);
  EXPECT_NE(lists_.Find("mine").status().message().find("put-allow-list"), std::string::npos);
}

TEST_F(AllowListTest, MemoryIsAccountedForAndGivenBack) {
  const int64_t before = ledger_.used();
  ASSERT_TRUE(lists_.Put("mine", Array<arrow::Int64Builder, int64_t>(std::vector<int64_t>(1000))).ok());
  EXPECT_GE(ledger_.used(), before + 8000);
  EXPECT_EQ(CodeOf(lists_.Put("large", Array<arrow::Int64Builder, int64_t>(std::vector<int64_t>(200000)))),
            ErrorCode::kResourceExhausted);
  ASSERT_TRUE(lists_.Drop("mine").ok());
  EXPECT_EQ(ledger_.used(), before);
}

TEST_F(AllowListTest, PartsAddUpToOneListAndFiltersNoticeEach) {
  ASSERT_TRUE(lists_.Put("mine", Array<arrow::Int64Builder, int64_t>({1, 2})).ok());
  const auto first = lists_.Find("mine").ValueOrDie();
  ASSERT_TRUE(lists_.Append("mine", Array<arrow::Int64Builder, int64_t>({7})).ok());
  EXPECT_EQ(Matching(Array<arrow::Int64Builder, int64_t>({1, 2, 3, 7})), 3);
  EXPECT_NE(lists_.Find("mine").ValueOrDie()->version, first->version);
  EXPECT_EQ(first->values->length(), 2) << "who holds a list keeps it";
  EXPECT_EQ(CodeOf(lists_.Append("mine", Array<arrow::StringBuilder, std::string>({"7"}))),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(lists_.Append("none", Array<arrow::Int64Builder, int64_t>({7}))), ErrorCode::kNotFound)
      << "a list that a restart forgot must not come back as its last part";
}

TEST_F(AllowListTest, PartsFromSeveralThreadsAreAllKept) {
  ASSERT_TRUE(lists_.Put("mine", Array<arrow::Int64Builder, int64_t>({})).ok());
  std::vector<std::thread> writers;
  for (int64_t t = 0; t < 4; ++t) {
    writers.emplace_back([this, t] {
      for (int64_t i = 0; i < 50; ++i)
        EXPECT_TRUE(lists_.Append("mine", Array<arrow::Int64Builder, int64_t>({t * 50 + i})).ok());
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(lists_.Find("mine").ValueOrDie()->values->length(), 200);
}

TEST_F(AllowListTest, WhatIsNoListIsRefused) {
  EXPECT_FALSE(lists_.Put("", Array<arrow::Int64Builder, int64_t>({1})).ok());
  EXPECT_FALSE(lists_.Put("x", Array<arrow::DoubleBuilder, double>({1})).ok());
  arrow::Int64Builder builder;
  ASSERT_TRUE(builder.AppendNull().ok());
  EXPECT_FALSE(lists_.Put("x", builder.Finish().ValueOrDie()).ok());
}

}  // namespace
}  // namespace longbow::filter
