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
// has doubled, kQueries of them are answered exactly, by walks of several lengths and by walks of several
// reaches (docs/decisions/graph-stop.md). Atomic; Observe is serialised inside.
class RecallCalibration {
 public:
  static constexpr uint32_t kK = 10;

  // Of a walk that finds `recall` of the true k: with a reach where one was measured to do so with fewer
  // hops than a given length, which comes from a rule of thumb while nothing has been measured.
  WalkLength LengthFor(float recall, uint32_t k) const;

  // Whether a row that is about to be linked to a graph of `nodes` nodes should be observed.
  bool Due(uint64_t nodes) const { return nodes >= due_at_.load(std::memory_order_relaxed); }
  // Answers the row exactly and by walks; enough such rows make a new measurement.
  void Observe(const Graph& graph, const RowChains& chains, const IndexInput& input, RowOrdinal row,
               RowOrdinal indexed_end);

  static constexpr std::array<uint32_t, 10> kEf{12, 16, 24, 32, 48, 64, 96, 128, 192, 320};
  static constexpr std::array<float, 9> kReach{0.01f, 0.02f, 0.04f, 0.06f, 0.08f, 0.11f, 0.15f, 0.2f, 0.28f};
  // Means; 0 where nothing is known.
  struct Measured {
    std::array<float, kEf.size()> recall{};
    std::array<float, kReach.size()> reach_recall{}, reach_hops{};
  };
  Measured measured() const;
  uint64_t version() const {
    return version_.load(std::memory_order_acquire);
  }  // one more for each measurement
  // What was measured on a graph of `nodes` nodes that was saved since.
  void Restore(const Measured& measured, uint64_t nodes);

 private:
  static constexpr uint32_t kQueries = 128;
  static constexpr uint64_t kFirstNodes = 2048;

  static float EfFor(const Measured& measured, float missed);
  static WalkLength ReachFor(const Measured& measured, float missed);
  void Set(const Measured& measured);
  void Publish();  // mutex_ is held

  std::array<std::atomic<float>, kEf.size()> recall_{};
  std::array<std::atomic<float>, kReach.size()> reach_recall_{}, reach_hops_{};
  std::atomic<uint64_t> due_at_{kFirstNodes}, version_{0};
  std::mutex mutex_;
  std::array<uint32_t, kEf.size()> found_{};                              // guarded by mutex_
  std::array<uint32_t, kReach.size()> reach_found_{}, reach_hops_sum_{};  // guarded by mutex_
  uint32_t queries_ = 0;                                                  // guarded by mutex_
  GraphScratch scratch_;                                                  // guarded by mutex_
  SearchHits exact_, hits_;                                               // guarded by mutex_
};

}  // namespace longbow::index
