// What can be asked, and what comes back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/budget.h"
#include "longbow/base/status.h"
#include "longbow/filter/filter.h"
#include "longbow/index/vector_index.h"
#include "longbow/query/text_request.h"

namespace arrow {
class Array;
class RecordBatch;
class Schema;
}  // namespace arrow

namespace longbow::query {

// How vectors come back.
// kSq8: a byte c an element, standing for offset + c x scale; both are in the field's metadata.
enum class VectorFormat : uint8_t { kNone, kStored, kFloat32, kFloat16, kBinary, kSq8 };

// What is looked for: the vectors in `numbers` (from JSON), then the rows of `array` (Arrow lists as they
// came), then stored rows by key. With both `array` and `keys`, which then are as many, a row of the array
// that is null is asked by its key.
struct Queries {
  std::vector<std::vector<double>> numbers;
  std::shared_ptr<arrow::Array> array;  // FixedSizeList or List of any number type
  std::vector<std::string>
      keys;  // the vectors of these stored rows; the row itself is left out of its answer
};

struct OrderBy {
  std::string column;
  bool descending = false;  // nulls come last either way
  bool operator==(const OrderBy&) const = default;
};

enum class Explain : uint8_t {
  kNo,
  kPlan,     // the plans and what they would cost, without running one
  kAnalyze,  // and what the chosen one did
};

struct SearchRequest {
  std::string dataset;
  std::string vector_column;  // empty: the default
  Queries queries;
  // One for all, or one a query. With a radius 0 stands for all within it.
  std::vector<int64_t> k = {10};
  // Hits to pass over before the first of the k. Pages are cut from the exact order, so that none is shown
  // twice or left out while nothing is written.
  std::optional<int64_t> offset;
  std::optional<double> radius;     // hits up to this distance, in the metric's own measure
  std::optional<OrderBy> order_by;  // of the hits found, instead of by distance
  std::optional<filter::FilterTree> filter;
  // Of the rows that the filter chose also those that neither vector nor text finds, up to k: they come last,
  // with a distance of NaN and a score that means nothing.
  bool whole_selection = false;
  TextRequest text;
  index::Effort effort;
  bool exact = false;
  // Searches on the first `dims` elements and orders what it found by all of them; queries of that length are
  // ordered by these. 0: all.
  uint32_t dims = 0;
  VectorFormat vectors = VectorFormat::kNone;
  // Of the searched column when `columns` names it and `vectors` is kNone.
  VectorFormat named_vectors = VectorFormat::kStored;
  std::optional<std::vector<std::string>> columns;  // payload to return; absent: all
  bool number_queries = false;                      // adds column `query`
  bool describe = false;                            // the answer's schema says how it came about
  int64_t deadline_ns = 0;                          // on the clock's monotonic scale; 0: the limit's
  const StopSource* stop = nullptr;                 // outlives the call
  int64_t max_distances = 0;
  bool allow_partial = false;  // else an answer that deadline or budget cut short is an error
  bool check_recall = false;   // the same again, exactly, and the share that was found
  Explain explain = Explain::kNo;
};

// Nanoseconds.
struct StageTimes {
  int64_t prepare = 0, filter = 0, search = 0, columns = 0;
};

struct SearchAnswer {
  // id uint64, score float32 (of text BM25, of both the fusion's), distance float32 (NaN for hits that text
  // alone found), [query int32], [key utf8], [vector], payload. Best first,
  // query by query. With explain the table of explain.h.
  std::shared_ptr<arrow::RecordBatch> hits;
  std::vector<int64_t> offsets;  // hits of query i: [offsets[i], offsets[i + 1])
  index::Coverage coverage = index::Coverage::kExact;
  double covered = 1;  // share of the rows that were looked at when partial; at least this
  std::optional<double> recall;
  Sequence sequence = 0;
  index::SearchWork work;
  int64_t postings = 0;             // in the lists that a search by text opened
  std::string_view plan = "none";   // how it was found
  uint64_t rows = 0, selected = 0;  // visible; of these selected by the filter
  bool cached = false;
  StageTimes stages;
  int64_t nanos = 0;
};

struct ScanRequest {
  std::string dataset;
  std::optional<filter::FilterTree> filter;
  int64_t offset = 0;
  int64_t limit = 0;  // 0: all
  std::optional<std::vector<std::string>> columns;
  VectorFormat vectors = VectorFormat::kStored;  // of every vector column; or kFloat32, kFloat16
  std::optional<OrderBy> order_by;               // absent: insertion order
  bool count = false;                            // one row, column `count` int64: how many rows there are
  int64_t timeout_ms = 0;                        // for the whole stream, however slowly it is read; 0: none
  bool strict = false;  // a filter on an unknown column is an error, and not an empty answer
};

struct ScanOptions {
  int64_t first_rows = 4096, first_bytes = int64_t{256} << 10;
  int64_t max_rows = 65536, max_bytes = int64_t{2} << 20;
};

// A running scan: pulled batch by batch, small batches first. Holds its blocks and what was visible when it
// began, not the view. Confined.
class Scan {
 public:
  virtual ~Scan() = default;
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  // Null at the end. Vectors are slices of their slabs where a run of rows is whole.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Next() = 0;
};

// "exact", "approximate", "partial".
std::string_view CoverageName(index::Coverage coverage);
// {"method", "distances", "codes", "hops", "bytes", "nanos", ...} as JSON.
std::string StatsJson(const SearchAnswer& answer);
// Says both in the metadata of the hits' schema: "longbow.coverage", "longbow.stats".
void Describe(SearchAnswer* answer);

}  // namespace longbow::query
