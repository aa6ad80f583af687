#include <gtest/gtest.h>

#include "longbow/filter/filter.h"

namespace longbow::filter {
namespace {

TEST(OperatorNamesTest, EverySpellingThatClientsSendIsKnown) {
  const std::pair<const char*, Operator> spellings[] = {
      {"=", Operator::kEqual},
      {"==", Operator::kEqual},
      {"Eq", Operator::kEqual},
      {"EQ", Operator::kEqual},
      {"!=", Operator::kNotEqual},
      {"neq", Operator::kNotEqual},
      {"ne", Operator::kNotEqual},
      {"<>", Operator::kNotEqual},
      {">", Operator::kGreater},
      {"gt", Operator::kGreater},
      {"<", Operator::kLess},
      {"lt", Operator::kLess},
      {">=", Operator::kGreaterEqual},
      {"ge", Operator::kGreaterEqual},
      {"gte", Operator::kGreaterEqual},
      {"<=", Operator::kLessEqual},
      {"le", Operator::kLessEqual},
      {"lte", Operator::kLessEqual},
      {"IN", Operator::kIn},
      {"NOT IN", Operator::kNotIn},
      {"not_in", Operator::kNotIn},
      {"Contains", Operator::kContains},
      {"LIKE", Operator::kLike},
      {"prefix", Operator::kPrefix},
      {"starts_with", Operator::kPrefix},
      {"StartsWith", Operator::kPrefix},
      {"between", Operator::kBetween},
      {"range", Operator::kBetween},
      {"exists", Operator::kIsNotNull},
      {"in_list", Operator::kInList},
      {"is_null", Operator::kIsNull},
      {"IS NOT NULL", Operator::kIsNotNull},
      {"AND", Operator::kAnd},
      {"or", Operator::kOr},
      {"Not", Operator::kNot},
  };
  for (const auto& [name, op] : spellings) {
    const auto found = OperatorFromName(name);
    ASSERT_TRUE(found.ok()) << name << ": " << found.status();
    EXPECT_EQ(found->op, op) << name;
    EXPECT_FALSE(found->negated) << name;
  }
}

TEST(OperatorNamesTest, NamesAreReadBackAsTheirOperator) {
  for (int i = 0; i < kOperators; ++i) {
    const auto op = static_cast<Operator>(i);
    EXPECT_EQ(OperatorFromName(OperatorName(op)).ValueOrDie().op, op);
  }
}

TEST(OperatorNamesTest, EveryConditionCanBeNegated) {
  for (const char* name : {"NOT LIKE", "not_contains", "not between", "not starts with", "not in list"}) {
    const auto found = OperatorFromName(name);
    ASSERT_TRUE(found.ok()) << name;
    EXPECT_TRUE(found->negated) << name;
  }
  EXPECT_EQ(OperatorFromName("not in")->op, Operator::kNotIn);
  EXPECT_FALSE(OperatorFromName("not and").ok());
}

TEST(OperatorNamesTest, AnUnknownOneIsRefusedWithTheKnownOnes) {
  const auto op = OperatorFromName("almost");
  ASSERT_FALSE(op.ok());
  EXPECT_EQ(CodeOf(op.status()), ErrorCode::kInvalidArgument);
  for (const char* part : {"almost", ">=", "contains", "is not null"}) {
    EXPECT_NE(op.status().message().find(part), std::string::npos) << op.status();
  }
  EXPECT_FALSE(OperatorFromName("").ok());
}

TEST(FilterTreeTest, ReadsAsItWouldBeSaid) {
  const FilterTree age{Operator::kGreaterEqual, "age", {int64_t{12}}, {}};
  const FilterTree name{Operator::kEqual, "name", {std::string("x\"y")}, {}};
  const FilterTree in{Operator::kIn, "tag", {std::string("a"), 1.5, true}, {}};
  const FilterTree null{Operator::kIsNull, "note", {}, {}};
  const FilterTree tree{
      Operator::kAnd,
      "",
      {},
      {age, FilterTree{Operator::kNot, "", {}, {name}}, FilterTree{Operator::kOr, "", {}, {in, null}}}};
  EXPECT_EQ(tree.ToString(),
            R"((age >= 12 and not (name = 'x"y') and (tag in ('a', 1.5, true) or note is null)))");
}

}  // namespace
}  // namespace longbow::filter
