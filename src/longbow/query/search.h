// Searches and scans as the engine's readers ask them: from request to record batch.
#pragma once

#include <cstdint>
#include <memory>

#include "longbow/base/counters.h"
#include "longbow/base/environment.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/base/status.h"
#include "longbow/engine/engine.h"
#include "longbow/filter/allow_list.h"
#include "longbow/query/answer_cache.h"
#include "longbow/query/dataset_counters.h"
#include "longbow/query/filter_cache.h"
#include "longbow/query/recall_monitor.h"
#include "longbow/query/request.h"

namespace longbow::query {

struct SearchLimits {
  uint32_t max_k = 10000;
  uint32_t max_ef = 4096;
  uint32_t max_queries = 1024;  // a batch
  int64_t max_deadline_ms = 60000;
  int64_t max_result_rows = 1 << 20;  // of one batch of queries
};

struct QueryOptions {
  SearchLimits limits;
  ScanOptions scan;
  int64_t answer_cache_bytes = int64_t{64} << 20;  // 0: no answer is kept
  int64_t filter_cache_bytes = int64_t{64} << 20;  // 0: every search evaluates its filter
  RecallOptions recall;
};

struct QueryCounters {
  Counter hybrid_vectors, hybrid_texts;  // searches by vector and by text of those that asked for text
  Counter searches, search_errors, scans, rows_scanned, rows_returned, partial_answers;
  Histogram search_nanos, filter_nanos;
};

// Thread-safe. Calls run on the caller's thread. Outlives its scans.
class QueryEngine {
 public:
  QueryEngine(engine::Engine* engine, const Environment& environment, MemoryLedger* ledger,
              QueryOptions options);
  ~QueryEngine();

  // InvalidArgument ("k must be at least 1", "dimension mismatch: expected X, got Y" as DimensionMismatch,
  // unknown column or operator ...), NotFound, FailedPrecondition "index not initialized" for a dataset
  // without vectors. When time or distances end before the answer is complete: DeadlineExceeded or
  // ResourceExhausted, unless allow_partial.
  Result<SearchAnswer> Search(const SearchRequest& request);
  // About how long Search would take on one core; 0 when the request is wrong (then it is quick to say so).
  double EstimateNanos(const SearchRequest& request) const;
  // An unknown filter column gives an empty scan, as old clients expect; an unknown operator is
  // InvalidArgument.
  Result<std::unique_ptr<Scan>> OpenScan(const ScanRequest& request);

  // Lets go of what is only kept for later searches, as far as the ledger is above its soft limit.
  void ShrinkCaches() {
    filters_.Shrink();
    answers_.Shrink();
  }
  filter::AllowLists& allow_lists() { return allow_lists_; }
  void ListCounters(CounterVisitor& visitor) const;
  const SearchLimits& limits() const { return options_.limits; }
  const Environment& environment() const { return environment_; }

 private:
  class ScratchPool;
  Result<SearchAnswer> Answer(const SearchRequest& request, int64_t start_ns);
  // Of the part that goes by vector; 0 when it is wrong.
  double EstimateNeighbors(const SearchRequest& request, const engine::View& view) const;
  Result<SearchAnswer> Run(const SearchRequest& request, std::shared_ptr<const engine::View> view,
                           int64_t start_ns);

  engine::Engine* const engine_;
  const Environment environment_;
  MemoryLedger* const ledger_;
  const QueryOptions options_;
  filter::AllowLists allow_lists_;
  FilterCache filters_;
  AnswerCache answers_;
  RecallMonitor recall_;
  DatasetCounterMap datasets_;
  std::unique_ptr<ScratchPool> scratch_;
  mutable QueryCounters counters_;
};

}  // namespace longbow::query
