#include "longbow/query/filter_cache.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "longbow/query/selection.h"

namespace longbow::query {
namespace {

Status AppendVersions(const filter::FilterTree& tree, const filter::AllowLists& lists, std::string* out,
                      int64_t* values) {
  if (tree.op == filter::Operator::kInList && tree.values.size() == 1) {
    if (const auto* name = std::get_if<std::string>(&tree.values[0])) {
      LB_ASSIGN_OR_RETURN(const auto list, lists.Find(*name));
      out->append("\n").append(std::to_string(list->version));
      *values += list->values->length();
    }
  }
  *values += static_cast<int64_t>(tree.values.size());
  for (const auto& child : tree.children) LB_RETURN_NOT_OK(AppendVersions(child, lists, out, values));
  return Status::OK();
}

// Of a bound filter: its values, and a hash table of them.
constexpr int64_t kFilterBytes = 2048, kValueBytes = 48;

}  // namespace

Result<std::string> FilterIdentity(const filter::FilterTree& tree, const filter::AllowLists& lists) {
  std::string identity = tree.ToString();
  int64_t values = 0;
  LB_RETURN_NOT_OK(AppendVersions(tree, lists, &identity, &values));
  return identity;
}

Result<std::shared_ptr<const KnownFilter>> FilterCache::Bind(
    const filter::FilterTree& tree, const std::shared_ptr<const engine::DatasetSchema>& schema) {
  FilterKey key{schema.get(), tree.ToString()};
  int64_t values = 0;
  LB_RETURN_NOT_OK(AppendVersions(tree, *lists_, &key.identity, &values));
  if (auto known = filters_.Find(key)) return known;
  auto known = std::make_shared<KnownFilter>();
  LB_ASSIGN_OR_RETURN(known->bound, filter::BoundFilter::Bind(tree, *schema->arrow, lists_));
  known->schema = schema;
  known->number = next_number_.fetch_add(1, std::memory_order_relaxed);
  const auto bytes = static_cast<int64_t>(2 * key.identity.size()) + kFilterBytes + values * kValueBytes;
  filters_.Put(std::move(key), known, bytes);
  return std::shared_ptr<const KnownFilter>(std::move(known));
}

Result<std::shared_ptr<const BlockMarks>> FilterCache::MarksOf(
    const KnownFilter& filter, const engine::View& view, const std::shared_ptr<const engine::RowBlock>& block,
    Budget* budget) {
  const MarksKey key{block.get(), filter.number};
  if (auto found = marks_.Find(key); found.marks != nullptr) {
    counters_.block_hits.Add();
    return std::move(found.marks);
  }
  counters_.block_misses.Add();
  const int64_t rows = block->rows->num_rows();
  counters_.rows_evaluated.Add(rows);
  RowSelection chosen(static_cast<RowOrdinal>(rows));
  LB_ASSIGN_OR_RETURN(const auto columns, FilteredColumns(view, *block, chosen.end(), *filter.bound));
  LB_RETURN_NOT_OK(filter.bound->Select(*columns, 0, &chosen));
  if (!budget->Spend(rows)) return BudgetError(budget->end());
  auto marks = std::make_shared<const BlockMarks>(BlockMarks::Of(chosen));
  marks_.Put(key, {block, marks}, marks->bytes());
  return marks;
}

Result<RowSelection> FilterCache::Select(const KnownFilter& filter, const engine::View& view,
                                         Budget* budget) {
  const RowOrdinal end = view.visibility().end;
  RowSelection selection(end);
  for (const auto& block : view.blocks()) {
    if (block->first >= end) break;
    LB_ASSIGN_OR_RETURN(const auto marks, MarksOf(filter, view, block, budget));
    marks->AddTo(block->first, std::min(block->end, end) - block->first, &selection);
  }
  DropHidden(view, &selection);
  return selection;
}

// A few rows are asked one by one; for more, what the view shows is found once and kept, since writes are
// rarer than searches.
void FilterCache::DropHidden(const engine::View& view, RowSelection* selection) {
  constexpr int64_t kFewShare = 64;
  const Visibility& visibility = view.visibility();
  if (view.live_rows() >= visibility.end) return;
  if (selection->Count() <= visibility.end / kFewShare) {
    selection->ForEach(0, visibility.end, [&](RowOrdinal row) {
      if (!visibility.Visible(row)) selection->Remove(row);
      return true;
    });
    return;
  }
  const VisibleKey key{view.schema().get(), visibility.at, visibility.end};
  Visible visible = visible_.Find(key);
  if (visible.rows == nullptr) {
    visible = {view.schema(), std::make_shared<const RowSelection>(VisibleRows(visibility))};
    visible_.Put(key, visible, visibility.end / 8);
  }
  selection->Intersect(*visible.rows);
}

void FilterCache::ListCounters(CounterVisitor& visitor) const {
  visitor.Visit("filter_cache_hits_total", "Row blocks whose filter was answered from the cache", {},
                counters_.block_hits);
  visitor.Visit("filter_cache_misses_total", "Row blocks that a filter was evaluated on", {},
                counters_.block_misses);
  visitor.Visit("filter_cache_evictions_total", "Bitmaps dropped for room", {}, marks_.evictions);
  visitor.Visit("filter_cache_bytes", "Memory of cached filter bitmaps", {}, marks_.held);
  visitor.Visit("filter_rows_evaluated_total", "Rows that filters were evaluated on", {},
                counters_.rows_evaluated);
}

}  // namespace longbow::query
