#include <charconv>
#include <cmath>
#include <string>

#include "longbow/filter/filter.h"
#include "longbow/filter/filter_words.h"

namespace longbow::filter {
namespace {

void AppendQuoted(std::string_view text, char quote, std::string* out) {
  *out += quote;
  for (const char c : text) {
    if (c == quote) *out += quote;
    *out += c;
  }
  *out += quote;
}

void AppendColumn(std::string_view name, std::string* out) {
  if (IsPlainName(name)) {
    out->append(name);
  } else {
    AppendQuoted(name, '"', out);
  }
}

// With a point or an exponent, so that it is read as a double again.
std::string DoubleText(double number) {
  if (!std::isfinite(number)) return std::isnan(number) ? "'nan'" : number > 0 ? "'inf'" : "'-inf'";
  constexpr double kLongestFixed = 1e16;  // beyond, all digits would be more than count
  char digits[32];
  const auto end = std::abs(number) < kLongestFixed
                       ? std::to_chars(digits, digits + sizeof digits, number)
                       : std::to_chars(digits, digits + sizeof digits, number, std::chars_format::scientific);
  std::string text(digits, end.ptr);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

void AppendValue(const Value& value, std::string* out) {
  if (const auto* text = std::get_if<std::string>(&value)) return AppendQuoted(*text, '\'', out);
  if (const auto* truth = std::get_if<bool>(&value)) {
    out->append(*truth ? "true" : "false");
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    out->append(std::to_string(*integer));
  } else if (const auto* large = std::get_if<uint64_t>(&value)) {
    out->append(std::to_string(*large));
  } else if (const auto* real = std::get_if<double>(&value)) {
    out->append(DoubleText(*real));
  } else {
    out->append("null");
  }
}

void Append(const FilterTree& tree, std::string* out);

void AppendChildren(const FilterTree& tree, std::string* out) {
  if (tree.children.empty()) {
    out->append(tree.op == Operator::kAnd ? "true" : "false");
  } else if (tree.children.size() == 1) {
    Append(tree.children[0], out);
  } else {
    *out += '(';
    for (size_t i = 0; i < tree.children.size(); ++i) {
      if (i > 0) out->append(tree.op == Operator::kOr ? " or " : " and ");
      Append(tree.children[i], out);
    }
    *out += ')';
  }
}

void AppendOperands(const FilterTree& tree, std::string* out) {
  const Operands operands = OperandsOf(tree.op);
  if (operands == Operands::kNone) return;
  out->append(operands == Operands::kAny ? " (" : " ");
  for (size_t i = 0; i < tree.values.size(); ++i) {
    if (i > 0) out->append(operands == Operands::kTwo ? " and " : ", ");
    AppendValue(tree.values[i], out);
  }
  if (operands == Operands::kAny) *out += ')';
}

void Append(const FilterTree& tree, std::string* out) {
  if (tree.op == Operator::kAnd || tree.op == Operator::kOr) return AppendChildren(tree, out);
  if (tree.op == Operator::kNot) {
    out->append("not (");
    for (const FilterTree& child : tree.children) Append(child, out);
    *out += ')';
    return;
  }
  AppendColumn(tree.column, out);
  out->append(" ").append(OperatorName(tree.op));
  AppendOperands(tree, out);
}

}  // namespace

std::string FilterTree::ToString() const {
  std::string text;
  Append(*this, &text);
  return text;
}

}  // namespace longbow::filter
