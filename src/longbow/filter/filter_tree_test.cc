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
      {"LIKE", Operator::kContains},
      {"prefix", Operator::kPrefix},
      {"is_null", Operator::kIsNull},
      {"IS NOT NULL", Operator::kIsNotNull},
      {"AND", Operator::kAnd},
      {"or", Operator::kOr},
      {"Not", Operator::kNot},
  };
  for (const auto& [name, op] : spellings) {
    const auto found = OperatorFromName(name);
    ASSERT_TRUE(found.ok()) << name << ": " << found.status();
    EXPECT_EQ(*found, op) << name;
  }
}

TEST(OperatorNamesTest, NamesAreReadBackAsTheirOperator) {
  for (int i = 0; i <= static_cast<int>(Operator::kIsNotNull); ++i) {
    const auto op = static_cast<Operator>(i);
    EXPECT_EQ(OperatorFromName(OperatorName(op)).ValueOrDie(), op);
  }
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
            R"((age >= 12 and not (name = "x\"y") and (tag in ["a", 1.5, true] or note is null)))");
}

}  // namespace
}  // namespace longbow::filter
