#include <algorithm>
#include <array>
#include <string>

#include "longbow/filter/filter.h"
#include "longbow/filter/literal.h"

namespace longbow::filter {
namespace {

struct Spelling {
  std::string_view name;
  Operator op;
};

// The first spelling of an operator is its name. Lower case, single spaces for spaces, underscores and
// hyphens.
constexpr Spelling kSpellings[] = {
    {"and", Operator::kAnd},
    {"&&", Operator::kAnd},
    {"or", Operator::kOr},
    {"||", Operator::kOr},
    {"not", Operator::kNot},
    {"!", Operator::kNot},
    {"=", Operator::kEqual},
    {"==", Operator::kEqual},
    {"eq", Operator::kEqual},
    {"equal", Operator::kEqual},
    {"equals", Operator::kEqual},
    {"!=", Operator::kNotEqual},
    {"<>", Operator::kNotEqual},
    {"ne", Operator::kNotEqual},
    {"neq", Operator::kNotEqual},
    {"not equal", Operator::kNotEqual},
    {"not equals", Operator::kNotEqual},
    {"<", Operator::kLess},
    {"lt", Operator::kLess},
    {"less", Operator::kLess},
    {"less than", Operator::kLess},
    {"<=", Operator::kLessEqual},
    {"le", Operator::kLessEqual},
    {"lte", Operator::kLessEqual},
    {"less equal", Operator::kLessEqual},
    {">", Operator::kGreater},
    {"gt", Operator::kGreater},
    {"greater", Operator::kGreater},
    {"greater than", Operator::kGreater},
    {">=", Operator::kGreaterEqual},
    {"ge", Operator::kGreaterEqual},
    {"gte", Operator::kGreaterEqual},
    {"greater equal", Operator::kGreaterEqual},
    {"in", Operator::kIn},
    {"any of", Operator::kIn},
    {"not in", Operator::kNotIn},
    {"notin", Operator::kNotIn},
    {"nin", Operator::kNotIn},
    {"contains", Operator::kContains},
    {"like", Operator::kContains},
    {"prefix", Operator::kPrefix},
    {"starts with", Operator::kPrefix},
    {"startswith", Operator::kPrefix},
    {"is null", Operator::kIsNull},
    {"isnull", Operator::kIsNull},
    {"null", Operator::kIsNull},
    {"is not null", Operator::kIsNotNull},
    {"isnotnull", Operator::kIsNotNull},
    {"notnull", Operator::kIsNotNull},
    {"not null", Operator::kIsNotNull},
};

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

std::string KnownOperators() {
  std::string known;
  for (const Spelling& spelling : kSpellings) {
    if (spelling.name != OperatorName(spelling.op)) continue;
    if (!known.empty()) known += ", ";
    known += spelling.name;
  }
  return known;
}

void AppendChildren(const FilterTree& tree, std::string* text) {
  *text += '(';
  for (size_t i = 0; i < tree.children.size(); ++i) {
    if (i > 0) *text += tree.op == Operator::kOr ? " or " : " and ";
    *text += tree.children[i].ToString();
  }
  *text += ')';
}

void AppendValues(const FilterTree& tree, std::string* text) {
  const bool list = tree.op == Operator::kIn || tree.op == Operator::kNotIn;
  if (list) *text += '[';
  for (size_t i = 0; i < tree.values.size(); ++i) {
    if (i > 0) *text += ", ";
    *text += ValueText(tree.values[i]);
  }
  if (list) *text += ']';
}

}  // namespace

std::string_view OperatorName(Operator op) {
  return std::find_if(std::begin(kSpellings), std::end(kSpellings),
                      [op](const Spelling& s) { return s.op == op; })
      ->name;
}

Result<Operator> OperatorFromName(std::string_view name) {
  const std::string wanted = Normalise(name);
  for (const Spelling& spelling : kSpellings) {
    if (spelling.name == wanted) return spelling.op;
  }
  return InvalidArgument("filter: unknown operator \"", name.substr(0, 64), "\"; known are ",
                         KnownOperators());
}

std::string FilterTree::ToString() const {
  std::string text;
  switch (op) {
    case Operator::kNot:
      text = "not ";
      [[fallthrough]];
    case Operator::kAnd:
    case Operator::kOr:
      AppendChildren(*this, &text);
      return text;
    default:
      break;
  }
  text = column + ' ';
  text += OperatorName(op);
  if (!values.empty()) {
    text += ' ';
    AppendValues(*this, &text);
  }
  return text;
}

}  // namespace longbow::filter
