// in list: the values that an allow-list holds.
#include <arrow/array.h>
#include <arrow/array/builder_base.h>
#include <arrow/compute/api.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include "longbow/filter/allow_list.h"
#include "longbow/filter/literal.h"
#include "longbow/filter/operators/operator_type.h"

namespace longbow::filter {
namespace {

namespace compute = arrow::compute;

// The list's values as the column's type; those that are none of its values are left out, as nothing equals
// them.
Result<std::shared_ptr<arrow::Array>> As(const AllowList& list, const Term& term) {
  const auto& values = list.values;
  if (values->type()->Equals(*term.compared)) return values;
  const bool integers = arrow::is_integer(values->type_id()) && arrow::is_integer(term.compared->id());
  const bool texts =
      arrow::is_base_binary_like(values->type_id()) && arrow::is_base_binary_like(term.compared->id());
  if (texts) {
    LB_ASSIGN_OR_RETURN(auto cast, compute::Cast(arrow::Datum(values), term.compared));
    return cast.make_array();
  }
  if (integers) {
    auto cast = compute::Cast(arrow::Datum(values), term.compared);
    if (cast.ok()) return cast->make_array();
  }
  std::unique_ptr<arrow::ArrayBuilder> builder;
  LB_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), term.compared, &builder));
  for (int64_t i = 0; i < values->length(); ++i) {
    LB_ASSIGN_OR_RETURN(const auto scalar, values->GetScalar(i));
    LB_ASSIGN_OR_RETURN(const Literal literal, MakeLiteral(scalar->ToString(), term.type, term.tree.column));
    if (literal.place == Place::kExact && !literal.nan)
      LB_RETURN_NOT_OK(builder->AppendScalar(*literal.value));
  }
  return builder->Finish();
}

}  // namespace

Result<compute::Expression> BindInList(const Term& term) {
  const auto* name = std::get_if<std::string>(&term.tree.values[0]);
  if (name == nullptr) {
    return InvalidArgument("filter: in list on column \"", term.tree.column,
                           "\" takes an allow-list's name, got ", ValueText(term.tree.values[0]));
  }
  if (term.lists == nullptr) return InvalidArgument("filter: allow-lists cannot be used here");
  LB_ASSIGN_OR_RETURN(const auto list, term.lists->Find(*name));
  LB_ASSIGN_OR_RETURN(auto values, As(*list, term));
  return IsIn(term, std::move(values));
}

}  // namespace longbow::filter
