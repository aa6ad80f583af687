// in, not in
#include <arrow/array.h>
#include <arrow/array/builder_base.h>
#include <arrow/builder.h>
#include <arrow/compute/api.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "longbow/filter/literal.h"
#include "longbow/filter/operators/operator_type.h"

namespace longbow::filter {
namespace {

namespace compute = arrow::compute;
using compute::Expression;

bool IsZero(const arrow::Scalar& value) {
  if (value.type->id() == arrow::Type::FLOAT) return static_cast<const arrow::FloatScalar&>(value).value == 0;
  if (value.type->id() == arrow::Type::DOUBLE)
    return static_cast<const arrow::DoubleScalar&>(value).value == 0;
  return false;
}

std::vector<std::string> TextsOf(const arrow::Array& values) {
  std::vector<std::string> texts;
  for (int64_t i = 0; i < values.length(); ++i) {
    texts.push_back(static_cast<const arrow::BaseBinaryScalar&>(**values.GetScalar(i)).value->ToString());
  }
  return texts;
}

}  // namespace

Expression IsIn(const Term& term, std::shared_ptr<arrow::Array> values) {
  if (values->length() == 0) return ForValues(term.values, false);
  return compute::call("is_in", {term.values},
                       compute::SetLookupOptions(std::move(values), compute::SetLookupOptions::EMIT_NULL));
}

// Arrow's lookup tells the two zeros apart and finds NaN in NaN; comparisons do neither.
Result<Expression> BindIn(const Term& term) {
  std::unique_ptr<arrow::ArrayBuilder> set;
  LB_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), term.compared, &set));
  for (const Value& value : term.tree.values) {
    LB_ASSIGN_OR_RETURN(const Literal literal, MakeLiteral(value, term.type, term.tree.column));
    if (literal.place != Place::kExact || literal.nan) continue;
    LB_RETURN_NOT_OK(set->AppendScalar(*literal.value));
    if (!IsZero(*literal.value)) continue;
    LB_ASSIGN_OR_RETURN(auto negative_zero, arrow::MakeScalar(-0.0)->CastTo(term.compared));
    LB_RETURN_NOT_OK(set->AppendScalar(*negative_zero));
    LB_ASSIGN_OR_RETURN(auto zero, arrow::MakeScalar(0.0)->CastTo(term.compared));
    LB_RETURN_NOT_OK(set->AppendScalar(*zero));
  }
  LB_ASSIGN_OR_RETURN(auto values, set->Finish());
  if (term.find_texts && values->length() > 0 && static_cast<size_t>(values->length()) <= TextSet::kMost) {
    return term.find_texts(TextSet(TextsOf(*values)));
  }
  return IsIn(term, std::move(values));
}

Result<Expression> BindNotIn(const Term& term) {
  LB_ASSIGN_OR_RETURN(auto in, BindIn(term));
  return compute::call("invert", {std::move(in)});
}

}  // namespace longbow::filter
