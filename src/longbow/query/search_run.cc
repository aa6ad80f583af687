#include "longbow/query/search_run.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "longbow/query/explain.h"
#include "longbow/query/hit_order.h"
#include "longbow/query/query_vectors.h"
#include "longbow/query/selection.h"

namespace longbow::query {
namespace {

constexpr int64_t kNanosPerMilli = 1000000;

Status CheckEffort(const index::Effort& effort, const SearchLimits& limits) {
  if (effort.ef > limits.max_ef) {
    return InvalidArgument("ef is ", effort.ef, "; at most ", limits.max_ef, " is allowed");
  }
  if (effort.ef == 0 && !(effort.recall > 0 && effort.recall <= 1)) {
    return InvalidArgument("recall is ", effort.recall, "; it must be above 0 and at most 1");
  }
  return Status::OK();
}

// No query gets more hits than there are rows, however large its k: so heaps need no more room. One more is
// asked for where a row will be left out.
void BoundByRows(const std::vector<RowOrdinal>& left_out, RowOrdinal rows, std::vector<uint32_t>* k) {
  for (size_t query = 0; query < k->size(); ++query) {
    (*k)[query] = std::min((*k)[query], std::max<uint32_t>(rows, 1)) + (left_out[query] == kNoRow ? 0 : 1);
  }
}

void NoHits(size_t count, index::SearchHits* hits) {
  hits->neighbors.clear();
  hits->offsets.assign(count + 1, 0);
  hits->coverage = index::Coverage::kExact;
  hits->work = {};
}

int64_t Deadline(const SearchRequest& request, const SearchLimits& limits, int64_t now) {
  const int64_t latest = now + limits.max_deadline_ms * kNanosPerMilli;
  return request.deadline_ns > 0 ? std::min(latest, request.deadline_ns) : latest;
}

Result<uint32_t> CountFor(const SearchParts& parts, const Queries& queries, const SearchLimits& limits) {
  const bool any = !queries.numbers.empty() || queries.array != nullptr || !queries.keys.empty();
  if (!parts.vectors && !any) return 1;
  return CountQueries(queries, limits);
}

// How deep the lists of a fusion are searched for these k, which reach to the ends of pages.
Status Deepen(bool paged, std::vector<uint32_t>* k) {
  for (uint32_t& wanted : *k) {
    if (paged && wanted > kPagedFusionDepth) {
      return InvalidArgument("the page ends at hit ", wanted, " of a fusion, whose pages are cut from the ",
                             kPagedFusionDepth, " best by vector and by text; ask for earlier ones");
    }
    wanted = paged ? kPagedFusionDepth : static_cast<uint32_t>(FusionDepth(wanted));
  }
  return Status::OK();
}

// About what a search takes beyond its workspace: the answer, and a bit a row for a selection.
int64_t MemoryNeeded(const engine::View& view, const Workspace& workspace) {
  const int64_t hits = std::accumulate(workspace.k.begin(), workspace.k.end(), int64_t{0});
  return workspace.layout.BytesOf(hits) + view.visibility().end / 8;
}

}  // namespace

Result<int> FindVectorColumn(const engine::DatasetSchema& schema, const std::string& name) {
  if (schema.vectors.empty()) return Error(ErrorCode::kFailedPrecondition, "index not initialized");
  if (const auto* column = schema.FindVector(name)) return static_cast<int>(column - schema.vectors.data());
  std::string known;
  for (const auto& column : schema.vectors) known += (known.empty() ? "\"" : ", \"") + column.name + '"';
  return InvalidArgument("unknown vector column \"", name.substr(0, 128), "\"; the dataset has ",
                         known.substr(0, 512));
}

// Text is found in datasets without vectors, too.
static Result<int> ColumnFor(const SearchParts& parts, const engine::DatasetSchema& schema,
                             const std::string& name) {
  if (!parts.vectors && schema.vectors.empty()) return -1;
  return FindVectorColumn(schema, name);
}

Result<SearchAnswer> SearchRun::Answer(Workspace* second) {
  lap_ = start_ns_;
  LB_RETURN_NOT_OK(Prepare());
  LB_RETURN_NOT_OK(Select());
  if (request_.explain == Explain::kPlan) return Explained(false);
  LB_RETURN_NOT_OK(Find());
  if (request_.check_recall) LB_RETURN_NOT_OK(CheckRecall(second));
  LB_RETURN_NOT_OK(Arrange());
  LB_RETURN_NOT_OK(TakeColumns());
  answer_.stages.columns = Lap();
  answer_.nanos = lap_ - start_ns_;
  if (request_.explain == Explain::kAnalyze) return Explained(true);
  return std::move(answer_);
}

Status SearchRun::Prepare() {
  LB_ASSIGN_OR_RETURN(parts_, ChooseParts(request_));
  LB_ASSIGN_OR_RETURN(column_, ColumnFor(parts_, *view_->schema(), request_.vector_column));
  LB_ASSIGN_OR_RETURN(const uint32_t count, CountFor(parts_, request_.queries, *tools_.limits));
  LB_RETURN_NOT_OK(CheckEffort(request_.effort, *tools_.limits));
  deadline_ = Deadline(request_, *tools_.limits, start_ns_);
  if (start_ns_ >= deadline_) return BudgetError(BudgetEnd::kDeadline);
  if (request_.order_by) LB_RETURN_NOT_OK(CheckOrder(*request_.order_by, *view_->schema()));
  LB_RETURN_NOT_OK(ReadK(count));
  workspace_.scores.clear();
  if (parts_.texts) wanted_ = workspace_.k;
  if (parts_.vectors) {
    if (parts_.both()) LB_RETURN_NOT_OK(Deepen(request_.offset.has_value(), &workspace_.k));
    LB_RETURN_NOT_OK(PrepareQueries(request_.queries, count, *view_, column_, request_.dims, &workspace_));
  } else {
    workspace_.left_out.assign(count, kNoRow);
  }
  BoundByRows(workspace_.left_out, view_->visibility().end, &workspace_.k);
  if (!workspace_.layout.Fits(view_->schema(), column_, request_)) {
    LB_ASSIGN_OR_RETURN(workspace_.layout, ResultLayout::Make(view_->schema(), column_, request_));
  }
  LB_ASSIGN_OR_RETURN(memory_, tools_.ledger->ReserveToRead(MemoryNeeded(*view_, workspace_)));
  answer_.sequence = view_->sequence();
  answer_.rows = answer_.selected = static_cast<uint64_t>(view_->live_rows());
  answer_.stages.prepare = Lap();
  return Status::OK();
}

// One k a query, with what is passed over before it.
Status SearchRun::ReadK(uint32_t count) {
  const SearchLimits& limits = *tools_.limits;
  if (request_.radius && std::isnan(*request_.radius)) return InvalidArgument("radius is not a number");
  const int64_t offset = request_.offset.value_or(0);
  if (offset < 0) return InvalidArgument("offset is ", offset, "; it must not be negative");
  if (request_.k.size() != 1 && request_.k.size() != count) {
    return InvalidArgument("k has ", request_.k.size(), " values for ", count,
                           " queries; give one, or one a query");
  }
  workspace_.k.resize(count);
  int64_t total = 0;
  for (uint32_t query = 0; query < count; ++query) {
    int64_t wanted = request_.k[request_.k.size() == 1 ? 0 : query];
    if (wanted == 0 && request_.radius) wanted = std::max<int64_t>(limits.max_k - offset, 1);
    if (wanted < 1) return InvalidArgument("k must be at least 1, got ", wanted);
    if (wanted > limits.max_k || wanted + offset > limits.max_k) {
      return InvalidArgument("k is ", wanted,
                             offset > 0 ? " behind an offset of " + std::to_string(offset) : "", "; at most ",
                             limits.max_k, " is allowed", offset > 0 ? " for both together" : "");
    }
    workspace_.k[query] = static_cast<uint32_t>(wanted + offset);
    total += wanted + offset;
  }
  if (total > limits.max_result_rows) {
    return InvalidArgument("the queries ask for ", total, " hits together; at most ", limits.max_result_rows,
                           " are allowed, split them");
  }
  offset_ = static_cast<uint32_t>(offset);
  return Status::OK();
}

Status SearchRun::Select() {
  if (!request_.filter) return Status::OK();
  LB_ASSIGN_OR_RETURN(const auto filter, tools_.filters->Bind(*request_.filter, view_->schema()));
  Budget budget(tools_.environment->clock, deadline_, request_.stop, 0);
  LB_ASSIGN_OR_RETURN(auto selection, tools_.filters->Select(*filter, *view_, &budget));
  selection_ = std::make_shared<const RowSelection>(std::move(selection));
  answer_.selected = static_cast<uint64_t>(selection_->Count());
  answer_.stages.filter = Lap();
  tools_.counters->filter_nanos.Record(answer_.stages.filter);
  return Status::OK();
}

NeighborSearch SearchRun::Neighbors(Budget* budget) const {
  NeighborSearch search;
  search.view = view_.get();
  search.vector_column = column_;
  search.effort = request_.effort;
  search.exact = request_.exact || request_.offset.has_value();
  search.dims = request_.dims;
  search.selection = selection_.get();
  search.selected = answer_.selected;
  search.budget = budget;
  return search;
}

TextSearch SearchRun::Texts(Budget* budget) const {
  const uint32_t deepest = *std::max_element(workspace_.k.begin(), workspace_.k.end());
  return {view_.get(), &request_.text, selection_.get(), answer_.selected, deepest, budget};
}

Status SearchRun::Find() {
  Budget budget(tools_.environment->clock, deadline_, request_.stop, request_.max_distances);
  if (answer_.rows == 0 || answer_.selected == 0) {
    NoHits(workspace_.k.size(), &workspace_.hits);
  } else {
    if (parts_.vectors) {
      LB_ASSIGN_OR_RETURN(const Plan plan, FindNeighbors(Neighbors(&budget), &workspace_));
      answer_.plan = neighbor_plan_ = plan.name;
    }
    if (parts_.texts) LB_RETURN_NOT_OK(FindText(&budget));
    if (request_.whole_selection && selection_) AddRowsNotFound();
  }
  answer_.coverage = workspace_.hits.coverage;
  answer_.work = workspace_.hits.work;
  LB_RETURN_NOT_OK(CheckComplete(budget.end()));
  if (!parts_.texts) OfferSample();
  answer_.stages.search = Lap();
  return Status::OK();
}

// By text, fused with what was found by vector.
Status SearchRun::FindText(Budget* budget) {
  LB_RETURN_NOT_OK(FindTexts(Texts(budget), &workspace_));
  answer_.postings = workspace_.texts.postings;
  tools_.counters->hybrid_texts.Add();
  if (!parts_.vectors) {
    TakeTexts(wanted_, offset_, &workspace_);
    answer_.plan = kPostings;
    return Status::OK();
  }
  tools_.counters->hybrid_vectors.Add();
  answer_.plan = kFusion;
  return Fuse(&workspace_);
}

Status SearchRun::Fuse(Workspace* workspace) const {
  const auto metric = view_->schema()->vectors[static_cast<size_t>(column_)].metric;
  return FuseTexts(*view_, metric, request_, parts_, wanted_, offset_, workspace);
}

void SearchRun::AddRowsNotFound() {
  index::SearchHits& hits = workspace_.hits;
  std::vector<index::Neighbor> all;
  std::vector<float> scores;
  uint32_t begin = 0;
  for (size_t query = 0; query + 1 < hits.offsets.size(); ++query) {
    const uint32_t end = hits.offsets[query + 1];
    RowSelection missing = *selection_;
    for (uint32_t i = begin; i < end; ++i) missing.Remove(hits.neighbors[i].row);
    if (workspace_.left_out[query] != kNoRow) missing.Remove(workspace_.left_out[query]);
    all.insert(all.end(), hits.neighbors.begin() + begin, hits.neighbors.begin() + end);
    int64_t room = request_.k[request_.k.size() == 1 ? 0 : query] - (end - begin);
    missing.ForEach(0, missing.end(), [&](RowOrdinal row) {
      if (room-- <= 0) return false;
      all.push_back({std::numeric_limits<float>::quiet_NaN(), row});
      return true;
    });
    if (!workspace_.scores.empty()) {
      scores.insert(scores.end(), workspace_.scores.begin() + begin, workspace_.scores.begin() + end);
    }
    begin = end;
    hits.offsets[query + 1] = static_cast<uint32_t>(all.size());
    if (parts_.texts) scores.resize(all.size());
  }
  hits.neighbors = std::move(all);
  workspace_.scores = std::move(scores);
}

Status SearchRun::CheckComplete(BudgetEnd end) {
  if (answer_.coverage != index::Coverage::kPartial) return Status::OK();
  if (!request_.allow_partial) return BudgetError(end);
  const double looked_at = static_cast<double>(answer_.work.distances + answer_.work.codes);
  const double all = static_cast<double>(answer_.selected) * static_cast<double>(workspace_.k.size());
  answer_.covered = std::min(1.0, looked_at / std::max(1.0, all));
  return Status::OK();
}

// Repeats the search exactly, at the same view. A partial answer whose repetition the deadline ends as well
// stays without a recall.
Status SearchRun::CheckRecall(Workspace* second) {
  answer_.recall = 1;
  if (workspace_.hits.coverage == index::Coverage::kExact) return Status::OK();
  answer_.recall.reset();
  Budget budget(tools_.environment->clock, deadline_, request_.stop, 0);
  Status repeated = Repeat(&budget, second);
  if (repeated.ok() && second->hits.coverage != index::Coverage::kExact) repeated = BudgetError(budget.end());
  if (CodeOf(repeated) == ErrorCode::kDeadlineExceeded && request_.allow_partial) return Status::OK();
  LB_RETURN_NOT_OK(repeated);
  const auto of_query = [](const index::SearchHits& hits, size_t query) {
    return std::span(hits.neighbors)
        .subspan(hits.offsets[query], hits.offsets[query + 1] - hits.offsets[query]);
  };
  double sum = 0;
  for (size_t query = 0; query < workspace_.k.size(); ++query) {
    const auto found = of_query(workspace_.hits, query), exact = of_query(second->hits, query);
    sum += parts_.texts ? ShareFound(found, exact) : RecallOf(found, exact);
  }
  answer_.recall = sum / static_cast<double>(workspace_.k.size());
  return Status::OK();
}

// The request's parts again: by vector exactly; by text, which is found exactly, only where it was cut short.
Status SearchRun::Repeat(Budget* budget, Workspace* second) const {
  second->k = workspace_.k;
  second->left_out = workspace_.left_out;
  if (parts_.vectors) {
    second->prepared = workspace_.prepared;
    second->prefixes = workspace_.prefixes;
    second->stride = workspace_.stride;
    second->whole = workspace_.whole;
    NeighborSearch search = Neighbors(budget);
    search.exact = true;
    LB_RETURN_NOT_OK(FindNeighbors(search, second).status());
  }
  if (!parts_.texts) return Status::OK();
  if (workspace_.texts.partial) {
    LB_RETURN_NOT_OK(FindTexts(Texts(budget), second));
  } else {
    second->texts = workspace_.texts;
  }
  if (parts_.vectors) return Fuse(second);
  TakeTexts(wanted_, offset_, second);
  return Status::OK();
}

void SearchRun::OfferSample() {
  const index::SearchHits& hits = workspace_.hits;
  if (hits.coverage != index::Coverage::kApproximate || !workspace_.whole || !tools_.recall->Wants()) return;
  RecallSample sample;
  sample.dataset = request_.dataset;
  sample.view = view_;
  sample.vector_column = column_;
  sample.selection = selection_;
  sample.selected = answer_.selected;
  sample.rows = answer_.rows;
  const auto first = workspace_.prepared.begin();
  sample.query.assign(first, first + static_cast<std::ptrdiff_t>(workspace_.stride));
  sample.left_out = workspace_.left_out[0];
  sample.k = workspace_.k[0] - (sample.left_out == kNoRow ? 0 : 1);
  sample.found.assign(hits.neighbors.begin(), hits.neighbors.begin() + hits.offsets[1]);
  tools_.recall->Offer(std::move(sample));
}

// From the nearest to those that are shown.
Status SearchRun::Arrange() {
  index::SearchHits& hits = workspace_.hits;
  if (request_.radius) {
    const auto metric = view_->schema()->vectors[static_cast<size_t>(column_)].metric;
    const auto limit = static_cast<uint32_t>(tools_.limits->max_k);
    const bool all = request_.k[0] == 0 && answer_.rows > limit;
    KeepWithin(*request_.radius, metric, &hits);
    for (size_t query = 0; all && query + 1 < hits.offsets.size(); ++query) {
      if (hits.offsets[query + 1] - hits.offsets[query] < limit) continue;
      return InvalidArgument("more than ", limit, " rows lie within radius ", *request_.radius,
                             "; give k, or a smaller radius");
    }
  }
  if (offset_ > 0 && !parts_.texts) PassOver(offset_, &hits);
  if (request_.order_by) return OrderHits(*view_, *request_.order_by, &hits, &workspace_.scores);
  return Status::OK();
}

Status SearchRun::TakeColumns() {
  const index::SearchHits& hits = workspace_.hits;
  workspace_.rows.resize(hits.neighbors.size());
  std::transform(hits.neighbors.begin(), hits.neighbors.end(), workspace_.rows.begin(),
                 [](const index::Neighbor& hit) { return hit.row; });
  LB_ASSIGN_OR_RETURN(answer_.hits,
                      workspace_.layout.Build(*view_, hits, workspace_.rows, workspace_.scores));
  answer_.offsets.assign(hits.offsets.begin(), hits.offsets.end());
  return Status::OK();
}

Result<SearchAnswer> SearchRun::Explained(bool ran) {
  const bool any = answer_.rows > 0 && answer_.selected > 0;
  Budget budget;
  PlanInput neighbors;
  ExplainInput input;
  input.request = &request_;
  input.queries = static_cast<uint32_t>(workspace_.k.size());
  input.k = *std::max_element(workspace_.k.begin(), workspace_.k.end());
  if (parts_.vectors) {
    neighbors = PlanInputOf(Neighbors(&budget), workspace_);
    input.neighbors = &neighbors;
    if (!ran && any) {
      LB_ASSIGN_OR_RETURN(const Plan plan, ChoosePlan(neighbors));
      answer_.plan = neighbor_plan_ = plan.name;
    }
    input.neighbor_plan = neighbor_plan_;
  }
  if (parts_.texts) {
    LB_ASSIGN_OR_RETURN(input.texts, EstimateTexts(Texts(&budget), &workspace_));
    if (any) answer_.plan = parts_.vectors ? kFusion : kPostings;
  }
  if (ran) input.hits = answer_.hits->num_rows();
  input.answer = &answer_;
  LB_ASSIGN_OR_RETURN(answer_.hits, ExplainTable(input));
  answer_.offsets = {0, answer_.hits->num_rows()};
  answer_.nanos = Now() - start_ns_;
  return std::move(answer_);
}

int64_t SearchRun::Lap() {
  const int64_t before = lap_;
  lap_ = Now();
  return lap_ - before;
}

}  // namespace longbow::query
