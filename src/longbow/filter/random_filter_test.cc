// Random trees over random blocks of every type, against an evaluator that looks at one row at a time and
// shares nothing with the real one but the tree.
#include <arrow/api.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <random>

#include "longbow/filter/allow_list.h"
#include "longbow/filter/decimal_text.h"
#include "longbow/filter/filter.h"

namespace longbow::filter {
namespace {

using Random = std::mt19937_64;

// A row's value, or a literal's, in the domain in which it is compared.
struct Cell {
  enum Kind { kInteger, kFloat, kText } kind = kInteger;
  WideInt integer = 0;  // integers, moments, booleans, decimals times 10^scale times 1000
  double number = 0;
  std::string text;
};
// A list column's row holds several; any other row one.
struct Row {
  bool null = false;
  std::vector<std::optional<Cell>> cells;
};

int64_t Pick(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

struct TestColumn {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
  std::vector<Row> rows;
  std::shared_ptr<arrow::Array> array;

  bool list() const { return type->id() == arrow::Type::LIST || type->id() == arrow::Type::LARGE_LIST; }
  std::shared_ptr<arrow::DataType> element() const { return list() ? type->field(0)->type() : type; }
};

constexpr int64_t kDecimalGrain = 1000;  // literals have up to three digits more than a decimal column

const char* const kWords[] = {"", "a", "ab", "abc", "b", "ba", "B", "\xc3\xa9", "12"};
const double kFloats[] = {0.0,
                          -0.0,
                          0.1,
                          1,
                          -1,
                          1.5,
                          2,
                          3e38,
                          std::numeric_limits<double>::infinity(),
                          -std::numeric_limits<double>::infinity(),
                          std::numeric_limits<double>::quiet_NaN()};

// Values of small integers, and the type's ends.
template <typename T>
Cell IntegerCell(Random& random) {
  Cell cell;
  switch (Pick(random, 0, 9)) {
    case 0:
      cell.integer = std::numeric_limits<T>::max();
      break;
    case 1:
      cell.integer = std::numeric_limits<T>::min();
      break;
    default:
      cell.integer = Pick(random, std::is_signed_v<T> ? -4 : 0, 8);
      break;
  }
  return cell;
}

template <typename ArrowType>
Cell AppendInteger(Random& random, arrow::ArrayBuilder* builder) {
  using T = typename ArrowType::c_type;
  const Cell cell = IntegerCell<T>(random);
  EXPECT_TRUE(static_cast<typename arrow::TypeTraits<ArrowType>::BuilderType*>(builder)
                  ->Append(static_cast<T>(cell.integer))
                  .ok());
  return cell;
}

template <typename ArrowType>
Cell AppendText(Random& random, arrow::ArrayBuilder* builder) {
  Cell cell{Cell::kText, 0, 0, kWords[Pick(random, 0, std::size(kWords) - 1)]};
  EXPECT_TRUE(
      static_cast<typename arrow::TypeTraits<ArrowType>::BuilderType*>(builder)->Append(cell.text).ok());
  return cell;
}

template <typename Decimal, typename ArrowType>
Cell AppendDecimal(Random& random, arrow::ArrayBuilder* builder) {
  Cell cell;
  const int64_t unscaled = Pick(random, -250, 250);
  cell.integer = static_cast<WideInt>(unscaled) * kDecimalGrain;
  EXPECT_TRUE(static_cast<typename arrow::TypeTraits<ArrowType>::BuilderType*>(builder)
                  ->Append(Decimal(unscaled))
                  .ok());
  return cell;
}

double RandomFloat(Random& random) { return kFloats[Pick(random, 0, std::size(kFloats) - 1)]; }

Cell AppendValue(Random& random, const arrow::DataType& type, arrow::ArrayBuilder* builder) {
  using arrow::Type;
  Cell cell;
  switch (type.id()) {
    case Type::INT8:
      return AppendInteger<arrow::Int8Type>(random, builder);
    case Type::INT16:
      return AppendInteger<arrow::Int16Type>(random, builder);
    case Type::INT32:
      return AppendInteger<arrow::Int32Type>(random, builder);
    case Type::INT64:
      return AppendInteger<arrow::Int64Type>(random, builder);
    case Type::UINT8:
      return AppendInteger<arrow::UInt8Type>(random, builder);
    case Type::UINT16:
      return AppendInteger<arrow::UInt16Type>(random, builder);
    case Type::UINT32:
      return AppendInteger<arrow::UInt32Type>(random, builder);
    case Type::UINT64:
      return AppendInteger<arrow::UInt64Type>(random, builder);
    case Type::DATE32:
      return AppendInteger<arrow::Date32Type>(random, builder);
    case Type::DATE64:
      return AppendInteger<arrow::Date64Type>(random, builder);
    case Type::TIME32:
      return AppendInteger<arrow::Time32Type>(random, builder);
    case Type::TIME64:
      return AppendInteger<arrow::Time64Type>(random, builder);
    case Type::TIMESTAMP:
      return AppendInteger<arrow::TimestampType>(random, builder);
    case Type::DURATION:
      return AppendInteger<arrow::DurationType>(random, builder);
    case Type::STRING:
      return AppendText<arrow::StringType>(random, builder);
    case Type::LARGE_STRING:
      return AppendText<arrow::LargeStringType>(random, builder);
    case Type::BINARY:
      return AppendText<arrow::BinaryType>(random, builder);
    case Type::LARGE_BINARY:
      return AppendText<arrow::LargeBinaryType>(random, builder);
    case Type::DECIMAL32:
      return AppendDecimal<arrow::Decimal32, arrow::Decimal32Type>(random, builder);
    case Type::DECIMAL64:
      return AppendDecimal<arrow::Decimal64, arrow::Decimal64Type>(random, builder);
    case Type::DECIMAL128:
      return AppendDecimal<arrow::Decimal128, arrow::Decimal128Type>(random, builder);
    case Type::DECIMAL256:
      return AppendDecimal<arrow::Decimal256, arrow::Decimal256Type>(random, builder);
    case Type::BOOL:
      cell.integer = Pick(random, 0, 1);
      EXPECT_TRUE(static_cast<arrow::BooleanBuilder*>(builder)->Append(cell.integer != 0).ok());
      return cell;
    case Type::FIXED_SIZE_BINARY:
      cell = {Cell::kText, 0, 0, Pick(random, 0, 1) == 0 ? "ab" : "ba"};
      EXPECT_TRUE(static_cast<arrow::FixedSizeBinaryBuilder*>(builder)->Append(cell.text).ok());
      return cell;
    case Type::HALF_FLOAT: {
      const auto half = arrow::util::Float16::FromDouble(RandomFloat(random));
      EXPECT_TRUE(static_cast<arrow::HalfFloatBuilder*>(builder)->Append(half.bits()).ok());
      return {Cell::kFloat, 0, half.ToDouble(), ""};
    }
    case Type::FLOAT: {
      const auto value = static_cast<float>(RandomFloat(random));
      EXPECT_TRUE(static_cast<arrow::FloatBuilder*>(builder)->Append(value).ok());
      return {Cell::kFloat, 0, value, ""};
    }
    default: {
      const double value = RandomFloat(random);
      EXPECT_TRUE(static_cast<arrow::DoubleBuilder*>(builder)->Append(value).ok());
      return {Cell::kFloat, 0, value, ""};
    }
  }
}

TestColumn MakeColumn(Random& random, std::string name, std::shared_ptr<arrow::DataType> type, int64_t rows) {
  TestColumn column{std::move(name), std::move(type), {}, nullptr};
  std::unique_ptr<arrow::ArrayBuilder> builder;
  EXPECT_TRUE(arrow::MakeBuilder(arrow::default_memory_pool(), column.type, &builder).ok());
  const int64_t nulls_in_ten = Pick(random, 0, 2) * 2;
  for (int64_t i = 0; i < rows; ++i) {
    Row row;
    if (Pick(random, 0, 9) < nulls_in_ten) {
      row.null = true;
      EXPECT_TRUE(builder->AppendNull().ok());
    } else if (!column.list()) {
      row.cells.emplace_back(AppendValue(random, *column.type, builder.get()));
    } else {
      arrow::ArrayBuilder* values =
          column.type->id() == arrow::Type::LIST
              ? static_cast<arrow::ListBuilder*>(builder.get())->value_builder()
              : static_cast<arrow::LargeListBuilder*>(builder.get())->value_builder();
      EXPECT_TRUE((column.type->id() == arrow::Type::LIST
                       ? static_cast<arrow::ListBuilder*>(builder.get())->Append()
                       : static_cast<arrow::LargeListBuilder*>(builder.get())->Append())
                      .ok());
      for (int64_t n = Pick(random, 0, 3); n > 0; --n) {
        if (Pick(random, 0, 4) == 0) {
          EXPECT_TRUE(values->AppendNull().ok());
          row.cells.emplace_back(std::nullopt);
        } else {
          row.cells.emplace_back(AppendValue(random, *column.element(), values));
        }
      }
    }
    column.rows.push_back(std::move(row));
  }
  column.array = builder->Finish().ValueOrDie();
  return column;
}

// A literal as a client writes it, and what it means among the column's values. Integers and decimals are
// compared in thousandths, so that literals between two values exist.
struct TestLiteral {
  Value value;
  Cell meaning;
};

std::string Decimal(WideInt thousandths, int scale) {
  const bool negative = thousandths < 0;
  std::string digits;
  for (WideInt rest = negative ? -thousandths : thousandths; rest > 0 || digits.empty(); rest /= 10) {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
  }
  const auto places = static_cast<size_t>(scale) + 3;
  if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
  digits.insert(digits.end() - static_cast<std::ptrdiff_t>(places), '.');
  if (negative) digits.insert(digits.begin(), '-');
  return digits;
}

TestLiteral IntegerLiteral(Random& random) {
  TestLiteral literal;
  WideInt& thousandths = literal.meaning.integer;
  switch (Pick(random, 0, 5)) {
    case 0: {
      const double halves = static_cast<double>(Pick(random, -10, 20)) / 2;
      literal.value = halves;
      thousandths = static_cast<WideInt>(halves * 1000);
      break;
    }
    case 1: {
      const int64_t far[] = {127,
                             128,
                             -128,
                             -129,
                             255,
                             256,
                             32768,
                             -2147483649,
                             4294967296,
                             std::numeric_limits<int64_t>::max(),
                             std::numeric_limits<int64_t>::min()};
      const int64_t number = far[Pick(random, 0, std::size(far) - 1)];
      literal.value = number;
      thousandths = static_cast<WideInt>(number) * 1000;
      break;
    }
    case 2: {
      const uint64_t number =
          std::numeric_limits<uint64_t>::max() - static_cast<uint64_t>(Pick(random, 0, 1));
      literal.value = Pick(random, 0, 1) == 0 ? Value(number) : Value(std::to_string(number));
      thousandths = static_cast<WideInt>(number) * 1000;
      break;
    }
    case 3:
      thousandths = Pick(random, -4000, 8000);
      literal.value = Decimal(thousandths, 0);
      break;
    default: {
      const int64_t number = Pick(random, -5, 9);
      literal.value = Pick(random, 0, 1) == 0 ? Value(number) : Value(std::to_string(number));
      thousandths = number * 1000;
      break;
    }
  }
  return literal;
}

TestLiteral MakeLiteralFor(Random& random, const arrow::DataType& type) {
  using arrow::Type;
  TestLiteral literal;
  switch (type.id()) {
    case Type::BOOL: {
      const bool yes = Pick(random, 0, 1) != 0;
      const Value forms[] = {yes, std::string(yes ? "TRUE" : "false"), int64_t{yes}};
      literal.value = forms[Pick(random, 0, 2)];
      literal.meaning.integer = yes ? 1 : 0;
      return literal;
    }
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::FIXED_SIZE_BINARY: {
      literal.meaning = {Cell::kText, 0, 0, kWords[Pick(random, 0, std::size(kWords) - 1)]};
      literal.value = literal.meaning.text;
      if (literal.meaning.text == "12" && Pick(random, 0, 1) == 0) literal.value = int64_t{12};
      return literal;
    }
    case Type::HALF_FLOAT:
    case Type::FLOAT:
    case Type::DOUBLE: {
      double number = RandomFloat(random);
      literal.value = number;
      if (number == 2 && Pick(random, 0, 1) == 0) literal.value = std::string("2.0");
      if (number == 1) literal.value = int64_t{1};
      // Half floats end at 65504; 3e38 beyond them is larger than each and smaller than infinity.
      if (type.id() == Type::FLOAT) number = static_cast<float>(number);
      if (type.id() == Type::HALF_FLOAT && std::abs(number) < 60000) {
        number = arrow::util::Float16::FromDouble(number).ToDouble();
      }
      literal.meaning = {Cell::kFloat, 0, number, ""};
      return literal;
    }
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256: {
      literal.meaning.integer = Pick(random, -300, 300) * kDecimalGrain;
      if (Pick(random, 0, 2) == 0) literal.meaning.integer += Pick(random, -999, 999);
      if (Pick(random, 0, 9) == 0) literal.meaning.integer *= 1000000;
      literal.value = Decimal(literal.meaning.integer, static_cast<const arrow::DecimalType&>(type).scale());
      return literal;
    }
    default:
      return IntegerLiteral(random);
  }
}

// -1, 0, 1, or 2 where nothing is comparable (NaN).
int Order(const Cell& cell, const Cell& literal, bool thousandths) {
  if (cell.kind == Cell::kText) {
    const int order = cell.text.compare(literal.text);
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  if (cell.kind == Cell::kFloat) {
    if (std::isnan(cell.number) || std::isnan(literal.number)) return 2;
    return cell.number < literal.number ? -1 : cell.number > literal.number ? 1 : 0;
  }
  const WideInt value = thousandths ? cell.integer * 1000 : cell.integer;
  return value < literal.integer ? -1 : value > literal.integer ? 1 : 0;
}

bool InThousandths(const arrow::DataType& type) {
  return type.id() != arrow::Type::BOOL && !arrow::is_decimal(type.id());
}

// A tree together with what its literals mean.
struct Condition {
  FilterTree tree;
  int column = -1;
  std::vector<Cell> meanings;
  std::vector<Condition> children;
};

using Truth = std::optional<bool>;

Truth Holds(Operator op, int order) {
  switch (op) {
    case Operator::kEqual:
      return order == 0;
    case Operator::kNotEqual:
      return order != 0;
    case Operator::kLess:
      return order == -1;
    case Operator::kLessEqual:
      return order == -1 || order == 0;
    case Operator::kGreater:
      return order == 1;
    default:
      return order == 0 || order == 1;
  }
}

size_t CharacterBytes(std::string_view text) {
  size_t bytes = 1;
  while (bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) ++bytes;
  return bytes;
}

// SQL's like, a step at a time. `bytes`: _ is a byte and no character.
bool Like(std::string_view text, std::string_view pattern, bool bytes) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '%') {
    for (size_t from = 0; from <= text.size(); ++from) {
      if (Like(text.substr(from), pattern.substr(1), bytes)) return true;
    }
    return false;
  }
  if (text.empty()) return false;
  if (pattern[0] == '_') {
    return Like(text.substr(bytes ? 1 : CharacterBytes(text)), pattern.substr(1), bytes);
  }
  if (pattern[0] == '\\') pattern.remove_prefix(1);
  return text[0] == pattern[0] && Like(text.substr(1), pattern.substr(1), bytes);
}

Truth LeafTruth(const Condition& condition, const TestColumn& column, size_t i) {
  const Row& row = column.rows[i];
  const Operator op = condition.tree.op;
  if (op == Operator::kIsNull) return row.null;
  if (op == Operator::kIsNotNull) return !row.null;
  if (row.null) return std::nullopt;
  const bool thousandths = InThousandths(*column.element());
  if (column.list()) {
    for (const auto& cell : row.cells) {
      for (const Cell& meaning : condition.meanings) {
        if (cell && Order(*cell, meaning, thousandths) == 0) return op != Operator::kNotIn;
      }
    }
    return op == Operator::kNotIn;
  }
  const Cell& cell = *row.cells[0];
  if (op == Operator::kContains) return cell.text.find(condition.meanings[0].text) != std::string::npos;
  if (op == Operator::kPrefix) return cell.text.rfind(condition.meanings[0].text, 0) == 0;
  if (op == Operator::kLike) {
    return Like(cell.text, condition.meanings[0].text, !arrow::is_string(column.element()->id()));
  }
  if (op == Operator::kBetween) {
    for (size_t end = 0; end < 2; ++end) {
      if (std::holds_alternative<std::monostate>(condition.tree.values[end])) continue;
      const int order = Order(cell, condition.meanings[end], thousandths);
      if (order != 0 && order != (end == 0 ? 1 : -1)) return false;
    }
    return true;
  }
  if (op == Operator::kIn || op == Operator::kNotIn || op == Operator::kInList) {
    bool found = false;
    for (const Cell& meaning : condition.meanings) found = found || Order(cell, meaning, thousandths) == 0;
    return found == (op != Operator::kNotIn);
  }
  return Holds(op, Order(cell, condition.meanings[0], thousandths));
}

Truth Evaluate(const Condition& condition, const std::vector<TestColumn>& columns, size_t i) {
  if (condition.column >= 0) return LeafTruth(condition, columns[static_cast<size_t>(condition.column)], i);
  if (condition.tree.op == Operator::kNot) {
    const Truth truth = Evaluate(condition.children[0], columns, i);
    return truth ? Truth(!*truth) : truth;
  }
  const bool decides = condition.tree.op == Operator::kOr;
  bool unknown = false;
  for (const Condition& child : condition.children) {
    const Truth truth = Evaluate(child, columns, i);
    if (truth == decides) return decides;
    unknown = unknown || !truth;
  }
  return unknown ? Truth() : Truth(!decides);
}

// Patterns and the words they are made of, so that some match.
std::string RandomPattern(Random& random) {
  std::string pattern;
  for (int64_t parts = Pick(random, 0, 3); parts > 0; --parts) {
    const char* const pieces[] = {"%", "_", "a", "b", "ab", "\xc3\xa9", "\\%", "\\\\"};
    pattern += pieces[Pick(random, 0, std::size(pieces) - 1)];
  }
  return pattern;
}

// Uploaded lists: what each holds, as the literals of the tree would.
struct TestLists {
  TestLists() {
    arrow::Int64Builder numbers;
    arrow::StringBuilder words;
    for (const int64_t number : {int64_t{-1}, int64_t{0}, int64_t{3}, int64_t{127}, int64_t{1} << 40}) {
      EXPECT_TRUE(numbers.Append(number).ok());
      Cell cell;
      cell.integer = static_cast<WideInt>(number) * 1000;
      this->numbers.push_back(cell);
    }
    for (const char* word : {"ab", "ba", "12", "zz"}) {
      EXPECT_TRUE(words.Append(word).ok());
      this->words.push_back({Cell::kText, 0, 0, word});
    }
    EXPECT_TRUE(lists.Put("numbers", numbers.Finish().ValueOrDie()).ok());
    EXPECT_TRUE(lists.Put("words", words.Finish().ValueOrDie()).ok());
  }
  MemoryLedger ledger{0, 0};
  AllowLists lists{&ledger};
  std::vector<Cell> numbers, words;
};

bool IsText(const arrow::DataType& type) {
  return arrow::is_base_binary_like(type.id()) || type.id() == arrow::Type::FIXED_SIZE_BINARY;
}

Operator RandomOperator(Random& random, const TestColumn& column) {
  const auto& element = *column.element();
  const auto pick = [&](std::initializer_list<Operator> from) {
    return *(from.begin() + Pick(random, 0, static_cast<int64_t>(from.size()) - 1));
  };
  if (Pick(random, 0, 11) == 0) return pick({Operator::kIsNull, Operator::kIsNotNull});
  const bool listed = (arrow::is_integer(element.id()) || IsText(element)) && Pick(random, 0, 7) == 0;
  if (listed) return Operator::kInList;
  if (column.list()) return pick({Operator::kContains, Operator::kIn, Operator::kNotIn});
  if (IsText(element) && Pick(random, 0, 2) == 0) {
    return pick({Operator::kContains, Operator::kPrefix, Operator::kLike});
  }
  return pick({Operator::kEqual, Operator::kNotEqual, Operator::kLess, Operator::kLessEqual,
               Operator::kGreater, Operator::kGreaterEqual, Operator::kIn, Operator::kNotIn,
               Operator::kBetween});
}

int64_t RandomValueCount(Random& random, Operator op) {
  switch (OperandsOf(op)) {
    case Operands::kAny:
      return Pick(random, 0, 5);
    case Operands::kTwo:
      return 2;
    case Operands::kOne:
      return 1;
    default:
      return 0;
  }
}

Condition RandomLeaf(Random& random, const std::vector<TestColumn>& columns, const TestLists& lists) {
  Condition leaf;
  leaf.column = static_cast<int>(Pick(random, 0, static_cast<int64_t>(columns.size()) - 1));
  const TestColumn& column = columns[static_cast<size_t>(leaf.column)];
  leaf.tree.column = column.name;
  leaf.tree.op = RandomOperator(random, column);
  if (leaf.tree.op == Operator::kInList) {
    const bool text = IsText(*column.element());
    leaf.tree.values = {std::string(text ? "words" : "numbers")};
    leaf.meanings = text ? lists.words : lists.numbers;
    return leaf;
  }
  if (leaf.tree.op == Operator::kLike) {
    leaf.meanings = {{Cell::kText, 0, 0, RandomPattern(random)}};
    leaf.tree.values = {leaf.meanings[0].text};
    return leaf;
  }
  for (int64_t values = RandomValueCount(random, leaf.tree.op); values > 0; --values) {
    TestLiteral literal = MakeLiteralFor(random, *column.element());
    if (leaf.tree.op == Operator::kBetween && Pick(random, 0, 4) == 0) literal.value = {};
    leaf.tree.values.push_back(std::move(literal.value));
    leaf.meanings.push_back(std::move(literal.meaning));
  }
  return leaf;
}

Condition RandomCondition(Random& random, const std::vector<TestColumn>& columns, const TestLists& lists,
                          int depth) {
  if (depth == 0 || Pick(random, 0, 2) == 0) return RandomLeaf(random, columns, lists);
  Condition branch;
  branch.tree.op = static_cast<Operator>(Pick(random, 0, 2));
  for (int64_t n = branch.tree.op == Operator::kNot ? 1 : Pick(random, 0, 4); n > 0; --n) {
    branch.children.push_back(RandomCondition(random, columns, lists, depth - 1));
    branch.tree.children.push_back(branch.children.back().tree);
  }
  return branch;
}

std::vector<std::shared_ptr<arrow::DataType>> EveryType() {
  using namespace arrow;  // NOLINT: forty type factories
  return {boolean(),
          int8(),
          int16(),
          int32(),
          int64(),
          uint8(),
          uint16(),
          uint32(),
          uint64(),
          float16(),
          float32(),
          float64(),
          utf8(),
          large_utf8(),
          binary(),
          large_binary(),
          fixed_size_binary(2),
          timestamp(TimeUnit::SECOND),
          timestamp(TimeUnit::MILLI, "UTC"),
          timestamp(TimeUnit::MICRO, "Europe/Berlin"),
          timestamp(TimeUnit::NANO),
          date32(),
          date64(),
          time32(TimeUnit::SECOND),
          time32(TimeUnit::MILLI),
          time64(TimeUnit::MICRO),
          time64(TimeUnit::NANO),
          duration(TimeUnit::SECOND),
          duration(TimeUnit::NANO),
          smallest_decimal(5, 2),
          decimal64(12, 1),
          decimal128(20, 2),
          decimal256(50, 3),
          list(utf8()),
          large_list(large_utf8()),
          list(int16()),
          list(float64()),
          list(float16())};
}

// 200 rounds of 100 trees, or as many as LONGBOW_FILTER_ROUNDS says.
int Rounds() {
  const char* rounds = std::getenv("LONGBOW_FILTER_ROUNDS");
  return rounds == nullptr ? 200 : std::atoi(rounds);
}

TEST(RandomFilterTest, EveryTreeSelectsWhatARowByRowEvaluatorSelects) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random(seed);
  const auto types = EveryType();
  const TestLists lists;
  for (int round = 0; round < Rounds(); ++round) {
    const int64_t rows = Pick(random, 1, 150);
    std::vector<TestColumn> columns;
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (size_t c = 0; c < types.size(); ++c) {
      columns.push_back(MakeColumn(random, "c" + std::to_string(c), types[c], rows));
      fields.push_back(arrow::field(columns.back().name, types[c]));
      arrays.push_back(columns.back().array);
    }
    const auto schema = arrow::schema(fields);
    const auto batch = arrow::RecordBatch::Make(schema, rows, arrays);
    for (int tree = 0; tree < 100; ++tree) {
      const Condition condition = RandomCondition(random, columns, lists, 4);
      // Through its text, which must be the same filter.
      const auto reread = ParseFilter(condition.tree.ToString());
      ASSERT_TRUE(reread.ok()) << condition.tree.ToString() << "\n" << reread.status();
      ASSERT_EQ(reread->ToString(), condition.tree.ToString());
      const auto bound = BoundFilter::Bind(*reread, *schema, &lists.lists);
      ASSERT_TRUE(bound.ok()) << condition.tree.ToString() << "\n" << bound.status();
      // A slice, so that no buffer begins at its first bit.
      const int64_t from = Pick(random, 0, rows - 1), first = Pick(random, 0, 100);
      const auto block = batch->Slice(from);
      RowSelection selection(static_cast<RowOrdinal>(first + block->num_rows()));
      const Status selected = (*bound)->Select(*block, static_cast<RowOrdinal>(first), &selection);
      ASSERT_TRUE(selected.ok()) << condition.tree.ToString() << "\n" << selected;
      for (int64_t i = from; i < rows; ++i) {
        const auto row = static_cast<RowOrdinal>(first + i - from);
        ASSERT_EQ(selection.Contains(row), Evaluate(condition, columns, static_cast<size_t>(i)) == true)
            << condition.tree.ToString() << "\nrow " << i << " of\n"
            << batch->Slice(i, 1)->ToString();
      }
    }
  }
}

}  // namespace
}  // namespace longbow::filter
