#include "longbow/query/search.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>

#include "longbow/query/block_scan.h"
#include "longbow/query/neighbor_search.h"
#include "longbow/query/ordered_scan.h"
#include "longbow/query/query_vectors.h"
#include "longbow/query/scan_vectors.h"
#include "longbow/query/search_run.h"
#include "longbow/query/text_search.h"
#include "longbow/query/workspace.h"

namespace longbow::query {
namespace {

// What a filter's evaluation and an answer's columns cost beside the search, for estimates.
constexpr double kFilterNanos = 20000, kFilterNanosPerRow = 2, kHitNanos = 100;
constexpr double kMillion = 1e6;
constexpr int64_t kNanosPerMilli = 1'000'000;
constexpr int64_t kLongestScanMs = int64_t{1} << 40;  // longer is for ever, and no overflow

size_t Conditions(const filter::FilterTree& tree) {
  size_t count = 1;
  for (const auto& child : tree.children) count += Conditions(child);
  return count;
}

// Where a tree names a column that the schema lacks.
bool NamesUnknownColumn(const filter::FilterTree& tree, const arrow::Schema& schema) {
  if (filter::OperandsOf(tree.op) != filter::Operands::kChildren) {
    return schema.GetFieldIndex(tree.column) < 0;
  }
  return std::any_of(tree.children.begin(), tree.children.end(),
                     [&](const filter::FilterTree& child) { return NamesUnknownColumn(child, schema); });
}

}  // namespace

QueryEngine::QueryEngine(engine::Engine* engine, const Environment& environment, MemoryLedger* ledger,
                         QueryOptions options)
    : engine_(engine),
      environment_(environment),
      ledger_(ledger),
      options_(options),
      allow_lists_(ledger),
      filters_(options.filter_cache_bytes, ledger, &allow_lists_),
      answers_(options.answer_cache_bytes, ledger),
      recall_(environment, options.recall),
      scratch_(std::make_unique<ScratchPool>()) {}

QueryEngine::~QueryEngine() = default;

Result<SearchAnswer> QueryEngine::Search(const SearchRequest& request) {
  counters_.searches.Add();
  const int64_t start = environment_.clock->MonotonicNanos();
  auto answer = Answer(request, start);
  const int64_t nanos = environment_.clock->MonotonicNanos() - start;
  counters_.search_nanos.Record(nanos);
  if (!answer.ok()) {
    counters_.search_errors.Add();
    return answer;
  }
  answer->nanos = nanos;
  if (request.describe && request.explain == Explain::kNo) Describe(&*answer);
  counters_.rows_returned.Add(answer->hits->num_rows());
  if (answer->coverage == index::Coverage::kPartial) counters_.partial_answers.Add();
  return answer;
}

Result<SearchAnswer> QueryEngine::Answer(const SearchRequest& request, int64_t start_ns) {
  LB_ASSIGN_OR_RETURN(auto view, engine_->Pin(request.dataset));
  DatasetCounters* const about = datasets_.For(request.dataset);
  std::string key;
  bool keep = false;
  if (answers_.enabled()) {
    LB_ASSIGN_OR_RETURN(key, AnswerKey(request, *view, allow_lists_));
    if (const auto known = key.empty() ? nullptr : answers_.Find(key, &keep)) {
      about->cache_hits.Add();
      return *known;
    }
    about->cache_misses.Add();
  }
  LB_ASSIGN_OR_RETURN(auto answer, Run(request, std::move(view), start_ns));
  if (request.filter) {
    about->selectivity.Record(static_cast<int64_t>(kMillion * static_cast<double>(answer.selected) /
                                                   std::max(1.0, static_cast<double>(answer.rows))));
  }
  if (keep && answer.coverage != index::Coverage::kPartial) answers_.Put(key, answer);
  return answer;
}

Result<SearchAnswer> QueryEngine::Run(const SearchRequest& request, std::shared_ptr<const engine::View> view,
                                      int64_t start_ns) {
  SearchTools tools;
  tools.environment = &environment_;
  tools.ledger = ledger_;
  tools.limits = &options_.limits;
  tools.filters = &filters_;
  tools.recall = &recall_;
  tools.counters = &counters_;
  const auto workspace = scratch_->Take();
  SearchRun run(request, std::move(view), tools, start_ns, workspace.get());
  if (!request.check_recall) return run.Answer(nullptr);
  const auto second = scratch_->Take();
  return run.Answer(second.get());
}

double QueryEngine::EstimateNeighbors(const SearchRequest& request, const engine::View& view) const {
  const auto count = CountQueries(request.queries, options_.limits);
  const auto column = FindVectorColumn(*view.schema(), request.vector_column);
  if (!count.ok() || !column.ok()) return 0;
  const index::VectorStore& store = view.Vectors(*column);
  PlanInput input;
  input.index = &view.Index(*column);
  input.shape.queries = *count;
  int64_t k = *std::max_element(request.k.begin(), request.k.end());
  if (k == 0 && request.radius) k = options_.limits.max_k;
  k += request.offset.value_or(0);
  input.shape.k = static_cast<uint32_t>(std::clamp<int64_t>(k, 1, options_.limits.max_k));
  input.shape.effort = request.effort;
  input.shape.rows = static_cast<uint64_t>(view.live_rows());
  input.shape.held = index::HeldRows(view.visibility());
  input.exact = request.exact || request.offset.has_value();
  input.scalars = static_cast<uint32_t>(store.scalars());
  input.prefix_scalars = std::min(request.dims, input.scalars);
  input.row_bytes = store.row_bytes();
  const auto plan = ChoosePlan(input);
  if (!plan.ok()) return 0;
  return plan->nanos * (request.check_recall ? 2 : 1) +
         kHitNanos * static_cast<double>(input.shape.queries) * static_cast<double>(input.shape.k);
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
    const double neighbors = EstimateNeighbors(request, **view);
    if (neighbors == 0) return 0;
    nanos += neighbors;
  }
  if (request.filter) {
    nanos += kFilterNanos + kFilterNanosPerRow * static_cast<double>(Conditions(*request.filter)) *
                                static_cast<double>((*view)->visibility().end);
  }
  return nanos;
}

Result<std::unique_ptr<Scan>> QueryEngine::OpenScan(const ScanRequest& request) {
  counters_.scans.Add();
  for (const auto& [name, value] : {std::pair("limit", request.limit), std::pair("offset", request.offset),
                                    std::pair("timeout_ms", request.timeout_ms)}) {
    if (value < 0) return InvalidArgument(name, " is ", value, "; it must not be negative");
  }
  LB_ASSIGN_OR_RETURN(auto view, engine_->Pin(request.dataset));
  BlockScanInput input;
  LB_ASSIGN_OR_RETURN(input.columns, ScanColumns(*view->schema(), request.columns));
  input.options = options_.scan;
  input.offset = request.offset;
  input.limit = request.limit;
  input.rows_scanned = &counters_.rows_scanned;
  input.clock = environment_.clock;
  if (request.timeout_ms > 0) {
    input.deadline_ns =
        input.clock->MonotonicNanos() + std::min(request.timeout_ms, kLongestScanMs) * kNanosPerMilli;
  }
  if (request.filter) {
    input.nothing = !request.strict && NamesUnknownColumn(*request.filter, *view->schema()->arrow);
    if (!input.nothing) {
      LB_ASSIGN_OR_RETURN(input.filter, filters_.Bind(*request.filter, view->schema()));
    }
  }
  input.view = std::move(view);
  if (request.count) return MakeCountScan(std::move(input), &filters_);
  const auto dataset = input.view->schema();
  LB_ASSIGN_OR_RETURN(
      auto scan, request.order_by ? MakeOrderedScan(std::move(input), *request.order_by, &filters_, ledger_)
                                  : MakeBlockScan(std::move(input)));
  return WithVectorFormat(std::move(scan), *dataset, request.vectors);
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
  filters_.ListCounters(visitor);
  answers_.ListCounters(visitor);
  recall_.Keep([this](const std::string& dataset) { return engine_->Info(dataset).ok(); });
  recall_.ListCounters(visitor);
  datasets_.ListCounters(visitor);
}

}  // namespace longbow::query
