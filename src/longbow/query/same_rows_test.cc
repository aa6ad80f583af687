// Trees rewritten by the laws of logic, over rows of which some died: what chooses the same rows is planned
// and answered as the same.
#include <arrow/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "longbow/query/search.h"
#include "longbow/query/test_database.h"

namespace longbow::query {
namespace {

using filter::FilterTree;
using filter::Operator;
using filter::Value;
using Random = std::mt19937_64;

int64_t Pick(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

FilterTree Joined(Operator op, std::vector<FilterTree> children) { return {op, "", {}, std::move(children)}; }
FilterTree Not(FilterTree tree) { return Joined(Operator::kNot, {std::move(tree)}); }
FilterTree Leaf(Operator op, std::string column, std::vector<Value> values) {
  return {op, std::move(column), std::move(values), {}};
}

// The years that the list "years" holds.
const std::vector<Value> kListed = {int64_t{3}, int64_t{8}, int64_t{21}};

FilterTree RandomLeaf(Random& random) {
  const int64_t year = Pick(random, -2, 42);
  switch (Pick(random, 0, 7)) {
    case 0:
      return Leaf(Operator::kBetween, "year", {year, year + Pick(random, 0, 12)});
    case 1:
      return Leaf(Operator::kIn, "year", {year, year + 1, Pick(random, 0, 40)});
    case 2:
      return Leaf(Operator::kNotIn, "tags", {"t" + std::to_string(Pick(random, 0, 5)), std::string("even")});
    case 3:
      return Leaf(Operator::kContains, "tags", {"t" + std::to_string(Pick(random, 0, 5))});
    case 4:
      return Leaf(Operator::kInList, "year", {std::string("years")});
    case 5:
      return Leaf(Pick(random, 0, 1) == 0 ? Operator::kIsNull : Operator::kIsNotNull, "year", {});
    case 6:
      return Leaf(Operator::kEqual, "year", {year});
    default: {
      const Operator orders[] = {Operator::kLess, Operator::kLessEqual, Operator::kGreater,
                                 Operator::kGreaterEqual};
      return Leaf(orders[Pick(random, 0, 3)], "year", {year});
    }
  }
}

FilterTree RandomTree(Random& random, int depth) {
  if (depth == 0 || Pick(random, 0, 2) == 0) return RandomLeaf(random);
  if (Pick(random, 0, 3) == 0) return Not(RandomTree(random, depth - 1));
  std::vector<FilterTree> children;
  for (int64_t n = Pick(random, 2, 3); n > 0; --n) children.push_back(RandomTree(random, depth - 1));
  return Joined(Pick(random, 0, 1) == 0 ? Operator::kAnd : Operator::kOr, std::move(children));
}

Operator Opposite(Operator op) {
  switch (op) {
    case Operator::kLess:
      return Operator::kGreaterEqual;
    case Operator::kLessEqual:
      return Operator::kGreater;
    case Operator::kGreater:
      return Operator::kLessEqual;
    default:
      return Operator::kLess;
  }
}

// An element for each value, joined.
FilterTree OneByOne(Operator join, Operator each, const FilterTree& tree) {
  std::vector<FilterTree> parts;
  for (const Value& value : tree.values) parts.push_back(Leaf(each, tree.column, {value}));
  return Joined(join, std::move(parts));
}

// The same condition in other words.
FilterTree Reworded(Random& random, const FilterTree& leaf) {
  const bool list = leaf.column == "tags";
  switch (leaf.op) {
    case Operator::kBetween:
      return Joined(Operator::kAnd, {Leaf(Operator::kLessEqual, leaf.column, {leaf.values[1]}),
                                     Leaf(Operator::kGreaterEqual, leaf.column, {leaf.values[0]})});
    case Operator::kIn:
      return OneByOne(Operator::kOr, Operator::kEqual, leaf);
    case Operator::kNotIn:
      if (Pick(random, 0, 1) == 0) return Not(Leaf(Operator::kIn, leaf.column, leaf.values));
      return Not(OneByOne(Operator::kOr, list ? Operator::kContains : Operator::kEqual, leaf));
    case Operator::kContains:
      return Leaf(Operator::kIn, leaf.column, leaf.values);
    case Operator::kInList:
      return Leaf(Operator::kIn, leaf.column, kListed);
    case Operator::kIsNull:
      return Not(Leaf(Operator::kIsNotNull, leaf.column, {}));
    case Operator::kIsNotNull:
      return Not(Leaf(Operator::kIsNull, leaf.column, {}));
    case Operator::kEqual:
      if (Pick(random, 0, 1) == 0)
        return Leaf(Operator::kBetween, leaf.column, {leaf.values[0], leaf.values[0]});
      return Not(Leaf(Operator::kNotEqual, leaf.column, leaf.values));
    default:
      return Not(Leaf(Opposite(leaf.op), leaf.column, leaf.values));
  }
}

// De Morgan, double negation, another order, other words; at every node or not.
FilterTree Rewritten(Random& random, const FilterTree& tree) {
  FilterTree out = tree;
  for (FilterTree& child : out.children) child = Rewritten(random, child);
  if (out.op == Operator::kNot)
    return out.children[0].op == Operator::kNot ? out.children[0].children[0] : out;
  if (out.op != Operator::kAnd && out.op != Operator::kOr) {
    return Pick(random, 0, 3) == 0 ? out : Reworded(random, out);
  }
  std::shuffle(out.children.begin(), out.children.end(), random);
  if (Pick(random, 0, 1) == 0) return out;
  for (FilterTree& child : out.children) child = Not(std::move(child));
  out.op = out.op == Operator::kAnd ? Operator::kOr : Operator::kAnd;
  return Not(std::move(out));
}

class SameRows : public testing::TestWithParam<const char*> {
 protected:
  static constexpr int64_t kRows = 3000;

  void Put(int64_t first, int64_t count) {
    std::vector<std::optional<int64_t>> years;
    arrow::ListBuilder tags(arrow::default_memory_pool(), std::make_shared<arrow::StringBuilder>());
    auto* const texts = static_cast<arrow::StringBuilder*>(tags.value_builder());
    std::vector<Point> points;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t year = Pick(random_, 0, 40);
      years.push_back(year == 0 ? std::nullopt : std::optional(year));
      if (Pick(random_, 0, 9) == 0) {
        ASSERT_TRUE(tags.AppendNull().ok());
      } else {
        ASSERT_TRUE(tags.Append().ok());
        ASSERT_TRUE(texts->Append("t" + std::to_string(Pick(random_, 0, 4))).ok());
        if (year % 2 == 0) {
          ASSERT_TRUE(texts->Append("even").ok());
        }
      }
      points.push_back({});
      for (int d = 0; d < 6; ++d) points.back().push_back(static_cast<double>(Pick(random_, -50, 50)));
    }
    database_.Put("d", Batch({{"id", Range(first, count)},
                              {"vector", Vectors(points, 6)},
                              {"year", Int64s(years)},
                              {"tags", tags.Finish().ValueOrDie()}},
                             arrow::key_value_metadata({"longbow.index"}, {GetParam()})));
  }
  const uint64_t seed_ = std::random_device{}();
  Random random_{seed_};
  TestDatabase database_;
};

TEST_P(SameRows, HaveOnePlanAndOneAnswer) {
  SCOPED_TRACE(testing::Message() << "seed " << seed_);
  Put(0, kRows);
  Put(500, 900);  // the rows there die
  Put(1200, 40);
  std::vector<std::string> deleted;
  for (int64_t id = 2000; id < kRows; id += 3) deleted.push_back(std::to_string(id));
  database_.Delete("d", deleted);
  database_.WaitIndexed("d");
  arrow::Int64Builder years;
  for (const Value& year : kListed) ASSERT_TRUE(years.Append(std::get<int64_t>(year)).ok());
  ASSERT_TRUE(database_.query().allow_lists().Put("years", years.Finish().ValueOrDie()).ok());
  int told_apart = 0;
  for (int round = 0; round < 150; ++round) {
    const FilterTree tree = RandomTree(random_, 3);
    std::optional<SearchAnswer> first;
    for (int spelling = 0; spelling < 3; ++spelling) {
      auto request = Ask("d", {Point(6, 1)}, 12);
      request.filter = spelling == 0 ? tree : Rewritten(random_, tree);
      SCOPED_TRACE(tree.ToString() + "\nas " + request.filter->ToString());
      const auto answer = database_.query().Search(request);
      ASSERT_TRUE(answer.ok()) << answer.status();
      if (!first) first = *answer;
      told_apart += first->selected > 0 && *request.filter != tree ? 1 : 0;
      ASSERT_EQ(answer->selected, first->selected);
      ASSERT_EQ(answer->plan, first->plan);
      ASSERT_EQ(answer->coverage, first->coverage);
      ASSERT_TRUE(answer->hits->Equals(*first->hits)) << answer->hits->ToString() << first->hits->ToString();
    }
  }
  EXPECT_GT(told_apart, 50);
}

INSTANTIATE_TEST_SUITE_P(Indexes, SameRows, testing::Values("flat", "graph"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace longbow::query
