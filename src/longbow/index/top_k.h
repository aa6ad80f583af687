// The k nearest of what one query has been offered.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "longbow/index/vector_index.h"

namespace longbow::index {

// Best first: by distance, then as `ties` says, by ordinal without one.
class NeighborOrder {
 public:
  explicit NeighborOrder(const TieOrder* ties) : ties_(ties) {}
  bool operator()(const Neighbor& a, const Neighbor& b) const {
    if (a.distance != b.distance) return a.distance < b.distance;
    return ties_ != nullptr ? ties_->Before(a.row, b.row) : a.row < b.row;
  }

 private:
  const TieOrder* ties_;
};

// A heap with the worst at its top, in memory of the caller's that has room for k. Confined.
class TopK {
 public:
  TopK(Neighbor* heap, size_t k, NeighborOrder order) : heap_(heap), k_(k), order_(order) {
    if (k == 0) threshold_ = -std::numeric_limits<float>::infinity();
  }

  // A distance above it cannot enter; one equal to it may.
  float threshold() const { return threshold_; }

  void Offer(float distance, RowOrdinal row) {
    if (distance > threshold_) return;
    if (size_ == k_) {
      if (k_ > 0 && order_({distance, row}, heap_[0])) ReplaceWorst({distance, row});
      return;
    }
    heap_[size_++] = {distance, row};
    std::push_heap(heap_, heap_ + size_, order_);
    if (size_ == k_) threshold_ = heap_[0].distance;
  }

  // distances[i] belongs to row_at(i). Most groups hold nothing that is near enough, and one test says so.
  template <typename RowAt>
  void OfferAll(const float* distances, size_t count, RowAt&& row_at) {
    size_t i = 0;
    for (; i + kGroup <= count; i += kGroup) {
      int near = 0;
      for (size_t j = 0; j < kGroup; ++j) near |= distances[i + j] <= threshold_;
      if (near == 0) continue;
      for (size_t j = i; j < i + kGroup; ++j) Offer(distances[j], row_at(j));
    }
    for (; i < count; ++i) Offer(distances[i], row_at(i));
  }

  // Writes what was kept to `out`, best first; the heap is empty afterwards.
  size_t Drain(Neighbor* out) {
    const size_t size = size_;
    std::sort(heap_, heap_ + size, order_);
    std::copy(heap_, heap_ + size, out);
    size_ = 0;
    return size;
  }
  size_t size() const { return size_; }
  size_t k() const { return k_; }
  void Clear() {
    size_ = 0;
    if (k_ > 0) threshold_ = std::numeric_limits<float>::infinity();
  }

 private:
  static constexpr size_t kGroup = 16;

  void ReplaceWorst(Neighbor with) {
    size_t hole = 0;
    for (size_t child = 1; child < k_; child = 2 * hole + 1) {
      if (child + 1 < k_ && order_(heap_[child], heap_[child + 1])) ++child;
      if (!order_(with, heap_[child])) break;
      heap_[hole] = heap_[child];
      hole = child;
    }
    heap_[hole] = with;
    threshold_ = heap_[0].distance;
  }

  Neighbor* heap_;
  size_t k_;
  size_t size_ = 0;
  float threshold_ = std::numeric_limits<float>::infinity();
  NeighborOrder order_;
};

}  // namespace longbow::index
