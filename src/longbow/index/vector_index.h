// What every index of a vector column offers. An index knows ordinals, a VectorStore and visibility; it never
// sees a dataset, a filter tree, an Arrow array or a counter of the server.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/budget.h"
#include "longbow/base/executor.h"
#include "longbow/base/filesystem.h"
#include "longbow/base/read_epochs.h"
#include "longbow/base/row_selection.h"
#include "longbow/base/row_versions.h"
#include "longbow/base/status.h"
#include "longbow/base/tie_order.h"
#include "longbow/distance/kernels.h"
#include "longbow/index/vector_source.h"

namespace longbow::index {

// A hit, `distance` as the kernels give it (squared for l2). Best first everywhere: by distance, then by key.
struct Neighbor {
  float distance;
  RowOrdinal row;
};

// Decides between rows at equal distance.
using longbow::TieOrder;

// How hard to look. `ef` > 0 fixes the candidate list; otherwise `recall` is the share of the true k that the
// index aims at, by its calibration. An exact index ignores both.
struct Effort {
  float recall = 0.95f;
  uint32_t ef = 0;
};

// Ways of finding neighbours, from which query/ chooses by estimated cost.
enum class Method : uint8_t {
  kExactScan,      // every visible row, full precision
  kSelectionScan,  // every selected and visible row, full precision
  kCodeScan,       // low-bit codes, then exact rescore
  kWalk,           // the graph, testing the selection on the way
  kFilteredWalk,   // the graph through failing nodes by two hops
};
std::string_view MethodName(Method method);

struct SearchShape {
  uint32_t queries = 1;
  uint32_t k = 10;
  Effort effort;
  uint64_t rows = 0;  // visible ones, about
  uint64_t held = 0;  // with those that a scan goes by because they are dead and not forgotten; 0: as `rows`
  bool has_selection = false;
  uint64_t selected = 0;  // exact size of the selection, when there is one
};
struct MethodCost {
  Method method;
  double nanos;  // for all queries of the shape, on one core
  bool exact;    // the method's answers are exact
};

// What a search did; plain numbers, added up by the caller.
struct SearchWork {
  int64_t distances = 0;  // full-precision distances taken
  int64_t codes = 0;      // distances estimated from codes
  int64_t hops = 0;
  int64_t bytes = 0;  // of vectors and codes read
  void operator+=(const SearchWork& o) {
    distances += o.distances, codes += o.codes, hops += o.hops, bytes += o.bytes;
  }
};

enum class Coverage : uint8_t { kExact, kApproximate, kPartial };

struct SearchSpec {
  Method method = Method::kExactScan;
  // `count` prepared queries (distance::PrepareQuery), query i at data + i * stride_bytes.
  const std::byte* queries = nullptr;
  size_t query_stride = 0;
  uint32_t query_count = 1;
  std::span<const uint32_t> k;  // one a query
  Effort effort;
  Visibility visibility;
  uint64_t rows = 0;                        // visible ones, about; 0: as many as ordinals were ever given
  const RowSelection* selection = nullptr;  // null: every visible row
  uint64_t selected = 0;                    // its size, when the caller knows it; 0: it is counted
  const TieOrder* ties = nullptr;           // null: by ordinal
  Budget* budget = nullptr;                 // null: none
};

inline uint64_t VisibleRows(const SearchSpec& spec) {
  return spec.rows > 0 ? spec.rows : spec.visibility.end;
}

inline uint64_t HeldRows(const Visibility& visibility) {
  return std::min<uint64_t>(visibility.end, visibility.versions->held());
}

// Hits of query i: neighbors[offsets[i] .. offsets[i + 1]). Reused between searches, so it does not allocate
// once warm.
struct SearchHits {
  std::vector<Neighbor> neighbors;
  std::vector<uint32_t> offsets;
  Coverage coverage = Coverage::kExact;
  SearchWork work;
};

// Memory a search works in: pooled by the caller, one a running search. An index keeps what it likes in it,
// made by its own NewScratch.
class SearchScratch {
 public:
  virtual ~SearchScratch() = default;
};

struct IndexGauge {
  std::string_view name;  // "unreachable_nodes", "backlog_rows", ...
  std::string_view help;
  double value;
};

struct AuditReport {
  int64_t nodes = 0, live = 0, unreachable = 0;
  bool settled = false;  // nobody was at work: what the parts say of each other was compared, too
  std::vector<std::string> violations;  // empty: sound
};

// Thread-safe: any number of searches beside any number of inserts and erases.
class VectorIndex {
 public:
  virtual ~VectorIndex() = default;
  virtual std::string_view name() const = 0;  // "flat", "graph"

  // Rows [first, end) have been written to the store and will be visible next. Called by apply in ordinal
  // order, so it only takes note; building happens on builders. Rows are findable by search as soon as this
  // returned.
  virtual void RowsAppended(RowOrdinal first, RowOrdinal end) = 0;
  // The rows are visible to no view any more, present or future.
  virtual void Erase(std::span<const RowOrdinal> rows) = 0;
  // Rows below this are not read any more by the index's own work, once they are erased and its tasks of now
  // ended.
  virtual RowOrdinal settled_end() const { return indexed_end(); }
  // All rows [first, end), whole chunks of ChunkedArray below settled_end(), were erased, and nobody is left
  // who read before that: what the index holds of them may go.
  virtual void Forget(RowOrdinal first, RowOrdinal end) = 0;

  // The ways this index could answer, cheapest first; never empty.
  virtual std::vector<MethodCost> Methods(const SearchShape& shape) const = 0;
  // Changes when Methods() may answer a shape otherwise than before: what was chosen from it may be kept
  // until then.
  virtual uint64_t methods_version() const { return 0; }
  virtual std::unique_ptr<SearchScratch> NewScratch() const = 0;
  // If k visible selected rows have a vector, k come back, unless the budget ended: then coverage is
  // kPartial.
  virtual Status Search(const SearchSpec& spec, SearchScratch* scratch, SearchHits* hits) const = 0;

  // Rows below this are indexed (found by the index's own structure rather than by scanning); equal to the
  // rows appended when nothing is behind.
  virtual RowOrdinal indexed_end() const = 0;
  // `done` once indexed_end() >= end; at once when it already is, or with why it never will be.
  virtual void WhenIndexed(RowOrdinal end, std::function<void(Status)> done) = 0;

  // Derived files under `directory`, readable by Load of the same index type; NotFound from Load means: build
  // anew. An index that keeps nothing on disk saves nothing and loads at once.
  virtual Status Save(FileSystem* files, std::string_view directory) = 0;
  virtual Status Load(FileSystem* files, std::string_view directory) = 0;
  virtual Result<AuditReport> Audit() const = 0;
  virtual std::vector<IndexGauge> Gauges() const = 0;
  virtual int64_t memory_bytes() const = 0;  // beyond the store's
};

// Told, once, that work of an index in the background has ended with an exception, and what it said. Called
// on the task that failed; what it calls outlives the index.
using BuildFailed = std::function<void(const std::string& what)>;

// What an index is made from. Pointers outlive the index.
struct IndexInput {
  distance::Metric metric = distance::Metric::kL2;
  const VectorStore* store = nullptr;
  const RowVersions* versions = nullptr;
  std::string codec = "auto";
  Executor* builders = nullptr;
  ReadEpochs* epochs = nullptr;  // entered by its tasks while they read rows; may be null
  MemoryLedger* ledger = nullptr;
  uint64_t seed = 0;
  BuildFailed failed = nullptr;  // nothing is built any more; who waits for it gets Internal. May be null
};

// One row of the list of index types; engine/ looks a column's `longbow.index` up here.
struct IndexType {
  std::string_view name;
  Result<std::unique_ptr<VectorIndex>> (*make)(const IndexInput& input);
  std::span<const std::string_view> codecs;  // that `make` takes
  // What such an index comes to hold of a row of `scalars`, beyond the store.
  int64_t (*row_bytes)(distance::Metric metric, size_t scalars, std::string_view codec);
};
std::span<const IndexType> IndexTypes();
// InvalidArgument that names the known ones.
Result<const IndexType*> FindIndexType(std::string_view name);
// InvalidArgument that names those the type has.
Status CheckCodec(const IndexType& type, std::string_view codec);

}  // namespace longbow::index
