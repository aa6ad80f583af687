#include "longbow/query/dataset_counters.h"

#include <mutex>

namespace longbow::query {

DatasetCounters* DatasetCounterMap::For(std::string_view dataset) {
  {
    std::shared_lock lock(mutex_);
    const auto found = rows_.find(dataset);
    if (found != rows_.end()) return found->second.get();
  }
  std::unique_lock lock(mutex_);
  const std::string name(rows_.size() < kMaxDatasets ? dataset : std::string_view());
  auto& row = rows_[name];
  if (row == nullptr) row = std::make_unique<DatasetCounters>();
  return row.get();
}

void DatasetCounterMap::ListCounters(CounterVisitor& visitor) const {
  constexpr double kMillionth = 1e-6;
  std::shared_lock lock(mutex_);
  for (const auto& [dataset, row] : rows_) {
    const Labels labels = {{"dataset", dataset}};
    visitor.Visit("filter_selectivity_ratio", "Share of the rows that a search's filter selected", labels,
                  row->selectivity, kMillionth);
    visitor.Visit("query_cache_hits_total", "Searches answered from the cache of answers", labels,
                  row->cache_hits);
    visitor.Visit("query_cache_misses_total", "Searches that the cache of answers could not answer", labels,
                  row->cache_misses);
  }
}

}  // namespace longbow::query
