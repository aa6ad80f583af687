// What is counted by dataset.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "longbow/base/counters.h"

namespace longbow::query {

struct DatasetCounters {
  Histogram selectivity;  // millionths
  Counter cache_hits, cache_misses;
};

// Guarded by its mutex; the counters are atomic and stay where they are.
class DatasetCounterMap {
 public:
  static constexpr size_t kMaxDatasets = 4096;

  // Datasets beyond the limit share the row of the empty name. The dataset exists: names that clients make up
  // get no row.
  DatasetCounters* For(std::string_view dataset);
  void ListCounters(CounterVisitor& visitor) const;

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::unique_ptr<DatasetCounters>, std::less<>> rows_;  // guarded by mutex_
};

}  // namespace longbow::query
