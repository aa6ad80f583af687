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
#include "longbow/filter/operators/operator_type.h"

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

Status CheckOperands(const FilterTree& tree) {
  const size_t given = tree.values.size();
  switch (OperandsOf(tree.op)) {
    case Operands::kOne:
    case Operands::kListName:
      if (given == 1) return Status::OK();
      return InvalidArgument("filter: ", OperatorName(tree.op), " on column \"", tree.column,
                             "\" takes one value, got ", given, given == 0 ? "" : "; use in for a list");
    case Operands::kTwo:
      if (given == 2) return Status::OK();
      return InvalidArgument("filter: ", OperatorName(tree.op), " on column \"", tree.column,
                             "\" takes two values, low and high, got ", given);
    case Operands::kNone:
      if (given == 0) return Status::OK();
      return InvalidArgument("filter: ", OperatorName(tree.op), " on column \"", tree.column,
                             "\" takes no value, got ", ValueText(tree.values[0]));
    default:
      return Status::OK();
  }
}

// Turns a tree into one expression over numbered inputs. Confined to Bind.
class Binder {
 public:
  Binder(const arrow::Schema& schema, const AllowLists* lists) : schema_(schema), lists_(lists) {}

  Result<Expression> Bind(const FilterTree& tree) {
    if (OperandsOf(tree.op) == Operands::kChildren) return BindBranch(tree);
    return BindCondition(tree);
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
    const OperatorType& about = TypeOf(tree.op);
    const bool vector = IsVector(*type);
    if (vector && about.bind != nullptr) {
      return InvalidArgument(
          "filter: column \"", tree.column, "\" has type ", type->ToString(),
          ", a vector; vectors are searched, not filtered, but for is null and is not null");
    }
    LB_RETURN_NOT_OK(CheckOperands(tree));
    if (about.bind == nullptr) {
      return compute::call(tree.op == Operator::kIsNull ? "is_null" : "is_valid",
                           {Input(tree.column, vector ? arrow::boolean() : type)});
    }
    const bool list = ListValueType(*type) != nullptr;
    if (list && about.bind_element != nullptr) return BindElements(tree, type, about);
    const auto compared = ComparisonType(type);
    if (compared == nullptr) {
      return InvalidArgument(
          "filter: column \"", tree.column, "\" has type ", type->ToString(), ", which cannot be compared; ",
          list ? "use contains, in, not in, in list, is null or is not null" : "use is null or is not null");
    }
    const bool bytes = arrow::is_base_binary_like(compared->id());
    return about.bind(Term{tree, type, compared, Input(tree.column, compared), lists_,
                           bytes ? TextFinder(tree.column, compared) : nullptr});
  }

  // Whether some element of the list is what the operator asks for, or none is.
  Result<Expression> BindElements(const FilterTree& tree, const std::shared_ptr<arrow::DataType>& type,
                                  const OperatorType& about) {
    const auto element = ListValueType(*type);
    const auto compared = ComparisonType(element);
    if (compared == nullptr) {
      return InvalidArgument("filter: column \"", tree.column, "\" has type ", type->ToString(),
                             ", whose elements cannot be compared; use is null or is not null");
    }
    LB_ASSIGN_OR_RETURN(auto expression, about.bind_element(Term{tree, element, compared,
                                                                 compute::field_ref(0), lists_, nullptr}));
    LB_ASSIGN_OR_RETURN(expression, expression.Bind(*arrow::schema({arrow::field("element", compared)})));
    inputs_.emplace_back(tree.column, type, compared, std::move(expression));
    auto some = compute::field_ref(static_cast<int>(inputs_.size()) - 1);
    return about.no_element ? compute::call("invert", {std::move(some)}) : some;
  }

  std::function<Expression(TextSet)> TextFinder(const std::string& column,
                                                const std::shared_ptr<arrow::DataType>& type) {
    return [this, column, type](TextSet texts) {
      inputs_.emplace_back(column, type, std::move(texts));
      return compute::field_ref(static_cast<int>(inputs_.size()) - 1);
    };
  }

  Expression Input(const std::string& column, const std::shared_ptr<arrow::DataType>& type) {
    const auto same = std::find_if(inputs_.begin(), inputs_.end(),
                                   [&](const ColumnInput& input) { return input.SameAs(column, *type); });
    const int position = static_cast<int>(same - inputs_.begin());
    if (same == inputs_.end()) inputs_.emplace_back(column, type);
    return compute::field_ref(position);
  }

  const arrow::Schema& schema_;
  const AllowLists* const lists_;
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
                                                             const arrow::Schema& schema,
                                                             const AllowLists* lists) {
  static const Status initialized = compute::Initialize();
  LB_RETURN_NOT_OK(initialized);
  int terms = 0;
  LB_RETURN_NOT_OK(CheckLimits(tree, 1, &terms));
  Binder binder(schema, lists);
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
