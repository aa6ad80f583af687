#include "longbow/query/search.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <numeric>

#include "longbow/query/block_scan.h"
#include "longbow/query/neighbor_search.h"
#include "longbow/query/query_vectors.h"
#include "longbow/query/selection.h"
#include "longbow/query/text_search.h"
#include "longbow/query/workspace.h"

namespace longbow::query {
namespace {

constexpr int64_t kNanosPerMilli = 1000000;

// What a filter's evaluation and an answer's columns cost beside the search, for estimates.
constexpr double kFilterNanos = 20000, kFilterNanosPerRow = 2, kHitNanos = 100;

Result<int> FindVectorColumn(const engine::DatasetSchema& schema, const std::string& name) {
  if (schema.vectors.empty()) return Error(ErrorCode::kFailedPrecondition, "index not initialized");
  if (const auto* column = schema.FindVector(name)) return static_cast<int>(column - schema.vectors.data());
  std::string known;
  for (const auto& column : schema.vectors) known += (known.empty() ? "\"" : ", \"") + column.name + '"';
  return InvalidArgument("unknown vector column \"", name.substr(0, 128), "\"; the dataset has ",
                         known.substr(0, 512));
}

// Text is found in datasets without vectors, too.
Result<int> ColumnFor(const SearchParts& parts, const engine::DatasetSchema& schema,
                      const std::string& name) {
  if (!parts.vectors && schema.vectors.empty()) return -1;
  return FindVectorColumn(schema, name);
}

Result<uint32_t> CountFor(const SearchParts& parts, const Queries& queries, const SearchLimits& limits) {
  const bool any = !queries.numbers.empty() || queries.array != nullptr || !queries.keys.empty();
  if (!parts.vectors && !any) return 1;
  return CountQueries(queries, limits);
}

void Deepen(std::vector<uint32_t>* k) {
  for (uint32_t& wanted : *k) wanted = static_cast<uint32_t>(FusionDepth(wanted));
}

// One k a query, checked.
Status ReadK(const SearchRequest& request, uint32_t count, const SearchLimits& limits,
             std::vector<uint32_t>* k) {
  if (request.k.size() != 1 && request.k.size() != count) {
    return InvalidArgument("k has ", request.k.size(), " values for ", count,
                           " queries; give one, or one a query");
  }
  k->resize(count);
  int64_t total = 0;
  for (uint32_t query = 0; query < count; ++query) {
    const int64_t wanted = request.k[request.k.size() == 1 ? 0 : query];
    if (wanted < 1) return InvalidArgument("k must be at least 1, got ", wanted);
    if (wanted > static_cast<int64_t>(limits.max_k)) {
      return InvalidArgument("k is ", wanted, "; at most ", limits.max_k, " is allowed");
    }
    (*k)[query] = static_cast<uint32_t>(wanted);
    total += wanted;
  }
  if (total > limits.max_result_rows) {
    return InvalidArgument("the queries ask for ", total, " hits together; at most ", limits.max_result_rows,
                           " are allowed, split them");
  }
  return Status::OK();
}

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

void NoHits(uint32_t count, index::SearchHits* hits) {
  hits->neighbors.clear();
  hits->offsets.assign(count + 1, 0);
  hits->coverage = index::Coverage::kExact;
  hits->work = {};
}

int64_t Deadline(const SearchRequest& request, const SearchLimits& limits, int64_t now) {
  const int64_t latest = now + limits.max_deadline_ms * kNanosPerMilli;
  return request.deadline_ns > 0 ? std::min(latest, request.deadline_ns) : latest;
}

// About what a search takes beyond its workspace: the answer, and a bit a row for a selection.
int64_t MemoryNeeded(const engine::View& view, const Workspace& workspace) {
  const int64_t hits = std::accumulate(workspace.k.begin(), workspace.k.end(), int64_t{0});
  return workspace.layout.BytesOf(hits) + view.visibility().end / 8;
}

// By vector, by text, or by both, which are fused.
Result<index::Method> FindHits(const SearchRequest& request, const SearchParts& parts,
                               const NeighborSearch& search, const std::vector<uint32_t>& wanted,
                               Workspace* workspace) {
  index::Method method = index::Method::kExactScan;
  if (parts.vectors) {
    LB_ASSIGN_OR_RETURN(method, FindNeighbors(search, workspace));
  }
  if (!parts.texts) return method;
  const uint32_t deepest = *std::max_element(workspace->k.begin(), workspace->k.end());
  LB_RETURN_NOT_OK(FindTexts(
      {search.view, &request.text, search.selection, search.selected, deepest, search.budget}, workspace));
  if (parts.both()) {
    const auto& column = search.view->schema()->vectors[static_cast<size_t>(search.vector_column)];
    LB_RETURN_NOT_OK(FuseTexts(*search.view, column.metric, request, parts, wanted, workspace));
  } else {
    TakeTexts(wanted, workspace);
  }
  return method;
}

// From the workspace's hits to the answer.
Status TakeHits(const engine::View& view, Workspace* workspace, SearchAnswer* answer) {
  const index::SearchHits& hits = workspace->hits;
  workspace->rows.resize(hits.neighbors.size());
  std::transform(hits.neighbors.begin(), hits.neighbors.end(), workspace->rows.begin(),
                 [](const index::Neighbor& hit) { return hit.row; });
  LB_ASSIGN_OR_RETURN(answer->hits, workspace->layout.Build(view, hits, workspace->rows, workspace->scores));
  answer->offsets.assign(hits.offsets.begin(), hits.offsets.end());
  answer->coverage = hits.coverage;
  answer->sequence = view.sequence();
  answer->work = hits.work;
  return Status::OK();
}

size_t Conditions(const filter::FilterTree& tree) {
  size_t count = 1;
  for (const auto& child : tree.children) count += Conditions(child);
  return count;
}

// Where a tree names a column that the schema lacks.
bool NamesUnknownColumn(const filter::FilterTree& tree, const arrow::Schema& schema) {
  using filter::Operator;
  if (tree.op != Operator::kAnd && tree.op != Operator::kOr && tree.op != Operator::kNot) {
    return schema.GetFieldIndex(tree.column) < 0;
  }
  return std::any_of(tree.children.begin(), tree.children.end(),
                     [&](const filter::FilterTree& child) { return NamesUnknownColumn(child, schema); });
}

// Records how a search ended and how long it took.
class SearchTimer {
 public:
  SearchTimer(const Clock* clock, QueryCounters* counters)
      : clock_(clock), counters_(counters), start_(clock->MonotonicNanos()) {}
  ~SearchTimer() {
    counters_->search_nanos.Record(nanos());
    if (!ok_) counters_->search_errors.Add();
  }
  void Succeeded() { ok_ = true; }
  int64_t nanos() const { return clock_->MonotonicNanos() - start_; }
  int64_t start() const { return start_; }

 private:
  const Clock* const clock_;
  QueryCounters* const counters_;
  const int64_t start_;
  bool ok_ = false;
};

}  // namespace

QueryEngine::QueryEngine(engine::Engine* engine, const Environment& environment, MemoryLedger* ledger,
                         SearchLimits limits, ScanOptions scan_options)
    : engine_(engine),
      environment_(environment),
      ledger_(ledger),
      limits_(limits),
      scan_options_(scan_options),
      scratch_(std::make_unique<ScratchPool>()) {}

QueryEngine::~QueryEngine() = default;

Result<SearchAnswer> QueryEngine::Search(const SearchRequest& request) {
  counters_.searches.Add();
  SearchTimer timer(environment_.clock, &counters_);
  LB_ASSIGN_OR_RETURN(const auto view, engine_->Pin(request.dataset));
  LB_ASSIGN_OR_RETURN(const SearchParts parts, ChooseParts(request));
  LB_ASSIGN_OR_RETURN(const int column, ColumnFor(parts, *view->schema(), request.vector_column));
  LB_ASSIGN_OR_RETURN(const uint32_t count, CountFor(parts, request.queries, limits_));
  LB_RETURN_NOT_OK(CheckEffort(request.effort, limits_));
  const int64_t deadline = Deadline(request, limits_, timer.start());
  if (timer.start() >= deadline) return BudgetError(BudgetEnd::kDeadline);

  const auto workspace = scratch_->Take();
  LB_RETURN_NOT_OK(ReadK(request, count, limits_, &workspace->k));
  workspace->scores.clear();
  std::vector<uint32_t> wanted;  // of a fusion, which needs deeper lists
  if (parts.texts) wanted = workspace->k;
  if (parts.vectors) {
    if (parts.both()) Deepen(&workspace->k);
    LB_RETURN_NOT_OK(PrepareQueries(request.queries, count, *view, column, workspace.get()));
  } else {
    workspace->left_out.assign(count, kNoRow);
  }
  BoundByRows(workspace->left_out, view->visibility().end, &workspace->k);
  if (!workspace->layout.Fits(view->schema(), column, request)) {
    LB_ASSIGN_OR_RETURN(workspace->layout, ResultLayout::Make(view->schema(), column, request));
  }
  LB_ASSIGN_OR_RETURN(const auto reservation,
                      ledger_->Reserve(MemoryUse::kRequests, MemoryNeeded(*view, *workspace.get())));

  NeighborSearch search{view.get(), column, request.effort, request.exact, nullptr, 0, nullptr};
  std::optional<RowSelection> selection;
  if (request.filter) {
    const int64_t filter_start = environment_.clock->MonotonicNanos();
    LB_ASSIGN_OR_RETURN(const auto filter,
                        filter::BoundFilter::Bind(*request.filter, *view->schema()->arrow));
    Budget filter_budget(environment_.clock, deadline, request.stop, 0);
    LB_ASSIGN_OR_RETURN(selection, SelectRows(*view, *filter, &filter_budget));
    counters_.filter_nanos.Record(environment_.clock->MonotonicNanos() - filter_start);
    search.selection = &*selection;
    search.selected = CountVisible(*selection, *view);
  }
  Budget budget(environment_.clock, deadline, request.stop, request.max_distances);
  search.budget = &budget;

  SearchAnswer answer;
  if (view->live_rows() == 0 || (selection && search.selected == 0)) {
    NoHits(count, &workspace->hits);
  } else {
    LB_ASSIGN_OR_RETURN(answer.method, FindHits(request, parts, search, wanted, workspace.get()));
  }
  LB_RETURN_NOT_OK(TakeHits(*view, workspace.get(), &answer));
  answer.nanos = timer.nanos();
  if (request.text.present()) {
    counters_.hybrid_vectors.Add(parts.vectors ? 1 : 0);
    counters_.hybrid_texts.Add(parts.texts ? 1 : 0);
  }
  counters_.rows_returned.Add(answer.hits->num_rows());
  if (answer.coverage == index::Coverage::kPartial) counters_.partial_answers.Add();
  timer.Succeeded();
  return answer;
}

double QueryEngine::EstimateNanos(const SearchRequest& request) const {
  const auto view = engine_->Pin(request.dataset);
  const auto parts = ChooseParts(request);
  if (!view.ok() || !parts.ok() || request.k.empty()) return 0;
  double nanos = 0;
  if (parts->texts) {
    const auto columns = TextColumnsOf(*(*view)->schema(), request.text);
    if (!columns.ok()) return 0;
    nanos += (*view)->EstimateTextNanos(*columns);
  }
  if (parts->vectors) {
    const auto column = FindVectorColumn(*(*view)->schema(), request.vector_column);
    const auto count = CountQueries(request.queries, limits_);
    if (!column.ok() || !count.ok()) return 0;
    index::SearchShape shape;
    shape.queries = *count;
    shape.k = static_cast<uint32_t>(
        std::clamp<int64_t>(*std::max_element(request.k.begin(), request.k.end()), 1, limits_.max_k));
    shape.effort = request.effort;
    shape.rows = static_cast<uint64_t>((*view)->live_rows());
    const auto method = ChooseMethod((*view)->Index(*column), shape, request.exact);
    if (!method.ok()) return 0;
    nanos += method->nanos + kHitNanos * static_cast<double>(shape.queries) * static_cast<double>(shape.k);
  }
  if (request.filter) {
    nanos += kFilterNanos + kFilterNanosPerRow * static_cast<double>(Conditions(*request.filter)) *
                                static_cast<double>((*view)->visibility().end);
  }
  return nanos;
}

Result<std::unique_ptr<Scan>> QueryEngine::OpenScan(const ScanRequest& request) {
  counters_.scans.Add();
  if (request.limit < 0)
    return InvalidArgument("limit is ", request.limit, "; it must not be negative, 0 means all");
  LB_ASSIGN_OR_RETURN(auto view, engine_->Pin(request.dataset));
  BlockScanInput input;
  LB_ASSIGN_OR_RETURN(input.columns, ScanColumns(*view->schema(), request.columns));
  input.options = scan_options_;
  input.limit = request.limit;
  input.rows_scanned = &counters_.rows_scanned;
  if (request.filter) {
    const auto& schema = *view->schema()->arrow;
    input.nothing = NamesUnknownColumn(*request.filter, schema);
    if (!input.nothing) {
      LB_ASSIGN_OR_RETURN(input.filter, filter::BoundFilter::Bind(*request.filter, schema));
    }
  }
  input.view = std::move(view);
  return MakeBlockScan(std::move(input));
}

void QueryEngine::ListCounters(CounterVisitor& visitor) const {
  const Labels dense = {{"type", "dense"}};
  visitor.Visit("search_latency_seconds", "Time of a search, from request to record batch", dense,
                counters_.search_nanos, 1e-9);
  visitor.Visit("filter_execution_duration_seconds", "Time to evaluate a search's filter", {},
                counters_.filter_nanos, 1e-9);
  visitor.Visit("searches_total", "Searches begun", {}, counters_.searches);
  visitor.Visit("search_errors_total", "Searches that ended with an error", {}, counters_.search_errors);
  visitor.Visit("search_rows_returned_total", "Hits returned by searches", {}, counters_.rows_returned);
  visitor.Visit("search_partial_answers_total", "Answers cut short by deadline or budget", {},
                counters_.partial_answers);
  visitor.Visit("scans_total", "Scans opened", {}, counters_.scans);
  visitor.Visit("scan_rows_total", "Rows returned by scans", {}, counters_.rows_scanned);
  visitor.Visit("hybrid_search_vector_total", "Searches with text that went by vector", {},
                counters_.hybrid_vectors);
  visitor.Visit("hybrid_search_keyword_total", "Searches with text that went by its words", {},
                counters_.hybrid_texts);
  visitor.Visit("hnsw_searches_total", "Searches of a vector index", {}, counters_.searches);
  visitor.Visit("hnsw_search_pool_get_total", "Search workspaces taken from the pool", {}, scratch_->taken);
  visitor.Visit("hnsw_search_pool_put_total", "Search workspaces given back to the pool", {},
                scratch_->given_back);
  visitor.Visit("hnsw_search_pool_new_total", "Search workspaces made", {}, scratch_->made);
}

}  // namespace longbow::query
