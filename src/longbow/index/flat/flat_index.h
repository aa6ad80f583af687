// Exact search by scanning: the oracle of every other index, and what small datasets use.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "longbow/index/vector_index.h"

namespace longbow::index {

// Has no structure beyond the store, so rows are indexed the moment they are appended, and nothing is kept on
// disk.
class FlatIndex : public VectorIndex {
 public:
  explicit FlatIndex(const IndexInput& input);
  ~FlatIndex() override;  // ends what still waits with Cancelled

  std::string_view name() const override { return "flat"; }
  void RowsAppended(RowOrdinal first, RowOrdinal end) override;
  void Erase(std::span<const RowOrdinal> rows) override;
  void Forget(RowOrdinal, RowOrdinal) override {}
  std::vector<MethodCost> Methods(const SearchShape& shape) const override;
  std::unique_ptr<SearchScratch> NewScratch() const override;
  Status Search(const SearchSpec& spec, SearchScratch* scratch, SearchHits* hits) const override;
  RowOrdinal indexed_end() const override { return end_.load(std::memory_order_acquire); }
  void WhenIndexed(RowOrdinal end, std::function<void(Status)> done) override;
  Status Save(FileSystem*, std::string_view) override { return Status::OK(); }
  Status Load(FileSystem*, std::string_view) override { return Status::OK(); }
  Result<AuditReport> Audit() const override;
  std::vector<IndexGauge> Gauges() const override;
  int64_t memory_bytes() const override { return 0; }

 private:
  struct Waiter {
    RowOrdinal end;
    std::function<void(Status)> done;
  };

  const VectorStore* const store_;
  const distance::KernelSet& kernels_;
  std::atomic<RowOrdinal> end_{0};  // rows appended
  std::atomic<int64_t> erased_{0};  // of those, with a vector
  std::mutex mutex_;
  std::vector<Waiter> waiters_;  // guarded by mutex_
};

// What it costs to look at every visible (or selected) row of the store: what any index can fall back to.
MethodCost ScanCost(const VectorStore& store, const SearchShape& shape);

Result<std::unique_ptr<VectorIndex>> MakeFlatIndex(const IndexInput& input);

}  // namespace longbow::index
