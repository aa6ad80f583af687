#include <arrow/api.h>
#include <arrow/builder.h>
#include <arrow/util/float16.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "longbow/filter/filter.h"

namespace longbow::filter {
namespace {

using Rows = std::vector<RowOrdinal>;

FilterTree Is(std::string column, Operator op, Value value) {
  return {op, std::move(column), {std::move(value)}, {}};
}
FilterTree Not(FilterTree tree) { return {Operator::kNot, "", {}, {std::move(tree)}}; }

std::shared_ptr<arrow::RecordBatch> Block(const std::string& name, std::shared_ptr<arrow::Array> array) {
  return arrow::RecordBatch::Make(arrow::schema({arrow::field(name, array->type())}), array->length(),
                                  {array});
}

template <typename Builder, typename T>
std::shared_ptr<arrow::Array> Column(const std::vector<std::optional<T>>& values,
                                     std::shared_ptr<arrow::DataType> type = nullptr) {
  std::unique_ptr<arrow::ArrayBuilder> made;
  if (type == nullptr) type = Builder().type();
  EXPECT_TRUE(arrow::MakeBuilder(arrow::default_memory_pool(), type, &made).ok());
  auto* builder = static_cast<Builder*>(made.get());
  for (const auto& value : values)
    EXPECT_TRUE((value ? builder->Append(*value) : builder->AppendNull()).ok());
  return builder->Finish().ValueOrDie();
}

Result<Rows> Select(const FilterTree& tree, const arrow::RecordBatch& block, const arrow::Schema& schema,
                    RowOrdinal first = 0) {
  LB_ASSIGN_OR_RETURN(const auto bound, BoundFilter::Bind(tree, schema));
  RowSelection selection(first + static_cast<RowOrdinal>(block.num_rows()));
  LB_RETURN_NOT_OK(bound->Select(block, first, &selection));
  Rows rows;
  selection.ForEach(0, selection.end(), [&](RowOrdinal row) {
    rows.push_back(row);
    return true;
  });
  return rows;
}

Rows Matching(const FilterTree& tree, const std::shared_ptr<arrow::RecordBatch>& block) {
  const auto rows = Select(tree, *block, *block->schema());
  EXPECT_TRUE(rows.ok()) << tree.ToString() << ": " << rows.status();
  return rows.ok() ? *rows : Rows{};
}

std::string ErrorOf(const FilterTree& tree, const arrow::Schema& schema) {
  const auto bound = BoundFilter::Bind(tree, schema);
  EXPECT_FALSE(bound.ok()) << tree.ToString();
  EXPECT_EQ(CodeOf(bound.status()), ErrorCode::kInvalidArgument);
  return std::string(bound.status().message());
}

TEST(BoundFilterTest, OutOfRangeLiteralsGetTheLogicalAnswer) {
  const auto block = Block("c", Column<arrow::Int8Builder, int8_t>({-128, 0, std::nullopt, 127}));
  EXPECT_EQ(Matching(Is("c", Operator::kEqual, int64_t{300}), block), Rows{});
  EXPECT_EQ(Matching(Is("c", Operator::kNotEqual, int64_t{300}), block), (Rows{0, 1, 3}));
  EXPECT_EQ(Matching(Is("c", Operator::kLess, int64_t{300}), block), (Rows{0, 1, 3}));
  EXPECT_EQ(Matching(Is("c", Operator::kGreater, int64_t{300}), block), Rows{});
  EXPECT_EQ(Matching(Is("c", Operator::kGreater, int64_t{-300}), block), (Rows{0, 1, 3}));
  EXPECT_EQ(Matching(Not(Is("c", Operator::kEqual, int64_t{300})), block), (Rows{0, 1, 3}));
  EXPECT_EQ(Matching(Is("c", Operator::kEqual, 0.5), block), Rows{});
  EXPECT_EQ(Matching(Is("c", Operator::kGreaterEqual, 0.5), block), Rows{3});
  EXPECT_EQ(Matching(Is("c", Operator::kLess, 0.5), block), (Rows{0, 1}));
  EXPECT_EQ(Matching({Operator::kNotIn, "c", {int64_t{300}, 0.5}, {}}, block), (Rows{0, 1, 3}));
}

TEST(BoundFilterTest, NullsNeverMatchNotEvenUnderNot) {
  const auto block = Block("c", Column<arrow::Int64Builder, int64_t>({1, std::nullopt, 3}));
  EXPECT_EQ(Matching(Not(Is("c", Operator::kEqual, int64_t{1})), block), Rows{2});
  EXPECT_EQ(Matching({Operator::kNotIn, "c", {int64_t{1}}, {}}, block), Rows{2});
  EXPECT_EQ(Matching({Operator::kNotIn, "c", {}, {}}, block), (Rows{0, 2}));
  EXPECT_EQ(Matching({Operator::kIn, "c", {}, {}}, block), Rows{});
  EXPECT_EQ(Matching({Operator::kIsNull, "c", {}, {}}, block), Rows{1});
  EXPECT_EQ(Matching({Operator::kIsNotNull, "c", {}, {}}, block), (Rows{0, 2}));
  // Unknown or true is true; unknown or false stays unknown, and so does its opposite.
  const FilterTree either{
      Operator::kOr, "", {}, {Is("c", Operator::kEqual, int64_t{1}), {Operator::kIsNull, "c", {}, {}}}};
  EXPECT_EQ(Matching(either, block), (Rows{0, 1}));
  EXPECT_EQ(Matching(Not(either), block), Rows{2});
}

TEST(BoundFilterTest, NanDiffersFromEverythingAndComparesToNothing) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const auto block = Block("c", Column<arrow::DoubleBuilder, double>({nan, -0.0, 1.0, inf, std::nullopt}));
  EXPECT_EQ(Matching(Is("c", Operator::kLess, 5.0), block), (Rows{1, 2}));
  EXPECT_EQ(Matching(Is("c", Operator::kGreaterEqual, 0.0), block), (Rows{1, 2, 3}));
  EXPECT_EQ(Matching(Is("c", Operator::kNotEqual, 1.0), block), (Rows{0, 1, 3}));
  EXPECT_EQ(Matching(Is("c", Operator::kEqual, nan), block), Rows{});
  EXPECT_EQ(Matching(Is("c", Operator::kNotEqual, nan), block), (Rows{0, 1, 2, 3}));
  EXPECT_EQ(Matching({Operator::kIn, "c", {nan, 0.0}, {}}, block), Rows{1});
  EXPECT_EQ(Matching({Operator::kNotIn, "c", {nan, 0.0}, {}}, block), (Rows{0, 2, 3}));
  EXPECT_EQ(Matching(Is("c", Operator::kLess, std::string("1e999")), block), (Rows{1, 2}));
  EXPECT_EQ(Matching(Is("c", Operator::kEqual, std::string("inf")), block), Rows{3});
}

TEST(BoundFilterTest, HalfFloatsAreCompared) {
  const auto half = [](double v) {
    return std::optional<uint16_t>(arrow::util::Float16::FromDouble(v).bits());
  };
  const auto block =
      Block("c", Column<arrow::HalfFloatBuilder, uint16_t>({half(0.1), half(2), std::nullopt, half(-3)}));
  EXPECT_EQ(Matching(Is("c", Operator::kEqual, 0.1), block), Rows{0});
  EXPECT_EQ(Matching(Is("c", Operator::kLess, 1e9), block), (Rows{0, 1, 3}));
  EXPECT_EQ(Matching({Operator::kIn, "c", {0.1, std::string("-3")}, {}}, block), (Rows{0, 3}));
}

TEST(BoundFilterTest, FloatsStoredForALiteralAreFoundByIt) {
  const auto block = Block("c", Column<arrow::FloatBuilder, float>({0.1f, 0.2f}));
  EXPECT_EQ(Matching(Is("c", Operator::kEqual, 0.1), block), Rows{0});
  EXPECT_EQ(Matching(Is("c", Operator::kEqual, std::string("0.2")), block), Rows{1});
}

TEST(BoundFilterTest, TextContainsAndBeginsWith) {
  for (const auto& type : {arrow::utf8(), arrow::large_utf8(), arrow::binary(), arrow::large_binary()}) {
    std::unique_ptr<arrow::ArrayBuilder> builder;
    ASSERT_TRUE(arrow::MakeBuilder(arrow::default_memory_pool(), type, &builder).ok());
    for (const char* text : {"banana", "an.", ""}) {
      auto scalar = arrow::MakeScalar(std::string(text))->CastTo(type).ValueOrDie();
      ASSERT_TRUE(builder->AppendScalar(*scalar).ok());
    }
    ASSERT_TRUE(builder->AppendNull().ok());
    const auto block = Block("c", builder->Finish().ValueOrDie());
    EXPECT_EQ(Matching(Is("c", Operator::kContains, std::string("an")), block), (Rows{0, 1}))
        << type->ToString();
    EXPECT_EQ(Matching(Is("c", Operator::kContains, std::string("n.")), block), Rows{1});
    EXPECT_EQ(Matching(Is("c", Operator::kContains, std::string()), block), (Rows{0, 1, 2}));
    EXPECT_EQ(Matching(Is("c", Operator::kPrefix, std::string("an")), block), Rows{1});
    EXPECT_EQ(Matching(Not(Is("c", Operator::kContains, std::string("an"))), block), Rows{2});
    EXPECT_EQ(Matching(Is("c", Operator::kLike, std::string("%an%")), block), (Rows{0, 1}));
    EXPECT_EQ(Matching(Is("c", Operator::kLike, std::string("_an%a")), block), Rows{0});
    EXPECT_EQ(Matching(Is("c", Operator::kLike, std::string("an.")), block), Rows{1});
    EXPECT_EQ(Matching(Is("c", Operator::kLike, std::string("an\\_")), block), Rows{});
    EXPECT_EQ(Matching(Is("c", Operator::kLike, std::string()), block), Rows{2});
    EXPECT_EQ(Matching(Not(Is("c", Operator::kLike, std::string("%"))), block), Rows{});
    EXPECT_EQ(Matching(Is("c", Operator::kGreater, std::string("an.")), block), Rows{0});
  }
}

TEST(BoundFilterTest, FixedSizeBinaryIsComparedByItsBytes) {
  const auto type = arrow::fixed_size_binary(2);
  arrow::FixedSizeBinaryBuilder builder(type);
  ASSERT_TRUE(builder.Append("ab").ok() && builder.AppendNull().ok() && builder.Append("zz").ok());
  const auto block = Block("c", builder.Finish().ValueOrDie());
  EXPECT_EQ(Matching(Is("c", Operator::kEqual, std::string("ab")), block), Rows{0});
  EXPECT_EQ(Matching(Is("c", Operator::kEqual, std::string("abc")), block), Rows{});
  EXPECT_EQ(Matching(Is("c", Operator::kGreater, std::string("abc")), block), Rows{2});
}

TEST(BoundFilterTest, ListsContainTheirElements) {
  const auto run = [](const std::shared_ptr<arrow::DataType>& type) {
    std::unique_ptr<arrow::ArrayBuilder> made;
    ASSERT_TRUE(arrow::MakeBuilder(arrow::default_memory_pool(), type, &made).ok());
    const auto append = [&](std::vector<std::optional<std::string>> tags) {
      arrow::StringBuilder* values = nullptr;
      if (type->id() == arrow::Type::LIST) {
        auto* list = static_cast<arrow::ListBuilder*>(made.get());
        ASSERT_TRUE(list->Append().ok());
        values = static_cast<arrow::StringBuilder*>(list->value_builder());
      } else {
        auto* list = static_cast<arrow::LargeListBuilder*>(made.get());
        ASSERT_TRUE(list->Append().ok());
        values = static_cast<arrow::StringBuilder*>(list->value_builder());
      }
      for (const auto& tag : tags) ASSERT_TRUE((tag ? values->Append(*tag) : values->AppendNull()).ok());
    };
    append({"red", "blue"});
    append({});
    ASSERT_TRUE(made->AppendNull().ok());
    append({std::nullopt, "blue"});
    append({"bluer"});
    const auto block = Block("tags", made->Finish().ValueOrDie());
    const auto blue = Is("tags", Operator::kContains, std::string("blue"));
    EXPECT_EQ(Matching(blue, block), (Rows{0, 3}));
    EXPECT_EQ(Matching(Not(blue), block), (Rows{1, 4}));
    EXPECT_EQ(Matching({Operator::kIsNull, "tags", {}, {}}, block), Rows{2});
    const auto slice = block->Slice(2);
    EXPECT_EQ(Matching(blue, slice), Rows{1});
    const FilterTree some{Operator::kIn, "tags", {std::string("bluer"), std::string("red")}, {}};
    EXPECT_EQ(Matching(some, block), (Rows{0, 4}));
    EXPECT_EQ(Matching(Not(some), block), (Rows{1, 3}));
    const FilterTree none{Operator::kNotIn, "tags", some.values, {}};
    EXPECT_EQ(Matching(none, block), (Rows{1, 3}));
    EXPECT_EQ(Matching(Not(none), block), (Rows{0, 4}));
    EXPECT_EQ(Matching({Operator::kNotIn, "tags", {}, {}}, block), (Rows{0, 1, 3, 4}));
    EXPECT_NE(ErrorOf(Is("tags", Operator::kEqual, std::string("x")), *block->schema()).find("use contains"),
              std::string::npos);
  };
  run(arrow::list(arrow::utf8()));
  run(arrow::large_list(arrow::utf8()));
}

TEST(BoundFilterTest, ListElementsAreCoercedToo) {
  auto values = std::make_shared<arrow::Int8Builder>();
  arrow::ListBuilder builder(arrow::default_memory_pool(), values);
  ASSERT_TRUE(builder.Append().ok() && values->Append(5).ok());
  ASSERT_TRUE(builder.Append().ok() && values->Append(6).ok());
  const auto block = Block("c", builder.Finish().ValueOrDie());
  EXPECT_EQ(Matching(Is("c", Operator::kContains, std::string("6")), block), Rows{1});
  EXPECT_EQ(Matching(Is("c", Operator::kContains, int64_t{600}), block), Rows{});
}

TEST(BoundFilterTest, RangesHoldTheirEndsAndMayBeOpen) {
  const auto block = Block("c", Column<arrow::Int8Builder, int8_t>({-128, 0, std::nullopt, 5, 127}));
  const auto between = [&](Value low, Value high) {
    return Matching({Operator::kBetween, "c", {std::move(low), std::move(high)}, {}}, block);
  };
  EXPECT_EQ(between(int64_t{0}, int64_t{5}), (Rows{1, 3}));
  EXPECT_EQ(between(0.5, std::string("400")), (Rows{3, 4}));
  EXPECT_EQ(between(int64_t{5}, int64_t{0}), Rows{});
  EXPECT_EQ(between({}, int64_t{0}), (Rows{0, 1}));
  EXPECT_EQ(between(int64_t{1}, {}), (Rows{3, 4}));
  EXPECT_EQ(between({}, {}), (Rows{0, 1, 3, 4}));
}

TEST(BoundFilterTest, PatternsThatCannotBeReadAreRefused) {
  const auto schema = arrow::schema({arrow::field("c", arrow::utf8()), arrow::field("n", arrow::int64())});
  EXPECT_NE(ErrorOf(Is("c", Operator::kLike, std::string("a\\")), *schema).find("backslash"),
            std::string::npos);
  EXPECT_NE(ErrorOf(Is("c", Operator::kLike, std::string("a\xff")), *schema).find("UTF-8"),
            std::string::npos);
  EXPECT_NE(ErrorOf(Is("n", Operator::kLike, std::string("1%")), *schema).find("needs text"),
            std::string::npos);
  EXPECT_TRUE(BoundFilter::Bind(Is("c", Operator::kLike, std::string("a\\\\")), *schema).ok());
}

TEST(BoundFilterTest, ColumnsMissingFromABlockCountAsNull) {
  const auto block = Block("old", Column<arrow::Int64Builder, int64_t>({1, 2}));
  const auto schema =
      arrow::schema({arrow::field("old", arrow::int64()), arrow::field("added", arrow::utf8()),
                     arrow::field("tags", arrow::list(arrow::utf8()))});
  EXPECT_EQ(*Select(Is("added", Operator::kNotEqual, std::string("x")), *block, *schema), Rows{});
  EXPECT_EQ(*Select({Operator::kIsNull, "added", {}, {}}, *block, *schema), (Rows{0, 1}));
  EXPECT_EQ(*Select({Operator::kIsNotNull, "added", {}, {}}, *block, *schema), Rows{});
  EXPECT_EQ(*Select(Not(Is("tags", Operator::kContains, std::string("x"))), *block, *schema), Rows{});
  const FilterTree either{
      Operator::kOr,
      "",
      {},
      {Is("added", Operator::kEqual, std::string("x")), Is("old", Operator::kEqual, int64_t{2})}};
  EXPECT_EQ(*Select(either, *block, *schema), Rows{1});
}

TEST(BoundFilterTest, BlocksHoldUtf8WhereTheSchemaSaysLargeUtf8) {
  const auto block = Block("c", Column<arrow::StringBuilder, std::string>({"a", "b"}));
  const auto schema = arrow::schema({arrow::field("c", arrow::large_utf8())});
  EXPECT_EQ(*Select(Is("c", Operator::kEqual, std::string("b")), *block, *schema), Rows{1});
}

TEST(BoundFilterTest, SelectionsOfBlocksAddUp) {
  const auto block = Block("c", Column<arrow::Int64Builder, int64_t>({1, 2, 1}));
  const auto bound = BoundFilter::Bind(Is("c", Operator::kEqual, int64_t{1}), *block->schema()).ValueOrDie();
  RowSelection selection(100);
  ASSERT_TRUE(bound->Select(*block, 7, &selection).ok());
  ASSERT_TRUE(bound->Select(*block, 64, &selection).ok());
  ASSERT_TRUE(bound->Select(*block->Slice(0, 0), 90, &selection).ok());
  EXPECT_EQ(selection.Count(), 4);
  for (RowOrdinal row : {7u, 9u, 64u, 66u}) EXPECT_TRUE(selection.Contains(row)) << row;
  EXPECT_EQ(bound->columns(), std::vector<std::string>{"c"});
}

TEST(BoundFilterTest, EmptyBranchesAreTrueAndFalse) {
  const auto block = Block("c", Column<arrow::Int64Builder, int64_t>({1, std::nullopt}));
  EXPECT_EQ(Matching({Operator::kAnd, "", {}, {}}, block), (Rows{0, 1}));
  EXPECT_EQ(Matching({Operator::kOr, "", {}, {}}, block), Rows{});
}

TEST(BoundFilterTest, UnknownColumnsAreRefusedWithTheNearOnes) {
  const auto schema =
      arrow::schema({arrow::field("category", arrow::utf8()), arrow::field("Price", arrow::int64())});
  EXPECT_NE(ErrorOf(Is("categry", Operator::kEqual, int64_t{1}), *schema).find("did you mean \"category\"?"),
            std::string::npos);
  EXPECT_NE(ErrorOf(Is("price", Operator::kEqual, int64_t{1}), *schema).find("\"Price\""), std::string::npos);
  EXPECT_NE(
      ErrorOf(Is("zzzzzzzz", Operator::kEqual, int64_t{1}), *schema).find("the dataset has \"category\""),
      std::string::npos);
  EXPECT_LE(ErrorOf(Is(std::string(100000, 'x'), Operator::kEqual, int64_t{1}), *schema).size(), 1024u);
}

TEST(BoundFilterTest, WhatCannotBeComparedIsRefused) {
  const auto schema =
      arrow::schema({arrow::field("vector", arrow::fixed_size_list(arrow::float32(), 4)),
                     arrow::field("place", arrow::struct_({arrow::field("x", arrow::int32())})),
                     arrow::field("n", arrow::int64()), arrow::field("month", arrow::month_interval())});
  EXPECT_NE(ErrorOf(Is("vector", Operator::kEqual, 1.0), *schema).find("searched"), std::string::npos);
  EXPECT_TRUE(BoundFilter::Bind({Operator::kIsNull, "vector", {}, {}}, *schema).ok());
  EXPECT_NE(ErrorOf(Is("place", Operator::kEqual, 1.0), *schema).find("struct"), std::string::npos);
  EXPECT_NE(ErrorOf(Is("month", Operator::kEqual, 1.0), *schema).find("month"), std::string::npos);
  EXPECT_TRUE(BoundFilter::Bind({Operator::kIsNull, "place", {}, {}}, *schema).ok());
  ErrorOf(Is("n", Operator::kContains, int64_t{1}), *schema);
  ErrorOf(Is("n", Operator::kPrefix, int64_t{1}), *schema);
  ErrorOf({Operator::kEqual, "n", {}, {}}, *schema);
  ErrorOf({Operator::kEqual, "n", {int64_t{1}, int64_t{2}}, {}}, *schema);
  ErrorOf(Is("n", Operator::kIsNull, int64_t{3}), *schema);
  ErrorOf({Operator::kBetween, "n", {int64_t{3}}, {}}, *schema);
  ErrorOf(Is("n", Operator::kInList, std::string("x")), *schema);
  ErrorOf({Operator::kNot, "", {}, {}}, *schema);
}

TEST(BoundFilterTest, LimitsHoldAndTheLargestTreesWork) {
  const auto block = Block("c", Column<arrow::Int64Builder, int64_t>({1, 2}));
  const FilterTree leaf = Is("c", Operator::kEqual, int64_t{2});
  FilterTree deep = leaf;
  for (int i = 1; i < kMaxDepth; ++i) deep = FilterTree{Operator::kAnd, "", {}, {deep}};
  EXPECT_EQ(Matching(deep, block), Rows{1});
  EXPECT_NE(ErrorOf({Operator::kAnd, "", {}, {deep}}, *block->schema()).find("deeper"), std::string::npos);

  FilterTree wide{Operator::kOr, "", {}, std::vector<FilterTree>(kMaxTerms - 1, leaf)};
  EXPECT_EQ(Matching(wide, block), Rows{1});
  wide.children.push_back(leaf);
  EXPECT_NE(ErrorOf(wide, *block->schema()).find("1024"), std::string::npos);

  FilterTree list{Operator::kIn, "c", std::vector<Value>(kMaxListValues, int64_t{2}), {}};
  EXPECT_EQ(Matching(list, block), Rows{1});
  list.values.push_back(int64_t{1});
  EXPECT_NE(ErrorOf(list, *block->schema()).find("10000"), std::string::npos);
}

}  // namespace
}  // namespace longbow::filter
