#include "longbow/query/explain.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <optional>
#include <vector>

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

struct Row {
  Plan plan;
  std::string index;
  bool chosen = false;
  Text reason;
};

constexpr const char* kPart = "part of the fusion";

Text WhyNot(const Plan& plan, const PlanInput& input) {
  if (MayBeTaken(plan, input)) return "costs more";
  if (input.exact) return "not exact";
  return plan.name == kPrefixScan ? "no dims were asked for" : "dims asks for a scan of prefixes";
}

// The ways to search by vector; the one taken is chosen, or a part of what is.
void AddNeighborPlans(const ExplainInput& input, bool part, std::vector<Row>* rows) {
  bool taken = false;
  for (const Plan& plan : ListPlans(*input.neighbors)) {
    Row row{plan, std::string(input.neighbors->index->name()), false, {}};
    const bool this_one = !taken && plan.name == input.neighbor_plan;
    taken = taken || this_one;
    row.chosen = this_one && !part;
    if (this_one && part) row.reason = kPart;
    if (!this_one) row.reason = WhyNot(plan, *input.neighbors);
    rows->push_back(std::move(row));
  }
}

// The ways to search by text, of which the cheaper is taken.
void AddTextPlans(const text::TextCost& texts, bool part, bool nothing, std::vector<Row>* rows) {
  const bool selected = texts.selected_nanos && *texts.selected_nanos < texts.lists_nanos;
  const auto add = [&](std::string_view name, double nanos, bool taken) {
    Row row{{name, {}, nanos, true}, "text", taken && !part && !nothing, {}};
    if (taken && part) row.reason = kPart;
    if (!taken) row.reason = "costs more";
    rows->push_back(std::move(row));
  };
  add(kPostings, texts.lists_nanos, !selected);
  if (texts.selected_nanos) add(kPostingsOfSelection, *texts.selected_nanos, selected);
}

std::vector<Row> RowsOf(const ExplainInput& input) {
  const bool both = input.neighbors != nullptr && input.texts;
  const bool nothing = input.answer->plan == kNoPlan;
  std::vector<Row> rows;
  if (input.neighbors != nullptr) AddNeighborPlans(input, both, &rows);
  if (input.texts) AddTextPlans(*input.texts, both, nothing, &rows);
  if (both && !nothing) {
    Row fusion{{kFusion, {}, 0, true}, "fusion", true, {}};
    for (const Row& row : rows) {
      if (row.reason != kPart) continue;
      fusion.plan.nanos += row.plan.nanos;
      fusion.plan.exact = fusion.plan.exact && row.plan.exact;
    }
    rows.push_back(std::move(fusion));
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return a.plan.nanos < b.plan.nanos; });
  if (nothing) rows.insert(rows.begin(), Row{Plan{}, rows.empty() ? "" : rows.front().index, true, {}});
  return rows;
}

Status AddRow(const Row& row, const ExplainInput& input, TableBuilder* table) {
  const SearchRequest& request = *input.request;
  const SearchAnswer& answer = *input.answer;
  LB_RETURN_NOT_OK(table->Add("plan", Text(row.plan.name)));
  LB_RETURN_NOT_OK(table->Add("chosen", row.chosen));
  LB_RETURN_NOT_OK(table->Add("exact", row.plan.exact));
  LB_RETURN_NOT_OK(table->Add("cost_nanos", row.plan.nanos));
  LB_RETURN_NOT_OK(table->Add("reason", row.reason));
  LB_RETURN_NOT_OK(table->Add("index", Text(row.index)));
  LB_RETURN_NOT_OK(table->Add("filter", request.filter ? Text(request.filter->ToString()) : Text()));
  LB_RETURN_NOT_OK(table->Add("queries", static_cast<int32_t>(input.queries)));
  LB_RETURN_NOT_OK(table->Add("k", static_cast<int32_t>(input.k)));
  LB_RETURN_NOT_OK(table->Add("rows", Int(answer.rows)));
  LB_RETURN_NOT_OK(table->Add("selected", Int(answer.selected)));
  const double rows = std::max(1.0, static_cast<double>(answer.rows));
  LB_RETURN_NOT_OK(table->Add("selectivity", static_cast<double>(answer.selected) / rows));
  const bool told = row.chosen && input.hits;
  LB_RETURN_NOT_OK(table->Add("coverage", told ? Text(CoverageName(answer.coverage)) : Text()));
  const std::pair<const char*, int64_t> measured[] = {
      {"hits", input.hits.value_or(0)},
      {"distances", answer.work.distances},
      {"codes", answer.work.codes},
      {"hops", answer.work.hops},
      {"bytes", answer.work.bytes},
      {"postings", answer.postings},
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

Result<std::shared_ptr<arrow::RecordBatch>> ExplainTable(const ExplainInput& input) {
  TableBuilder table;
  for (const Row& row : RowsOf(input)) LB_RETURN_NOT_OK(AddRow(row, input, &table));
  return table.Finish();
}

}  // namespace longbow::query
