// How many nodes a walk has to visit for a recall, measured on the index's own rows.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "longbow/index/graph/graph_search.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {

// Rows that are about to be linked serve as queries: the graph does not know them yet. Each time the graph
// has doubled, kQueries of them are answered exactly and by walks of several lengths. Atomic; Observe is
// serialised inside.
class RecallCalibration {
 public:
  static constexpr uint32_t kK = 10;

  // Nodes to visit so that `recall` of the true k are found; from a rule of thumb while nothing has been
  // measured.
  uint32_t EfFor(float recall, uint32_t k) const;

  // Whether a row that is about to be linked to a graph of `nodes` nodes should be observed.
  bool Due(uint64_t nodes) const { return nodes >= due_at_.load(std::memory_order_relaxed); }
  // Answers the row exactly and by walks; enough such rows make a new measurement.
  void Observe(const Graph& graph, const RowChains& chains, const IndexInput& input, RowOrdinal row,
               RowOrdinal indexed_end);
  // Measured mean recall by kEf; 0 where nothing is known.
  float recall_at(size_t i) const { return recall_[i].load(std::memory_order_relaxed); }
  // What was measured on a graph of `nodes` nodes that was saved since.
  void Restore(const std::array<float, 10>& recall, uint64_t nodes);
  static constexpr std::array<uint32_t, 10> kEf{12, 16, 24, 32, 48, 64, 96, 128, 192, 320};

 private:
  static constexpr uint32_t kQueries = 128;
  static constexpr uint64_t kFirstNodes = 2048;

  std::array<std::atomic<float>, kEf.size()> recall_{};
  std::atomic<uint64_t> due_at_{kFirstNodes};
  std::mutex mutex_;
  std::array<uint32_t, kEf.size()> found_{};  // guarded by mutex_
  uint32_t queries_ = 0;                      // guarded by mutex_
  GraphScratch scratch_;                      // guarded by mutex_
  SearchHits exact_, hits_;                   // guarded by mutex_
};

}  // namespace longbow::index
