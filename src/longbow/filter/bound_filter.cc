#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api.h>
#include <arrow/compute/expression.h>
#include <arrow/compute/initialize.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/bitmap_ops.h>

#include <algorithm>
#include <numeric>
#include <span>

#include "longbow/base/check.h"
#include "longbow/filter/column_input.h"
#include "longbow/filter/filter.h"
#include "longbow/filter/literal.h"

namespace longbow::filter {
namespace {

namespace compute = arrow::compute;
using compute::Expression;

Status CheckLimits(const FilterTree& tree, int depth, int* terms) {
  if (depth > kMaxDepth) return InvalidArgument("filter: nested deeper than ", kMaxDepth, " levels");
  if (++*terms > kMaxTerms) return InvalidArgument("filter: more than ", kMaxTerms, " conditions");
  if (tree.values.size() > static_cast<size_t>(kMaxListValues)) {
    return InvalidArgument("filter: column \"", tree.column, "\" is compared with a list of ",
                           tree.values.size(), " values; at most ", kMaxListValues, " are allowed");
  }
  for (const FilterTree& child : tree.children) LB_RETURN_NOT_OK(CheckLimits(child, depth + 1, terms));
  return Status::OK();
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

// Levenshtein's distance, ignoring case.
size_t EditDistance(const std::string& one, const std::string& other) {
  const std::string a = Lower(one), b = Lower(other);
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

Status UnknownColumn(const std::string& wanted, const arrow::Schema& schema) {
  constexpr size_t kNamed = 3, kLongestName = 64;
  const std::string name = wanted.substr(0, kLongestName);
  std::vector<std::pair<size_t, std::string>> near;
  for (const auto& field : schema.fields()) {
    if (field->name().size() > kLongestName) continue;
    const size_t distance = EditDistance(name, field->name());
    if (distance <= std::max<size_t>(2, name.size() / 3)) near.emplace_back(distance, field->name());
  }
  std::sort(near.begin(), near.end());
  std::string message = "filter: unknown column \"" + name + "\"";
  for (size_t i = 0; i < std::min(kNamed, near.size()); ++i) {
    message += (i == 0 ? "; did you mean \"" : "\" or \"") + near[i].second;
  }
  if (!near.empty()) return InvalidArgument(message, "\"?");
  message += "; the dataset has";
  for (int i = 0; i < std::min(schema.num_fields(), 10); ++i) {
    message += (i == 0 ? " \"" : ", \"") + schema.field(i)->name().substr(0, kLongestName) + '"';
  }
  return InvalidArgument(message, schema.num_fields() > 10 ? ", ..." : "");
}

bool IsVector(const arrow::DataType& type) {
  if (type.id() != arrow::Type::FIXED_SIZE_LIST) return false;
  const auto value = ListValueType(type)->id();
  return arrow::is_integer(value) || arrow::is_floating(value);
}

// Folded in halves, so that a thousand conditions nest ten deep.
Expression Fold(const char* function, std::span<const Expression> terms, bool empty) {
  if (terms.empty()) return compute::literal(empty);
  if (terms.size() == 1) return terms[0];
  const size_t half = terms.size() / 2;
  return compute::call(
      function, {Fold(function, terms.first(half), empty), Fold(function, terms.subspan(half), empty)});
}

// `answer` for every value, null for null: three-valued logic lets no null match, also under NOT.
Expression ForValues(const Expression& column, bool answer) {
  return compute::call("if_else", {compute::call("is_valid", {column}), compute::literal(answer),
                                   compute::literal(std::make_shared<arrow::BooleanScalar>())});
}

// One comparison with a literal, by where the literal lies.
Expression Compare(Operator op, const Expression& column, const Literal& literal) {
  const bool less = op == Operator::kLess || op == Operator::kLessEqual;
  if (op == Operator::kEqual && literal.place != Place::kExact) return ForValues(column, false);
  if (op == Operator::kNotEqual && literal.place != Place::kExact) return ForValues(column, true);
  if (literal.place == Place::kAboveAll) return ForValues(column, less);
  if (literal.place == Place::kBelowAll) return ForValues(column, !less);
  const Expression value = compute::literal(literal.value);
  if (literal.place == Place::kBetween)
    return compute::call(less ? "less_equal" : "greater", {column, value});
  switch (op) {
    case Operator::kEqual:
      return compute::call("equal", {column, value});
    case Operator::kNotEqual:
      return compute::call("not_equal", {column, value});
    case Operator::kLess:
      return compute::call("less", {column, value});
    case Operator::kLessEqual:
      return compute::call("less_equal", {column, value});
    case Operator::kGreater:
      return compute::call("greater", {column, value});
    default:
      return compute::call("greater_equal", {column, value});
  }
}

bool IsZero(const arrow::Scalar& value) {
  if (value.type->id() == arrow::Type::FLOAT) return static_cast<const arrow::FloatScalar&>(value).value == 0;
  if (value.type->id() == arrow::Type::DOUBLE)
    return static_cast<const arrow::DoubleScalar&>(value).value == 0;
  return false;
}

// Membership in a list. Arrow's lookup tells the two zeros apart and finds NaN in NaN; comparisons do
// neither.
Result<Expression> Membership(const Expression& column, const std::shared_ptr<arrow::DataType>& type,
                              const std::shared_ptr<arrow::DataType>& compared, const FilterTree& tree) {
  std::unique_ptr<arrow::ArrayBuilder> set;
  LB_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), compared, &set));
  for (const Value& value : tree.values) {
    LB_ASSIGN_OR_RETURN(const Literal literal, MakeLiteral(value, type, tree.column));
    if (literal.place != Place::kExact || literal.nan) continue;
    LB_RETURN_NOT_OK(set->AppendScalar(*literal.value));
    if (!IsZero(*literal.value)) continue;
    LB_ASSIGN_OR_RETURN(auto negative_zero, arrow::MakeScalar(-0.0)->CastTo(compared));
    LB_RETURN_NOT_OK(set->AppendScalar(*negative_zero));
    LB_ASSIGN_OR_RETURN(auto zero, arrow::MakeScalar(0.0)->CastTo(compared));
    LB_RETURN_NOT_OK(set->AppendScalar(*zero));
  }
  LB_ASSIGN_OR_RETURN(auto values, set->Finish());
  if (values->length() == 0) return ForValues(column, false);
  return compute::call("is_in", {column},
                       compute::SetLookupOptions(values, compute::SetLookupOptions::EMIT_NULL));
}

Status WrongValueCount(const FilterTree& tree) {
  return InvalidArgument("filter: ", OperatorName(tree.op), " on column \"", tree.column,
                         "\" takes one value, got ", tree.values.size(),
                         tree.values.empty() ? "" : "; use in for a list");
}

// Turns a tree into one expression over numbered inputs. Confined to Bind.
class Binder {
 public:
  explicit Binder(const arrow::Schema& schema) : schema_(schema) {}

  Result<Expression> Bind(const FilterTree& tree) {
    switch (tree.op) {
      case Operator::kAnd:
      case Operator::kOr:
      case Operator::kNot:
        return BindBranch(tree);
      default:
        return BindCondition(tree);
    }
  }
  std::vector<ColumnInput> TakeInputs() { return std::move(inputs_); }

 private:
  Result<Expression> BindBranch(const FilterTree& tree) {
    std::vector<Expression> terms;
    for (const FilterTree& child : tree.children) {
      LB_ASSIGN_OR_RETURN(auto term, Bind(child));
      terms.push_back(std::move(term));
    }
    if (tree.op == Operator::kAnd) return Fold("and_kleene", terms, true);
    if (tree.op == Operator::kOr) return Fold("or_kleene", terms, false);
    if (terms.size() != 1) {
      return InvalidArgument("filter: not takes one condition, got ", terms.size(),
                             "; join them with and, or");
    }
    return compute::call("invert", {terms[0]});
  }

  Result<Expression> BindCondition(const FilterTree& tree) {
    const auto fields = schema_.GetAllFieldsByName(tree.column);
    if (fields.empty()) return UnknownColumn(tree.column, schema_);
    const auto& type = fields.front()->type();
    if (IsVector(*type)) {
      return InvalidArgument("filter: column \"", tree.column, "\" has type ", type->ToString(),
                             ", a vector; vectors are searched, not filtered");
    }
    if (tree.op == Operator::kIsNull || tree.op == Operator::kIsNotNull) return BindNullTest(tree, type);
    if (tree.op == Operator::kContains && ListValueType(*type) != nullptr)
      return BindListContains(tree, type);
    const auto compared = ComparisonType(type);
    if (compared == nullptr) {
      return InvalidArgument("filter: column \"", tree.column, "\" has type ", type->ToString(),
                             ", which cannot be compared; ",
                             ListValueType(*type) != nullptr ? "use contains, is_null or is_not_null"
                                                             : "use is_null or is_not_null");
    }
    return Condition(tree, Input(tree.column, compared), type, compared);
  }

  static Result<Expression> Condition(const FilterTree& tree, const Expression& column,
                                      const std::shared_ptr<arrow::DataType>& type,
                                      const std::shared_ptr<arrow::DataType>& compared) {
    if (tree.op == Operator::kIn) return Membership(column, type, compared, tree);
    if (tree.op == Operator::kNotIn) {
      LB_ASSIGN_OR_RETURN(auto in, Membership(column, type, compared, tree));
      return compute::call("invert", {in});
    }
    if (tree.values.size() != 1) return WrongValueCount(tree);
    LB_ASSIGN_OR_RETURN(const Literal literal, MakeLiteral(tree.values[0], type, tree.column));
    if (tree.op != Operator::kContains && tree.op != Operator::kPrefix)
      return Compare(tree.op, column, literal);
    if (!arrow::is_base_binary_like(compared->id())) {
      return InvalidArgument("filter: ", OperatorName(tree.op),
                             " needs text or, for contains, a list; column \"", tree.column, "\" has type ",
                             type->ToString());
    }
    const auto& text = static_cast<const arrow::BaseBinaryScalar&>(*literal.value).value->ToString();
    return compute::call(tree.op == Operator::kPrefix ? "starts_with" : "match_substring", {column},
                         compute::MatchSubstringOptions(text));
  }

  Result<Expression> BindNullTest(const FilterTree& tree, const std::shared_ptr<arrow::DataType>& type) {
    bool wanted = tree.op == Operator::kIsNull;
    if (tree.values.size() > 1) return WrongValueCount(tree);
    if (!tree.values.empty() && !std::holds_alternative<std::monostate>(tree.values[0])) {
      const auto* yes = std::get_if<bool>(&tree.values[0]);
      if (yes == nullptr) {
        return InvalidArgument("filter: ", OperatorName(tree.op), " on column \"", tree.column,
                               "\" takes no value, or true or false; got ", ValueText(tree.values[0]));
      }
      if (!*yes) wanted = !wanted;
    }
    return compute::call(wanted ? "is_null" : "is_valid", {Input(tree.column, type)});
  }

  // Whether the list holds the value, by equality of elements.
  Result<Expression> BindListContains(const FilterTree& tree, const std::shared_ptr<arrow::DataType>& type) {
    const auto element = ListValueType(*type);
    const auto compared = ComparisonType(element);
    if (compared == nullptr) {
      return InvalidArgument("filter: column \"", tree.column, "\" has type ", type->ToString(),
                             ", whose elements cannot be compared; use is_null or is_not_null");
    }
    FilterTree equal{Operator::kEqual, tree.column, tree.values, {}};
    LB_ASSIGN_OR_RETURN(auto expression, Condition(equal, compute::field_ref(0), element, compared));
    LB_ASSIGN_OR_RETURN(expression, expression.Bind(*arrow::schema({arrow::field("element", compared)})));
    inputs_.emplace_back(tree.column, type, compared, std::move(expression));
    return compute::field_ref(static_cast<int>(inputs_.size()) - 1);
  }

  Expression Input(const std::string& column, const std::shared_ptr<arrow::DataType>& type) {
    const auto same = std::find_if(inputs_.begin(), inputs_.end(),
                                   [&](const ColumnInput& input) { return input.SameAs(column, *type); });
    const int position = static_cast<int>(same - inputs_.begin());
    if (same == inputs_.end()) inputs_.emplace_back(column, type);
    return compute::field_ref(position);
  }

  const arrow::Schema& schema_;
  std::vector<ColumnInput> inputs_;
};

class ExpressionFilter final : public BoundFilter {
 public:
  ExpressionFilter(Expression expression, std::vector<ColumnInput> inputs)
      : expression_(std::move(expression)), inputs_(std::move(inputs)) {
    for (const ColumnInput& input : inputs_) {
      if (std::find(columns_.begin(), columns_.end(), input.column()) == columns_.end()) {
        columns_.push_back(input.column());
      }
    }
  }

  Status Select(const arrow::RecordBatch& block, RowOrdinal first, RowSelection* selection) const override {
    const int64_t rows = block.num_rows();
    if (rows == 0) return Status::OK();
    LB_CHECK(static_cast<int64_t>(first) + rows <= static_cast<int64_t>(selection->end()));
    std::vector<arrow::Datum> values;
    values.reserve(inputs_.size());
    for (const ColumnInput& input : inputs_) {
      LB_ASSIGN_OR_RETURN(auto value, input.Read(block));
      values.push_back(std::move(value));
    }
    LB_ASSIGN_OR_RETURN(
        const arrow::Datum answer,
        compute::ExecuteScalarExpression(expression_, compute::ExecBatch(std::move(values), rows)));
    if (answer.is_array()) return AddMatches(*answer.array(), first, selection);
    const auto& all = answer.scalar_as<arrow::BooleanScalar>();
    if (all.is_valid && all.value) {
      const std::vector<uint8_t> ones(static_cast<size_t>((rows + 7) / 8), 0xFF);
      selection->AddBits(first, ones.data(), 0, rows);
    }
    return Status::OK();
  }
  const std::vector<std::string>& columns() const override { return columns_; }

 private:
  static Status AddMatches(const arrow::ArrayData& answer, RowOrdinal first, RowSelection* selection) {
    if (answer.GetNullCount() == 0) {
      selection->AddBits(first, answer.buffers[1]->data(), answer.offset, answer.length);
      return Status::OK();
    }
    LB_ASSIGN_OR_RETURN(
        auto matches,
        arrow::internal::BitmapAnd(arrow::default_memory_pool(), answer.buffers[0]->data(), answer.offset,
                                   answer.buffers[1]->data(), answer.offset, answer.length, 0));
    selection->AddBits(first, matches->data(), 0, answer.length);
    return Status::OK();
  }

  const Expression expression_;  // bound to the inputs by position
  const std::vector<ColumnInput> inputs_;
  std::vector<std::string> columns_;
};

}  // namespace

Result<std::shared_ptr<const BoundFilter>> BoundFilter::Bind(const FilterTree& tree,
                                                             const arrow::Schema& schema) {
  static const Status initialized = compute::Initialize();
  LB_RETURN_NOT_OK(initialized);
  int terms = 0;
  LB_RETURN_NOT_OK(CheckLimits(tree, 1, &terms));
  Binder binder(schema);
  LB_ASSIGN_OR_RETURN(auto expression, binder.Bind(tree));
  auto inputs = binder.TakeInputs();
  arrow::FieldVector fields;
  for (size_t i = 0; i < inputs.size(); ++i) {
    fields.push_back(arrow::field(std::to_string(i), inputs[i].output_type()));
  }
  LB_ASSIGN_OR_RETURN(expression, expression.Bind(*arrow::schema(std::move(fields))));
  return std::make_shared<const ExpressionFilter>(std::move(expression), std::move(inputs));
}

}  // namespace longbow::filter
