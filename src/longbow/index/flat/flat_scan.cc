#include "longbow/index/flat/flat_scan.h"

#include <algorithm>
#include <cstring>

namespace longbow::index {
namespace {

// A call's rows stay in the second-level cache while the groups of queries pass over them.
constexpr size_t kCallBytes = 256 << 10;
constexpr size_t kCallBytesOneQuery = 4 << 20;  // a limit on the time between looks at the budget
constexpr uint32_t kQueriesACall = 32;
constexpr uint32_t kLeastRun = 8;  // rows of a run, on average, that is scanned where it lies

uint32_t RowsACall(size_t row_bytes, uint32_t queries) {
  const size_t rows = (queries == 1 ? kCallBytesOneQuery : kCallBytes) / row_bytes;
  return static_cast<uint32_t>(std::clamp<size_t>(rows, 8, WantedRows::kRows)) & ~7u;
}

}  // namespace

FlatScan::FlatScan(const VectorStore* store, const distance::KernelSet& kernels, const SearchSpec& spec,
                   FlatScratch* scratch)
    : store_(store),
      kernels_(kernels),
      spec_(spec),
      scratch_(scratch),
      wanted_(store, spec.visibility, spec.selection),
      rows_a_call_(RowsACall(store->row_bytes(), spec.query_count)) {
  size_t kept = 0;
  for (uint32_t k : spec.k) kept += std::min<size_t>(k, wanted_.end());
  scratch->heaps_.resize(kept);
  scratch->tops_.clear();
  kept = 0;
  for (uint32_t k : spec.k) {
    const size_t possible = std::min<size_t>(k, wanted_.end());
    scratch->tops_.emplace_back(scratch->heaps_.data() + kept, possible, NeighborOrder(spec.ties));
    kept += possible;
  }
  scratch->distances_.resize(static_cast<size_t>(WantedRows::kRows) *
                             std::min(spec.query_count, kQueriesACall));
  scratch->scattered_.clear();
  scratch->scattered_.reserve(WantedRows::kRows);
}

void FlatScan::Run(SearchHits* hits) {
  ScanRows();
  hits->coverage = partial_ ? Coverage::kPartial : Coverage::kExact;
  hits->work = work_;
  Drain(hits);
}

bool FlatScan::ScanRows() {
  const RowOrdinal end = wanted_.end();
  for (uint64_t first = 0; first < end; first += WantedRows::kRows) {
    const uint32_t count = wanted_.Load(static_cast<RowOrdinal>(first));
    if (count == 0) continue;
    if (count >= kLeastRun * wanted_.runs()) {
      if (!wanted_.ForEachRun([this](RowOrdinal row, uint32_t n) { return ScanRun(row, n); })) return false;
      continue;
    }
    if (scratch_->scattered_.size() + count > WantedRows::kRows && !FlushScattered()) return false;
    wanted_.ForEach([this](RowOrdinal row) { scratch_->scattered_.push_back(row); });
  }
  return scratch_->scattered_.empty() || FlushScattered();
}

bool FlatScan::ScanRun(RowOrdinal first, uint32_t count) {
  while (count > 0) {
    const uint32_t n = std::min({count, store_->ContiguousFrom(first), rows_a_call_});
    if (!Score(store_->Row(first), n, [first](size_t i) { return first + static_cast<RowOrdinal>(i); }))
      return false;
    first += n;
    count -= n;
  }
  return true;
}

bool FlatScan::FlushScattered() {
  const bool go_on = spec_.query_count == 1 ? FlushGathered() : FlushPacked();
  scratch_->scattered_.clear();
  return go_on;
}

bool FlatScan::FlushGathered() {
  if (!CanGoOn()) return false;
  const std::vector<RowOrdinal>& rows = scratch_->scattered_;
  scratch_->scattered_at_.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) scratch_->scattered_at_[i] = store_->Row(rows[i]);
  kernels_.gather(spec_.queries, scratch_->scattered_at_.data(), rows.size(), store_->scalars(),
                  scratch_->distances_.data());
  Account(0, 1, static_cast<uint32_t>(rows.size()), [&rows](size_t i) { return rows[i]; });
  work_.bytes += static_cast<int64_t>(rows.size() * store_->row_bytes());
  return true;
}

bool FlatScan::FlushPacked() {
  const std::vector<RowOrdinal>& rows = scratch_->scattered_;
  const size_t row_bytes = store_->row_bytes();
  scratch_->packed_.resize(rows_a_call_ * row_bytes);
  for (size_t first = 0; first < rows.size(); first += rows_a_call_) {
    const size_t count = std::min<size_t>(rows_a_call_, rows.size() - first);
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(scratch_->packed_.data() + i * row_bytes, store_->Row(rows[first + i]), row_bytes);
    }
    const auto row_at = [&rows, first](size_t i) { return rows[first + i]; };
    if (!Score(scratch_->packed_.data(), static_cast<uint32_t>(count), row_at)) return false;
  }
  return true;
}

template <typename RowAt>
bool FlatScan::Score(const std::byte* first_row, uint32_t count, RowAt&& row_at) {
  work_.bytes += static_cast<int64_t>(count * store_->row_bytes());
  for (uint32_t query = 0; query < spec_.query_count; query += kQueriesACall) {
    if (!CanGoOn()) return false;
    const uint32_t queries = std::min(kQueriesACall, spec_.query_count - query);
    const std::byte* first_query = spec_.queries + query * spec_.query_stride;
    if (queries == 1) {
      kernels_.rows(first_query, first_row, store_->row_bytes(), count, store_->scalars(),
                    scratch_->distances_.data());
    } else {
      kernels_.tile(first_query, spec_.query_stride, queries, first_row, store_->row_bytes(), count,
                    store_->scalars(), scratch_->distances_.data());
    }
    Account(query, queries, count, row_at);
  }
  return true;
}

// Takes what a kernel call found, and pays for it.
template <typename RowAt>
void FlatScan::Account(uint32_t query, uint32_t queries, uint32_t count, RowAt&& row_at) {
  for (uint32_t q = 0; q < queries; ++q) {
    scratch_->tops_[query + q].OfferAll(scratch_->distances_.data() + static_cast<size_t>(q) * count, count,
                                        row_at);
  }
  const int64_t distances = static_cast<int64_t>(queries) * count;
  work_.distances += distances;
  if (spec_.budget != nullptr && !spec_.budget->Spend(distances)) budget_ended_ = true;
}

// Asked before each call, so a budget that ends with the last row has still seen all of them.
bool FlatScan::CanGoOn() {
  if (budget_ended_) partial_ = true;
  return !budget_ended_;
}

void FlatScan::Drain(SearchHits* hits) {
  size_t total = 0;
  for (const TopK& top : scratch_->tops_) total += top.size();
  hits->neighbors.resize(total);
  hits->offsets.resize(scratch_->tops_.size() + 1);
  hits->offsets[0] = 0;
  size_t at = 0;
  for (size_t q = 0; q < scratch_->tops_.size(); ++q) {
    at += scratch_->tops_[q].Drain(hits->neighbors.data() + at);
    hits->offsets[q + 1] = static_cast<uint32_t>(at);
  }
}

}  // namespace longbow::index
