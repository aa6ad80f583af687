// The k best of what one query has been offered.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "longbow/base/tie_order.h"

namespace longbow::text {

// Best first everywhere: by score, then by key.
struct Hit {
  float score;
  RowOrdinal row;
};

// Rows are offered in ascending order, so that without `ties` one at the score of the worst kept can be left
// out unseen. Confined; its memory is the caller's vector.
class TopScores {
 public:
  TopScores(std::vector<Hit>* heap, size_t k, const TieOrder* ties) : heap_(heap), k_(k), ties_(ties) {
    heap_->clear();
    if (k == 0) limit_ = std::numeric_limits<double>::infinity();
  }

  // Whether no row whose score is `bound` or less, before rounding, can be among the k best.
  bool CannotEnter(double bound) const { return bound <= limit_; }
  void Offer(float score, RowOrdinal row) {
    if (heap_->size() == k_) {
      if (k_ == 0 || !Better({score, row}, heap_->front())) return;
      std::pop_heap(heap_->begin(), heap_->end(), Order{this});
      heap_->back() = {score, row};
    } else {
      heap_->push_back({score, row});
    }
    std::push_heap(heap_->begin(), heap_->end(), Order{this});
    if (heap_->size() == k_) Limit(heap_->front().score);
  }
  // Leaves the vector best first.
  void Sort() { std::sort_heap(heap_->begin(), heap_->end(), Order{this}); }

 private:
  struct Order {
    const TopScores* top;
    bool operator()(const Hit& a, const Hit& b) const { return top->Better(a, b); }
  };
  bool Better(const Hit& a, const Hit& b) const {
    if (a.score != b.score) return a.score > b.score;
    return ties_ != nullptr ? ties_->Before(a.row, b.row) : a.row < b.row;
  }
  // A sum may round up to the worst score, and then the key decides.
  void Limit(double worst) {
    limit_ = ties_ == nullptr ? worst : worst - std::abs(worst) * 0x1p-22 - std::numeric_limits<float>::min();
  }

  std::vector<Hit>* heap_;
  size_t k_;
  const TieOrder* ties_;
  double limit_ = -std::numeric_limits<double>::infinity();
};

}  // namespace longbow::text
