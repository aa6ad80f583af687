// How long it takes until new rows are indexed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "longbow/base/clock.h"
#include "longbow/base/counters.h"
#include "longbow/engine/engine.h"
#include "longbow/server/labeled_latencies.h"

namespace longbow::server {

// Sampled: one batch at a time of a dataset is followed from its acknowledgement until its last row is
// indexed, and not more often than every 50 ms. Guarded by its mutex.
class IndexTiming : public std::enable_shared_from_this<IndexTiming> {
 public:
  explicit IndexTiming(const Clock* clock) : clock_(clock) {}

  // Rows of the dataset were just acknowledged. From the engine's completions too.
  void RowsWritten(engine::Engine* engine, const std::string& dataset);
  // Forgets datasets that are no more.
  void Keep(const std::function<bool(const std::string& dataset)>& keep);
  void List(CounterVisitor& visitor) const;

 private:
  static constexpr int64_t kRestNanos = 50'000'000;
  static constexpr size_t kMaxDatasets = 4096;  // further ones are not sampled

  struct Sampling {
    bool under_way = false;
    int64_t rest_until = 0;
  };
  bool Begin(const std::string& dataset, int64_t now);
  void End(const std::string& dataset, int64_t now);
  void Record(const engine::DatasetInfo& about, int64_t nanos);

  const Clock* const clock_;  // read only while the engine is there
  LabeledLatencies by_dataset_{"index_job_latency_seconds",
                               "From a batch's acknowledgement until its rows are indexed, sampled",
                               "dataset"};
  LabeledLatencies by_type_{"hnsw_insert_latency_by_type_seconds",
                            "The same by the type of a vector column's elements", "type"};
  LabeledLatencies by_dim_{"hnsw_insert_latency_by_dim_seconds", "The same by dimensions of a vector column",
                           "dim"};
  std::mutex mutex_;
  std::map<std::string, Sampling> sampling_;  // guarded by mutex_
};

}  // namespace longbow::server
