// Searches and scans as the engine's readers ask them: from request to record batch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "longbow/base/budget.h"
#include "longbow/base/counters.h"
#include "longbow/base/environment.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/base/status.h"
#include "longbow/engine/engine.h"
#include "longbow/filter/filter.h"
#include "longbow/index/vector_index.h"

namespace arrow {
class Array;
class RecordBatch;
class Schema;
}  // namespace arrow

namespace longbow::query {

struct SearchLimits {
  uint32_t max_k = 10000;
  uint32_t max_ef = 4096;
  uint32_t max_queries = 1024;  // a batch
  int64_t max_deadline_ms = 60000;
  int64_t max_result_rows = 1 << 20;  // of one batch of queries
};

// How vectors come back.
// kSq8: a byte c an element, standing for offset + c x scale; both are in the field's metadata.
enum class VectorFormat : uint8_t { kNone, kStored, kFloat32, kFloat16, kBinary, kSq8 };

// The vectors asked about. Either numbers (from JSON), or an Arrow list array as it came, one query a row, or
// stored keys.
struct Queries {
  std::vector<std::vector<double>> numbers;
  std::shared_ptr<arrow::Array> array;  // FixedSizeList or List of any number type, no nulls
  std::vector<std::string>
      keys;  // the vectors of these stored rows; the row itself is left out of its answer
};

struct SearchRequest {
  std::string dataset;
  std::string vector_column;  // empty: the default
  Queries queries;
  std::vector<int64_t> k = {10};  // one for all, or one a query
  std::optional<filter::FilterTree> filter;
  index::Effort effort;
  bool exact = false;
  VectorFormat vectors = VectorFormat::kNone;
  std::optional<std::vector<std::string>> columns;  // payload to return; absent: all
  bool number_queries = false;                      // adds column `query`
  int64_t deadline_ns = 0;                          // on the clock's monotonic scale; 0: the limit's
  const StopSource* stop = nullptr;                 // outlives the call
  int64_t max_distances = 0;
};

struct SearchAnswer {
  // id uint64, score float32, distance float32, [query int32], [key utf8], [vector], payload. Best first,
  // query by query.
  std::shared_ptr<arrow::RecordBatch> hits;
  std::vector<int64_t> offsets;  // hits of query i: [offsets[i], offsets[i + 1])
  index::Coverage coverage = index::Coverage::kExact;
  Sequence sequence = 0;
  index::SearchWork work;
  index::Method method = index::Method::kExactScan;
  int64_t nanos = 0;
};

struct ScanRequest {
  std::string dataset;
  std::optional<filter::FilterTree> filter;
  int64_t limit = 0;  // 0: all
  std::optional<std::vector<std::string>> columns;
};

struct ScanOptions {
  int64_t first_rows = 4096, first_bytes = int64_t{256} << 10;
  int64_t max_rows = 65536, max_bytes = int64_t{2} << 20;
};

// A running scan: pulled batch by batch, in insertion order, small batches first. Holds its blocks and what
// was visible when it began, not the view. Confined.
class Scan {
 public:
  virtual ~Scan() = default;
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  // Null at the end. Vectors are slices of their slabs where a run of rows is whole.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Next() = 0;
};

struct QueryCounters {
  Counter searches, search_errors, scans, rows_scanned, rows_returned, partial_answers;
  Histogram search_nanos, filter_nanos;
};

// Thread-safe. Calls run on the caller's thread. Outlives its scans.
class QueryEngine {
 public:
  QueryEngine(engine::Engine* engine, const Environment& environment, MemoryLedger* ledger,
              SearchLimits limits, ScanOptions scan_options);
  ~QueryEngine();

  // InvalidArgument ("k must be at least 1", "dimension mismatch: expected X, got Y" as DimensionMismatch,
  // unknown column or operator ...), NotFound, FailedPrecondition "index not initialized" for a dataset
  // without vectors, DeadlineExceeded when nothing was found in time.
  Result<SearchAnswer> Search(const SearchRequest& request);
  // About how long Search would take on one core; 0 when the request is wrong (then it is quick to say so).
  double EstimateNanos(const SearchRequest& request) const;
  // An unknown filter column gives an empty scan, as old clients expect; an unknown operator is
  // InvalidArgument.
  Result<std::unique_ptr<Scan>> OpenScan(const ScanRequest& request);

  void ListCounters(CounterVisitor& visitor) const;
  const SearchLimits& limits() const { return limits_; }
  const Environment& environment() const { return environment_; }

 private:
  class ScratchPool;
  engine::Engine* const engine_;
  const Environment environment_;
  MemoryLedger* const ledger_;
  const SearchLimits limits_;
  const ScanOptions scan_options_;
  std::unique_ptr<ScratchPool> scratch_;
  mutable QueryCounters counters_;
};

}  // namespace longbow::query
