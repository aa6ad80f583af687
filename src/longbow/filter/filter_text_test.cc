#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "longbow/filter/filter.h"

namespace longbow::filter {
namespace {

std::string Reread(std::string_view text) {
  const auto tree = ParseFilter(text);
  return tree.ok() ? tree->ToString() : "error: " + tree.status().message();
}

TEST(FilterTextTest, ReadsWhatSqlWouldSay) {
  const std::pair<const char*, const char*> cases[] = {
      {"year >= 2024 and lang in ('en','de')", "(year >= 2024 and lang in ('en', 'de'))"},
      {"a=1 or b<>2 and c==3", "(a = 1 or (b != 2 and c = 3))"},
      {"NOT a = 1 AND b = 2", "(not (a = 1) and b = 2)"},
      {"!(a = 1 || b = 2)", "not ((a = 1 or b = 2))"},
      {"a && b = 1",
       "error: filter text: at position 3 expected an operator such as =, <=, in, like, between, "
       "contains, is null, found \"&&\""},
      {"t is null and u is not null", "(t is null and u is not null)"},
      {"exists(t)", "t is not null"},
      {"t isnull and u is_null and v null", "(t is null and u is null and v is null)"},
      {"t notnull and u IS_NOT_NULL and v not null", "(t is not null and u is not null and v is not null)"},
      {"t exists or u not exists", "(t is not null or not (u is not null))"},
      {"isnull = 1 and notnull is null", "(isnull = 1 and notnull is null)"},
      {"t like 'a%' and t not like '%b'", "(t like 'a%' and not (t like '%b'))"},
      {"p between 1 and 2.5 and q = 1", "(p between 1 and 2.5 and q = 1)"},
      {"p not between 1 and 2", "not (p between 1 and 2)"},
      {"lang not in ()", "lang not in ()"},
      {"tags contains 'x'", "tags contains 'x'"},
      {"t STARTS WITH 'x'", "t starts with 'x'"},
      {"id in list 'mine'", "id in list 'mine'"},
      {"id not in list 'mine'", "not (id in list 'mine')"},
      {"\"two words\" = 'it''s' and `from` = \"text\"", "(\"two words\" = 'it''s' and from = 'text')"},
      {"5 < x and 3 = y", "(x > 5 and y = 3)"},
      {"timestamp >= timestamp '2024-01-01' and date < DATE '2025-01-01'",
       "(timestamp >= '2024-01-01' and date < '2025-01-01')"},
      {"a.b = -1 and c = +2 and d = 1e3 and e = .5", "(a.b = -1 and c = 2 and d = 1000.0 and e = 0.5)"},
      {"x = 18446744073709551615", "x = 18446744073709551615"},
      {"x = 123456789012345678901234.5", "x = '123456789012345678901234.5'"},
      {"flag = true and flag != FALSE", "(flag = true and flag != false)"},
      {"true", "true"},
      {"((a = 1))", "a = 1"},
      {"(a = 1 and b = 2) and c = 3", "((a = 1 and b = 2) and c = 3)"},
      {"\xc3\xa9 = 1",
       "error: filter text: at position 1 expected a name, a value or an operator, found \"\xc3\""},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Reread(text), expected) << text;
}

TEST(FilterTextTest, SaysWhereItIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "position 1"},
      {"a =", "position 4 expected a value"},
      {"a = 1 b = 2", "position 7 expected and, or"},
      {"a = 'x", "not closed"},
      {"a in 1", "expected \"(\""},
      {"a in (1", "expected \",\""},
      {"a between 1", "expected \"and\""},
      {"a is 1", "expected \"null\""},
      {"(a = 1", "expected \")\""},
      {"and = 1", "expected a column"},
      {"a resembles 1", "expected an operator"},
      {"5", "after a value"},
      {"a = 1.2.3", "a number"},
      {"a = 1 and", "its end"},
  };
  for (const auto& [text, part] : cases) {
    const auto tree = ParseFilter(text);
    ASSERT_FALSE(tree.ok()) << text;
    EXPECT_EQ(CodeOf(tree.status()), ErrorCode::kInvalidArgument);
    EXPECT_NE(tree.status().message().find(part), std::string::npos) << text << ": " << tree.status();
  }
}

TEST(FilterTextTest, IsLimited) {
  std::string deep(10000, '(');
  EXPECT_NE(Reread(deep).find("deeper"), std::string::npos);
  std::string nots;
  for (int i = 0; i < 10000; ++i) nots += "not ";
  EXPECT_NE(Reread(nots + "a = 1").find("deeper"), std::string::npos);
  // Shallow to write, deep as a tree: it would not be read again as it prints.
  EXPECT_NE(Reread(std::string(kMaxDepth, '!') + "a = 1").find("deeper"), std::string::npos);
  EXPECT_EQ(Reread(std::string(kMaxDepth - 1, '!') + "a = 1").find("deeper"), std::string::npos);
  std::string many = "a = 1";
  for (int i = 0; i < kMaxTerms; ++i) many += " or a = 1";
  EXPECT_NE(Reread(many).find("1024"), std::string::npos);
  std::string list = "a in (1";
  for (int i = 0; i < kMaxListValues; ++i) list += ",1";
  EXPECT_NE(Reread(list + ")").find("10000"), std::string::npos);
  EXPECT_NE(Reread(std::string(kMaxFilterTextBytes + 1, ' ')).find("bytes"), std::string::npos);
}

using Random = std::mt19937_64;
size_t Pick(Random& random, size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random); }

std::string RandomText(Random& random) {
  const char* const parts[] = {"a",    "'", "\"", "`",  "\\",       " ", "and",
                               "null", "1", "%",  "\n", "\xc3\xa9", "(", "--"};
  std::string text;
  for (size_t n = Pick(random, 5); n > 0; --n) text += parts[Pick(random, std::size(parts))];
  return text;
}

Value RandomValue(Random& random) {
  switch (Pick(random, 6)) {
    case 0:
      return Pick(random, 2) == 0;
    case 1:
      return static_cast<int64_t>(random());
    case 2:
      return uint64_t{1} << 63 | random();
    case 3: {
      // Every finite double, by its bits.
      for (;;) {
        const double number = std::bit_cast<double>(random());
        if (std::isfinite(number)) return number;
      }
    }
    case 4:
      return static_cast<double>(static_cast<int64_t>(random()) >> Pick(random, 64)) / 8;
    default:
      return RandomText(random);
  }
}

// Only what parsers make: no branch with one child but not.
FilterTree RandomTree(Random& random, int depth) {
  if (depth > 0 && Pick(random, 3) > 0) {
    FilterTree tree{static_cast<Operator>(Pick(random, 3)), "", {}, {}};
    size_t children = tree.op == Operator::kNot ? 1 : Pick(random, 4);
    if (children == 1 && tree.op != Operator::kNot) children = 0;
    for (; children > 0; --children) tree.children.push_back(RandomTree(random, depth - 1));
    return tree;
  }
  constexpr size_t kBranches = 3;
  FilterTree tree{
      static_cast<Operator>(kBranches + Pick(random, kOperators - kBranches)), RandomText(random), {}, {}};
  size_t values = 0;
  switch (OperandsOf(tree.op)) {
    case Operands::kAny:
      values = Pick(random, 4);
      break;
    case Operands::kTwo:
      values = 2;
      break;
    case Operands::kOne:
    case Operands::kListName:
      values = 1;
      break;
    default:
      break;
  }
  for (; values > 0; --values) tree.values.push_back(RandomValue(random));
  return tree;
}

TEST(FilterTextTest, EveryTreePrintsAndIsReadAsItself) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random(seed);
  for (int i = 0; i < 20000; ++i) {
    const FilterTree tree = RandomTree(random, 4);
    const auto reread = ParseFilter(tree.ToString());
    ASSERT_TRUE(reread.ok()) << tree.ToString() << "\n" << reread.status();
    ASSERT_EQ(*reread, tree) << tree.ToString() << "\n" << reread->ToString();
  }
}

TEST(FilterTextTest, AnyBytesAreReadOrRefused) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random(seed);
  const char* const parts[] = {"a",    "=",     "<=", "1",   "'x'",  "(",    ")",       "and",
                               "or",   "not",   "in", ",",   "is",   "null", "like",    "between",
                               "list", "\"b\"", "-",  "1e9", "\xff", "!",    "contains"};
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (size_t n = Pick(random, 12); n > 0; --n) {
      text += parts[Pick(random, std::size(parts))];
      if (Pick(random, 3) > 0) text += ' ';
    }
    const auto tree = ParseFilter(text);
    if (!tree.ok()) continue;
    const auto again = ParseFilter(tree->ToString());
    ASSERT_TRUE(again.ok()) << text << "\n" << again.status();
    ASSERT_EQ(*again, *tree) << text;
  }
}

}  // namespace
}  // namespace longbow::filter
