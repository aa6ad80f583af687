// contains, starts with, like: parts of a text. (contains over a list is equality of an element.)
#include <arrow/compute/api.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/utf8.h>

#include "longbow/filter/literal.h"
#include "longbow/filter/operators/operator_type.h"

namespace longbow::filter {
namespace {

namespace compute = arrow::compute;
using compute::Expression;

Result<std::string> Pattern(const Term& term) {
  if (!arrow::is_base_binary_like(term.compared->id())) {
    const bool contains = term.tree.op == Operator::kContains;
    return InvalidArgument("filter: ", OperatorName(term.tree.op), " needs text",
                           contains ? " or a list" : "", "; column \"", term.tree.column, "\" has type ",
                           term.type->ToString());
  }
  LB_ASSIGN_OR_RETURN(const Literal literal, MakeLiteral(term.tree.values[0], term.type, term.tree.column));
  return static_cast<const arrow::BaseBinaryScalar&>(*literal.value).value->ToString();
}

Result<Expression> Match(const Term& term, const char* function) {
  LB_ASSIGN_OR_RETURN(auto pattern, Pattern(term));
  return compute::call(function, {term.values}, compute::MatchSubstringOptions(std::move(pattern)));
}

}  // namespace

Result<Expression> BindContains(const Term& term) { return Match(term, "match_substring"); }
Result<Expression> BindPrefix(const Term& term) { return Match(term, "starts_with"); }

// SQL's: % any text, _ one character, a backslash before either for itself.
Result<Expression> BindLike(const Term& term) {
  LB_ASSIGN_OR_RETURN(const auto pattern, Pattern(term));
  const bool text = arrow::is_string(term.compared->id());
  arrow::util::InitializeUTF8();
  if (text && !arrow::util::ValidateUTF8(pattern)) {
    return InvalidArgument("filter: the pattern of like on column \"", term.tree.column,
                           "\" is not valid UTF-8");
  }
  size_t escapes = 0;
  while (escapes < pattern.size() && pattern[pattern.size() - 1 - escapes] == '\\') ++escapes;
  if (escapes % 2 == 1) {
    return InvalidArgument("filter: the pattern of like on column \"", term.tree.column,
                           "\" ends in a backslash that stands before nothing; write two for one");
  }
  return Match(term, "match_like");
}

}  // namespace longbow::filter
