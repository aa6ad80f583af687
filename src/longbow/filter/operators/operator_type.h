// What a row of the operator list is made of. Internal to filter/.
#pragma once

#include <arrow/compute/expression.h>

#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "longbow/filter/filter.h"
#include "longbow/filter/operator_list.h"
#include "longbow/filter/text_set.h"

namespace arrow {
class DataType;
}

namespace longbow::filter {

// A condition whose column was found: what an operator makes an expression of.
struct Term {
  const FilterTree& tree;
  std::shared_ptr<arrow::DataType> type;      // of the values looked at: the column's, or its elements'
  std::shared_ptr<arrow::DataType> compared;  // ComparisonType(type)
  arrow::compute::Expression values;          // in that form
  const AllowLists* lists = nullptr;
  // Whether the column's value is in the set; null where values are not those of a column of texts.
  std::function<arrow::compute::Expression(TextSet)> find_texts;
};
// A boolean expression, null where the value is null.
using BindTerm = Result<arrow::compute::Expression> (*)(const Term& term);

struct OperatorType {
  Operator op;
  std::string_view name;  // as filters print it, and as SQL says it
  std::span<const std::string_view> spellings;
  Operands operands;
  BindTerm bind;            // null: not a question about values
  BindTerm bind_element;    // of list columns: whether an element ...; null: lists cannot be asked
  bool no_element = false;  // of list columns the opposite is asked: that no element ...
};
const OperatorType& TypeOf(Operator op);

// operators/comparison.cc
Result<arrow::compute::Expression> BindComparison(const Term& term);
Result<arrow::compute::Expression> BindEqual(const Term& term);
// operators/between.cc
Result<arrow::compute::Expression> BindBetween(const Term& term);
// operators/membership.cc
Result<arrow::compute::Expression> BindIn(const Term& term);
Result<arrow::compute::Expression> BindNotIn(const Term& term);
// operators/allow_list_membership.cc
Result<arrow::compute::Expression> BindInList(const Term& term);
// operators/text_match.cc
Result<arrow::compute::Expression> BindContains(const Term& term);
Result<arrow::compute::Expression> BindPrefix(const Term& term);
Result<arrow::compute::Expression> BindLike(const Term& term);

// The term's values compared with one literal.
Result<arrow::compute::Expression> CompareWith(const Term& term, Operator op, const Value& value);
// Whether the term's values are in an array of its compared type, without nulls.
arrow::compute::Expression IsIn(const Term& term, std::shared_ptr<arrow::Array> values);
// `answer` for every value, null for null: three-valued logic lets no null match, also under NOT.
arrow::compute::Expression ForValues(const arrow::compute::Expression& values, bool answer);

}  // namespace longbow::filter
