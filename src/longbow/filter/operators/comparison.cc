// =, !=, <, <=, >, >=
#include <arrow/compute/api.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "longbow/filter/literal.h"
#include "longbow/filter/operators/operator_type.h"

namespace longbow::filter {
namespace {

namespace compute = arrow::compute;
using compute::Expression;

const char* FunctionOf(Operator op) {
  switch (op) {
    case Operator::kEqual:
      return "equal";
    case Operator::kNotEqual:
      return "not_equal";
    case Operator::kLess:
      return "less";
    case Operator::kLessEqual:
      return "less_equal";
    case Operator::kGreater:
      return "greater";
    default:
      return "greater_equal";
  }
}

}  // namespace

Expression ForValues(const Expression& values, bool answer) {
  return compute::call("if_else", {compute::call("is_valid", {values}), compute::literal(answer),
                                   compute::literal(std::make_shared<arrow::BooleanScalar>())});
}

// By where the literal lies among the values of the type.
Result<Expression> CompareWith(const Term& term, Operator op, const Value& value) {
  LB_ASSIGN_OR_RETURN(const Literal literal, MakeLiteral(value, term.type, term.tree.column));
  const bool less = op == Operator::kLess || op == Operator::kLessEqual;
  if (op == Operator::kEqual && literal.place != Place::kExact) return ForValues(term.values, false);
  if (op == Operator::kNotEqual && literal.place != Place::kExact) return ForValues(term.values, true);
  if (literal.place == Place::kAboveAll) return ForValues(term.values, less);
  if (literal.place == Place::kBelowAll) return ForValues(term.values, !less);
  const char* function = FunctionOf(op);
  if (literal.place == Place::kBetween) function = less ? "less_equal" : "greater";
  if (term.find_texts && (op == Operator::kEqual || op == Operator::kNotEqual)) {
    const auto& text = static_cast<const arrow::BaseBinaryScalar&>(*literal.value);
    auto equal = term.find_texts(TextSet({text.value->ToString()}));
    return op == Operator::kEqual ? equal : compute::call("invert", {std::move(equal)});
  }
  return compute::call(function, {term.values, compute::literal(literal.value)});
}

Result<Expression> BindComparison(const Term& term) {
  return CompareWith(term, term.tree.op, term.tree.values[0]);
}

Result<Expression> BindEqual(const Term& term) {
  return CompareWith(term, Operator::kEqual, term.tree.values[0]);
}

}  // namespace longbow::filter
