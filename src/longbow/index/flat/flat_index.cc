#include "longbow/index/flat/flat_index.h"

#include <algorithm>

#include "longbow/base/check.h"
#include "longbow/index/flat/flat_scan.h"

namespace longbow::index {
namespace {

// Measured with bench/kernels_bench and rounded up, since machines differ: what a row costs the first query,
// that reads it from cache as far as the rows fit there and else from memory, and what it costs each further
// query, that finds it in cache.
constexpr double kNanosARow = 1.0, kNanosADeadRow = 0.8, kNanosACachedByte = 0.012, kNanosAMemoryByte = 0.04;
constexpr double kCachedBytes = 4 << 20;
constexpr double kNanosAGatheredRow = 3.0, kNanosAGatheredByte = 0.05;
constexpr double kNanosAMoreQuery = 0.4, kNanosAMoreQueryScalar = 0.012;
constexpr double kNanosASelectionRow = 0.05;  // of the bitmap, chosen or not

double ReadNanos(double bytes) {
  return std::min(bytes, kCachedBytes) * kNanosACachedByte +
         std::max(bytes - kCachedBytes, 0.0) * kNanosAMemoryByte;
}

double MoreQueries(const SearchShape& shape, double rows, double scalars) {
  const double more = shape.queries > 1 ? shape.queries - 1 : 0;
  return more * rows * (kNanosAMoreQuery + kNanosAMoreQueryScalar * scalars);
}

}  // namespace

FlatIndex::FlatIndex(const IndexInput& input)
    : store_(input.store), kernels_(distance::Kernels(input.metric, input.store->type())) {}

FlatIndex::~FlatIndex() {
  for (Waiter& waiter : waiters_) {
    waiter.done(Error(ErrorCode::kCancelled, "index: closed before row ", waiter.end, " was appended"));
  }
}

void FlatIndex::RowsAppended(RowOrdinal first, RowOrdinal end) {
  LB_CHECK(first >= end_.load(std::memory_order_relaxed));
  LB_CHECK(end >= first);
  end_.store(end, std::memory_order_release);
  std::vector<Waiter> ready;
  {
    std::lock_guard lock(mutex_);
    const auto waiting =
        std::partition(waiters_.begin(), waiters_.end(), [&](auto& w) { return w.end > end; });
    ready.assign(std::make_move_iterator(waiting), std::make_move_iterator(waiters_.end()));
    waiters_.erase(waiting, waiters_.end());
  }
  for (Waiter& waiter : ready) waiter.done(Status::OK());
}

// Scans ask each row whether it is visible, so an erased one is out already.
void FlatIndex::Erase(std::span<const RowOrdinal> rows) {
  erased_.fetch_add(
      std::count_if(rows.begin(), rows.end(), [this](RowOrdinal row) { return store_->Present(row); }),
      std::memory_order_relaxed);
}

std::vector<MethodCost> FlatIndex::Methods(const SearchShape& shape) const {
  return {ScanCost(*store_, shape)};
}

MethodCost ScanCost(const VectorStore& store, const SearchShape& shape) {
  const auto scalars = static_cast<double>(store.scalars()), bytes = static_cast<double>(store.row_bytes());
  const auto rows = static_cast<double>(shape.rows);
  const auto held = std::max(rows, static_cast<double>(shape.held));
  if (!shape.has_selection) {
    const double nanos = rows * kNanosARow + (held - rows) * kNanosADeadRow + ReadNanos(rows * bytes) +
                         MoreQueries(shape, rows, scalars);
    return {Method::kExactScan, nanos, true};
  }
  const auto selected = static_cast<double>(shape.selected);
  const double nanos = held * kNanosASelectionRow +
                       selected * (kNanosAGatheredRow + kNanosAGatheredByte * bytes) +
                       MoreQueries(shape, selected, scalars);
  return {Method::kSelectionScan, nanos, true};
}

std::unique_ptr<SearchScratch> FlatIndex::NewScratch() const { return std::make_unique<FlatScratch>(); }

// Both methods are this scan: with a selection it looks at selected rows only.
Status FlatIndex::Search(const SearchSpec& spec, SearchScratch* scratch, SearchHits* hits) const {
  LB_CHECK(spec.method == Method::kExactScan || spec.method == Method::kSelectionScan);
  LB_CHECK(spec.method != Method::kSelectionScan || spec.selection != nullptr);
  LB_CHECK(spec.k.size() == spec.query_count);
  LB_CHECK(spec.visibility.versions != nullptr);
  auto* flat = dynamic_cast<FlatScratch*>(scratch);
  LB_CHECK(flat != nullptr);
  FlatScan(store_, kernels_, spec, flat).Run(hits);
  return Status::OK();
}

void FlatIndex::WhenIndexed(RowOrdinal end, std::function<void(Status)> done) {
  {
    std::lock_guard lock(mutex_);
    if (indexed_end() < end) {
      waiters_.push_back({end, std::move(done)});
      return;
    }
  }
  done(Status::OK());
}

Result<AuditReport> FlatIndex::Audit() const {
  AuditReport report;
  report.settled = true;
  const RowOrdinal end = indexed_end();
  for (RowOrdinal row = 0; row < end; ++row) report.nodes += store_->Present(row) ? 1 : 0;
  report.live = report.nodes - erased_.load(std::memory_order_relaxed);
  if (report.live < 0) report.violations.push_back("more rows erased than appended");
  return report;
}

std::vector<IndexGauge> FlatIndex::Gauges() const {
  return {{"backlog_rows", "Rows appended and not yet indexed", 0.0}};
}

Result<std::unique_ptr<VectorIndex>> MakeFlatIndex(const IndexInput& input) {
  LB_CHECK(input.store != nullptr);
  return std::make_unique<FlatIndex>(input);
}

}  // namespace longbow::index
