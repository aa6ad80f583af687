// between: both ends are in; a null end is open.
#include <arrow/compute/api.h>

#include "longbow/filter/operators/operator_type.h"

namespace longbow::filter {

using arrow::compute::Expression;

Result<Expression> BindBetween(const Term& term) {
  const Value& low = term.tree.values[0];
  const Value& high = term.tree.values[1];
  const bool open_low = std::holds_alternative<std::monostate>(low),
             open_high = std::holds_alternative<std::monostate>(high);
  if (open_low && open_high) return ForValues(term.values, true);
  if (open_high) return CompareWith(term, Operator::kGreaterEqual, low);
  if (open_low) return CompareWith(term, Operator::kLessEqual, high);
  LB_ASSIGN_OR_RETURN(auto above, CompareWith(term, Operator::kGreaterEqual, low));
  LB_ASSIGN_OR_RETURN(auto below, CompareWith(term, Operator::kLessEqual, high));
  return arrow::compute::call("and_kleene", {std::move(above), std::move(below)});
}

}  // namespace longbow::filter
