// Recall of real searches: a share of them is repeated exactly while nobody waits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "longbow/base/counters.h"
#include "longbow/base/environment.h"
#include "longbow/base/row_selection.h"
#include "longbow/engine/view.h"
#include "longbow/index/vector_index.h"

namespace longbow::query {

struct RecallOptions {
  double share = 0.001;                      // of the approximate searches; 0: none
  double share_of_time = 0.01;               // that repeating may take of one core
  int64_t max_distances = int64_t{1} << 24;  // of one repetition; larger ones are given up
};

// A search as it was answered: one query under its own filter and view.
struct RecallSample {
  std::string dataset;
  std::shared_ptr<const engine::View> view;
  int vector_column = 0;
  std::shared_ptr<const RowSelection> selection;  // null: every row
  uint64_t selected = 0, rows = 0;                // visible
  std::vector<std::byte> query;                   // prepared
  uint32_t k = 10;
  RowOrdinal left_out = kNoRow;
  std::vector<index::Neighbor> found;
};

// The mean recall@k by dataset and by how much the filter selected, with Wilson's 95 % interval as if each
// query were one trial (its k hits are not independent). A sample pins its view only until it was repeated.
// Thread-safe; its destructor waits for a repetition under way.
class RecallMonitor {
 public:
  // Samples that wait; further ones are not taken.
  static constexpr size_t kMaxWaiting = 8;

  RecallMonitor(const Environment& environment, RecallOptions options);
  ~RecallMonitor();
  // Whether this search is one of the share. Cheap.
  bool Wants();
  void Offer(RecallSample sample);
  // Forgets what it knows of datasets that `is_there` does not know.
  void Keep(const std::function<bool(const std::string& dataset)>& is_there) const;
  void ListCounters(CounterVisitor& visitor) const;

 private:
  class Work;
  const RecallOptions options_;
  const std::shared_ptr<Work> work_;  // shared with tasks that may outlive this
  std::atomic<uint64_t> searches_{0};
};

}  // namespace longbow::query
