#include "longbow/query/neighbor_search.h"

#include <algorithm>

#include "longbow/query/selection.h"

namespace longbow::query {
namespace {

bool Same(const index::SearchShape& a, const index::SearchShape& b) {
  return a.queries == b.queries && a.k == b.k && a.effort.recall == b.effort.recall &&
         a.effort.ef == b.effort.ef && a.rows == b.rows && a.has_selection == b.has_selection &&
         a.selected == b.selected;
}

Status Choose(const index::VectorIndex& index, const index::SearchShape& shape, bool exact,
              ChosenMethod* chosen) {
  if (chosen->index == &index && chosen->exact == exact && Same(chosen->shape, shape)) return Status::OK();
  LB_ASSIGN_OR_RETURN(chosen->cost, ChooseMethod(index, shape, exact));
  chosen->index = &index;
  chosen->shape = shape;
  chosen->exact = exact;
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

Result<index::MethodCost> ChooseMethod(const index::VectorIndex& index, const index::SearchShape& shape,
                                       bool exact) {
  const auto methods = index.Methods(shape);
  const index::MethodCost* best = nullptr;
  for (const index::MethodCost& method : methods) {
    if (exact && !method.exact) continue;
    if (best == nullptr || method.nanos < best->nanos) best = &method;
  }
  if (best == nullptr) {
    return Error(ErrorCode::kFailedPrecondition, "index \"", index.name(),
                 "\" cannot answer exactly; leave out exact");
  }
  return *best;
}

Result<index::Method> FindNeighbors(const NeighborSearch& search, Workspace* workspace) {
  const engine::View& view = *search.view;
  const index::VectorIndex& index = view.Index(search.vector_column);
  index::SearchShape shape;
  shape.queries = static_cast<uint32_t>(workspace->k.size());
  shape.k = *std::max_element(workspace->k.begin(), workspace->k.end());
  shape.effort = search.effort;
  shape.rows = static_cast<uint64_t>(view.live_rows());
  shape.has_selection = search.selection != nullptr;
  shape.selected = search.selected;
  LB_RETURN_NOT_OK(Choose(index, shape, search.exact, &workspace->chosen));

  index::SearchSpec spec;
  spec.method = workspace->chosen.cost.method;
  spec.queries = workspace->prepared.data();
  spec.query_stride = workspace->stride;
  spec.query_count = shape.queries;
  spec.k = workspace->k;
  spec.effort = search.effort;
  spec.visibility = view.visibility();
  spec.selection = search.selection;
  spec.selected = search.selected;
  spec.ties = &view.key_order();
  spec.budget = search.budget;
  workspace->hits.work = {};
  LB_RETURN_NOT_OK(index.Search(spec, workspace->ScratchOf(index), &workspace->hits));
  const BudgetEnd end = search.budget->end();
  if (end == BudgetEnd::kStopped) return BudgetError(end);
  const index::SearchHits& hits = workspace->hits;
  if (end == BudgetEnd::kDeadline && hits.coverage == index::Coverage::kPartial && hits.neighbors.empty()) {
    return BudgetError(end);
  }
  LeaveOut(workspace->left_out, workspace->k, &workspace->hits);
  return spec.method;
}

}  // namespace longbow::query
