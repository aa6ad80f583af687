#include "longbow/query/neighbor_search.h"

#include <algorithm>

#include "longbow/base/check.h"
#include "longbow/query/prefix_search.h"
#include "longbow/query/selection.h"

namespace longbow::query {
namespace {

bool Same(const index::SearchShape& a, const index::SearchShape& b) {
  return a.queries == b.queries && a.k == b.k && a.effort.recall == b.effort.recall &&
         a.effort.ef == b.effort.ef && a.rows == b.rows && a.held == b.held &&
         a.has_selection == b.has_selection && a.selected == b.selected;
}

bool Same(const PlanInput& a, const PlanInput& b) {
  return a.index == b.index && a.methods_version == b.methods_version && a.exact == b.exact &&
         a.prefix_scalars == b.prefix_scalars && a.prefixes_only == b.prefixes_only && Same(a.shape, b.shape);
}

Status Choose(const PlanInput& input, ChosenPlan* chosen) {
  if (Same(chosen->input, input)) return Status::OK();
  LB_ASSIGN_OR_RETURN(chosen->plan, ChoosePlan(input));
  chosen->input = input;
  return Status::OK();
}

// Takes the rows left out from the hits; each such query was searched for one hit more than it wants.
void LeaveOut(const std::vector<RowOrdinal>& left_out, const std::vector<uint32_t>& k,
              index::SearchHits* hits) {
  uint32_t kept = 0, begin = 0;
  for (size_t query = 0; query < left_out.size(); ++query) {
    const uint32_t end = hits->offsets[query + 1];
    const bool one_more = left_out[query] != kNoRow;
    const uint32_t most = kept + k[query] - (one_more ? 1 : 0);
    for (uint32_t i = begin; i < end && kept < most; ++i) {
      if (hits->neighbors[i].row != left_out[query]) hits->neighbors[kept++] = hits->neighbors[i];
    }
    begin = end;
    hits->offsets[query + 1] = kept;
  }
  hits->neighbors.resize(kept);
}

}  // namespace

PlanInput PlanInputOf(const NeighborSearch& search, const Workspace& workspace) {
  const engine::View& view = *search.view;
  const auto& column = view.schema()->vectors[static_cast<size_t>(search.vector_column)];
  const index::VectorStore& store = view.Vectors(search.vector_column);
  PlanInput input;
  input.index = &view.Index(search.vector_column);
  input.methods_version = input.index->methods_version();
  input.shape.queries = static_cast<uint32_t>(workspace.k.size());
  input.shape.k = *std::max_element(workspace.k.begin(), workspace.k.end());
  input.shape.effort = search.effort;
  input.shape.rows = static_cast<uint64_t>(view.live_rows());
  input.shape.held = index::HeldRows(view.visibility());
  input.shape.has_selection = search.selection != nullptr;
  input.shape.selected = search.selected;
  input.exact = search.exact;
  input.scalars = static_cast<uint32_t>(store.scalars());
  input.prefix_scalars = search.dims * static_cast<uint32_t>(distance::ScalarsPerElement(column.type));
  input.prefixes_only = !workspace.whole;
  input.row_bytes = store.row_bytes();
  return input;
}

Result<Plan> FindNeighbors(const NeighborSearch& search, Workspace* workspace) {
  LB_CHECK(search.vector_column >= 0);
  LB_CHECK(workspace->left_out.size() == workspace->k.size());
  LB_CHECK(workspace->prepared.size() == workspace->k.size() * workspace->stride);
  const PlanInput input = PlanInputOf(search, *workspace);
  const index::VectorIndex& index = *input.index;
  LB_RETURN_NOT_OK(Choose(input, &workspace->chosen));
  const Plan plan = workspace->chosen.plan;

  index::SearchSpec spec;
  spec.method = plan.method;
  spec.queries = workspace->prepared.data();
  spec.query_stride = workspace->stride;
  spec.query_count = input.shape.queries;
  spec.k = workspace->k;
  spec.effort = search.effort;
  spec.visibility = search.view->visibility();
  spec.rows = input.shape.rows;
  spec.selection = search.selection;
  spec.selected = search.selected;
  spec.ties = &search.view->key_order();
  spec.budget = search.budget;
  workspace->hits.work = {};
  if (plan.name == kPrefixScan) {
    PrefixSearch(*search.view, search.vector_column, spec, input.prefix_scalars, workspace);
  } else {
    LB_RETURN_NOT_OK(index.Search(spec, workspace->ScratchOf(index), &workspace->hits));
  }
  if (search.budget->end() == BudgetEnd::kStopped) return BudgetError(search.budget->end());
  LeaveOut(workspace->left_out, workspace->k, &workspace->hits);
  return plan;
}

}  // namespace longbow::query
