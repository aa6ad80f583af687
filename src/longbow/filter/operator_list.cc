#include "longbow/filter/operator_list.h"

#include <algorithm>
#include <iterator>

#include "longbow/base/check.h"
#include "longbow/filter/operators/operator_type.h"

namespace longbow::filter {
namespace {

// Lower case, single spaces for spaces, underscores and hyphens.
constexpr std::string_view kAnds[] = {"&&"};
constexpr std::string_view kOrs[] = {"||"};
constexpr std::string_view kNots[] = {"!"};
constexpr std::string_view kEquals[] = {"==", "eq", "equal", "equals"};
constexpr std::string_view kNotEquals[] = {"<>", "ne", "neq", "not equal", "not equals"};
constexpr std::string_view kLesses[] = {"lt", "less", "less than"};
constexpr std::string_view kLessEquals[] = {"le", "lte", "less equal", "less than or equal"};
constexpr std::string_view kGreaters[] = {"gt", "greater", "greater than"};
constexpr std::string_view kGreaterEquals[] = {"ge", "gte", "greater equal", "greater than or equal"};
constexpr std::string_view kBetweens[] = {"range"};
constexpr std::string_view kIns[] = {"any of"};
constexpr std::string_view kNotIns[] = {"notin", "nin", "none of"};
constexpr std::string_view kInLists[] = {"allow list"};
constexpr std::string_view kContainses[] = {"has"};
constexpr std::string_view kPrefixes[] = {"prefix", "startswith"};
constexpr std::string_view kNulls[] = {"isnull", "null"};
constexpr std::string_view kNotNulls[] = {"isnotnull", "notnull", "not null", "exists"};

// In the order of the enumeration.
const OperatorType kTypes[] = {
    {Operator::kAnd, "and", kAnds, Operands::kChildren, nullptr, nullptr},
    {Operator::kOr, "or", kOrs, Operands::kChildren, nullptr, nullptr},
    {Operator::kNot, "not", kNots, Operands::kChildren, nullptr, nullptr},
    {Operator::kEqual, "=", kEquals, Operands::kOne, BindComparison, nullptr},
    {Operator::kNotEqual, "!=", kNotEquals, Operands::kOne, BindComparison, nullptr},
    {Operator::kLess, "<", kLesses, Operands::kOne, BindComparison, nullptr},
    {Operator::kLessEqual, "<=", kLessEquals, Operands::kOne, BindComparison, nullptr},
    {Operator::kGreater, ">", kGreaters, Operands::kOne, BindComparison, nullptr},
    {Operator::kGreaterEqual, ">=", kGreaterEquals, Operands::kOne, BindComparison, nullptr},
    {Operator::kBetween, "between", kBetweens, Operands::kTwo, BindBetween, nullptr},
    {Operator::kIn, "in", kIns, Operands::kAny, BindIn, BindIn},
    {Operator::kNotIn, "not in", kNotIns, Operands::kAny, BindNotIn, BindIn, true},
    {Operator::kInList, "in list", kInLists, Operands::kListName, BindInList, BindInList},
    {Operator::kContains, "contains", kContainses, Operands::kOne, BindContains, BindEqual},
    {Operator::kPrefix, "starts with", kPrefixes, Operands::kOne, BindPrefix, nullptr},
    {Operator::kLike, "like", {}, Operands::kOne, BindLike, nullptr},
    {Operator::kIsNull, "is null", kNulls, Operands::kNone, nullptr, nullptr},
    {Operator::kIsNotNull, "is not null", kNotNulls, Operands::kNone, nullptr, nullptr},
};
static_assert(std::size(kTypes) == kOperators);

std::string Normalise(std::string_view name) {
  std::string text;
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '_' || c == '-' || c == '\t') c = ' ';
    if (c == ' ' && (text.empty() || text.back() == ' ')) continue;
    text += c;
  }
  if (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

const OperatorType* FindType(std::string_view name) {
  const auto named = [&](const OperatorType& type) {
    return type.name == name ||
           std::find(type.spellings.begin(), type.spellings.end(), name) != type.spellings.end();
  };
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes), named);
  return found == std::end(kTypes) ? nullptr : found;
}

std::string KnownOperators() {
  std::string known;
  for (const OperatorType& type : kTypes) known.append(known.empty() ? "" : ", ").append(type.name);
  return known;
}

}  // namespace

const OperatorType& TypeOf(Operator op) {
  const OperatorType& type = kTypes[static_cast<size_t>(op)];
  LB_CHECK(type.op == op);
  return type;
}

std::string_view OperatorName(Operator op) { return TypeOf(op).name; }
Operands OperandsOf(Operator op) { return TypeOf(op).operands; }

Result<WrittenOperator> OperatorFromName(std::string_view name) {
  const std::string wanted = Normalise(name);
  if (const auto* type = FindType(wanted)) return WrittenOperator{type->op, false};
  if (wanted.starts_with("not ")) {
    const auto* type = FindType(std::string_view(wanted).substr(4));
    if (type != nullptr && type->operands != Operands::kChildren) return WrittenOperator{type->op, true};
  }
  return InvalidArgument("filter: unknown operator \"", name.substr(0, 64), "\"; known are ",
                         KnownOperators());
}

}  // namespace longbow::filter
