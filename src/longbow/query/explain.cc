#include "longbow/query/explain.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <optional>

namespace longbow::query {
namespace {

using Int = std::optional<int64_t>;
using Text = std::optional<std::string>;

// Columns in the order they are appended to, row by row. Confined.
class TableBuilder {
 public:
  Status Add(const char* name, const Text& value) {
    auto* builder = Next<arrow::StringBuilder>(name);
    return value ? builder->Append(*value) : builder->AppendNull();
  }
  Status Add(const char* name, bool value) { return Next<arrow::BooleanBuilder>(name)->Append(value); }
  Status Add(const char* name, double value) { return Next<arrow::DoubleBuilder>(name)->Append(value); }
  Status Add(const char* name, const Int& value) {
    auto* builder = Next<arrow::Int64Builder>(name);
    return value ? builder->Append(*value) : builder->AppendNull();
  }
  Status Add(const char* name, int32_t value) { return Next<arrow::Int32Builder>(name)->Append(value); }
  void EndRow() {
    ++rows_;
    column_ = 0;
  }
  Result<std::shared_ptr<arrow::RecordBatch>> Finish() {
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (size_t i = 0; i < names_.size(); ++i) {
      LB_ASSIGN_OR_RETURN(arrays.emplace_back(), builders_[i]->Finish());
      fields.push_back(arrow::field(names_[i], arrays.back()->type()));
    }
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows_, std::move(arrays));
  }

 private:
  template <typename Builder>
  Builder* Next(const char* name) {
    if (column_ == names_.size()) {
      names_.emplace_back(name);
      builders_.push_back(std::make_unique<Builder>());
    }
    return static_cast<Builder*>(builders_[column_++].get());
  }

  std::vector<std::string> names_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;
  size_t column_ = 0;
  int64_t rows_ = 0;
};

Text WhyNot(const Plan& plan, const PlanInput& input, bool chosen) {
  if (chosen) return std::nullopt;
  if (!MayBeTaken(plan, input)) {
    if (input.exact) return "not exact";
    return plan.name == kPrefixScan ? "no dims were asked for" : "dims asks for a scan of prefixes";
  }
  return "costs more";
}

Status AddRow(const Plan& plan, bool chosen, const PlanInput& input, const SearchRequest& request,
              const SearchAnswer& answer, bool ran, int64_t hits, TableBuilder* table) {
  const index::SearchShape& shape = input.shape;
  LB_RETURN_NOT_OK(table->Add("plan", Text(plan.name)));
  LB_RETURN_NOT_OK(table->Add("chosen", chosen));
  LB_RETURN_NOT_OK(table->Add("exact", plan.exact));
  LB_RETURN_NOT_OK(table->Add("cost_nanos", plan.nanos));
  LB_RETURN_NOT_OK(table->Add("reason", WhyNot(plan, input, chosen)));
  LB_RETURN_NOT_OK(table->Add("index", Text(input.index->name())));
  LB_RETURN_NOT_OK(table->Add("filter", request.filter ? Text(request.filter->ToString()) : Text()));
  LB_RETURN_NOT_OK(table->Add("queries", static_cast<int32_t>(shape.queries)));
  LB_RETURN_NOT_OK(table->Add("k", static_cast<int32_t>(shape.k)));
  LB_RETURN_NOT_OK(table->Add("rows", Int(answer.rows)));
  LB_RETURN_NOT_OK(table->Add("selected", Int(answer.selected)));
  const double rows = std::max(1.0, static_cast<double>(answer.rows));
  LB_RETURN_NOT_OK(table->Add("selectivity", static_cast<double>(answer.selected) / rows));
  const bool told = chosen && ran;
  LB_RETURN_NOT_OK(table->Add("coverage", told ? Text(CoverageName(answer.coverage)) : Text()));
  const std::pair<const char*, int64_t> measured[] = {
      {"hits", hits},
      {"distances", answer.work.distances},
      {"codes", answer.work.codes},
      {"hops", answer.work.hops},
      {"bytes", answer.work.bytes},
      {"prepare_nanos", answer.stages.prepare},
      {"filter_nanos", answer.stages.filter},
      {"search_nanos", answer.stages.search},
      {"columns_nanos", answer.stages.columns},
      {"total_nanos", answer.nanos},
  };
  for (const auto& [name, value] : measured) LB_RETURN_NOT_OK(table->Add(name, told ? Int(value) : Int()));
  table->EndRow();
  return Status::OK();
}

}  // namespace

Result<std::shared_ptr<arrow::RecordBatch>> ExplainTable(const PlanInput& input, const SearchRequest& request,
                                                         const SearchAnswer& answer, bool ran, int64_t hits) {
  TableBuilder table;
  std::vector<Plan> plans = ListPlans(input);
  std::string_view chosen = answer.plan;
  if (chosen == kNoPlan) plans.insert(plans.begin(), Plan{});
  for (const Plan& plan : plans) {
    const bool taken = plan.name == chosen;
    if (taken) chosen = {};
    LB_RETURN_NOT_OK(AddRow(plan, taken, input, request, answer, ran, hits, &table));
  }
  return table.Finish();
}

}  // namespace longbow::query
