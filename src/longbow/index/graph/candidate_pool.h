// The nodes a walk has heard of and may still visit, nearest first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "longbow/index/graph/node_layout.h"

namespace longbow::index {

struct Candidate {
  float distance;
  Slot slot;
};

// How far behind the nearest ones a candidate may lie: nearer than
//   d + reach * max(d + shift, 0) + rounding
// where d is the distance of the one at `rank`, counted from 1. Rank 0: as far as it likes.
struct PoolReach {
  uint32_t rank = 0;
  float reach = 0, shift = 0, rounding = 0;
};

// A sorted array with a cursor at the first one not yet visited. Confined.
class CandidatePool {
 public:
  void Reset(uint32_t capacity, PoolReach reach = {}) {
    capacity_ = capacity, size_ = 0, next_ = 0;
    reach_ = reach;
    limit_ = std::numeric_limits<float>::infinity();
    if (items_.size() < capacity + 1) items_.resize(capacity + 1);
  }

  // A distance not below has no place.
  float limit() const { return limit_; }

  // Precondition: distance < limit().
  void Insert(float distance, Slot slot) {
    uint32_t low = 0, high = size_;
    while (low < high) {
      const uint32_t middle = (low + high) / 2;
      if (items_[middle].distance < distance)
        low = middle + 1;
      else
        high = middle;
    }
    const uint32_t end = size_ < capacity_ ? size_ : capacity_ - 1;
    Candidate* at = items_.data() + low;
    std::memmove(at + 1, at, (end - low) * sizeof(Candidate));
    *at = {distance, slot};
    if (size_ < capacity_) ++size_;
    if (size_ == capacity_) limit_ = std::min(limit_, items_[size_ - 1].distance);
    if (low < next_) next_ = low;
    if (low < reach_.rank && size_ >= reach_.rank) Tighten();
  }

  // What is not nearer than `limit` has no place from now on, and loses it.
  void Bound(float limit) {
    if (!(limit < limit_)) return;
    limit_ = limit;
    while (size_ > 0 && !(items_[size_ - 1].distance < limit)) --size_;
    next_ = std::min(next_, size_);
  }
  // Of the one at `rank`, counted from 1; infinite while there are fewer.
  float DistanceAt(uint32_t rank) const {
    return rank <= size_ ? items_[rank - 1].distance : std::numeric_limits<float>::infinity();
  }
  bool HasNext() const { return next_ < size_; }
  // The nearest not yet visited, which counts as visited from now on.
  Slot PopNext() {
    Candidate& item = items_[next_];
    const Slot slot = item.slot;
    item.slot |= kVisited;
    for (++next_; next_ < size_ && (items_[next_].slot & kVisited) != 0; ++next_) {
    }
    return slot;
  }
  // The one that PopNext would give after `skip` others, or kNoSlot; skip is small.
  Slot PeekNext(uint32_t skip) const {
    for (uint32_t i = next_; i < size_; ++i) {
      if ((items_[i].slot & kVisited) != 0) continue;
      if (skip-- == 0) return items_[i].slot;
    }
    return kNoSlot;
  }
  static constexpr Slot kVisited = Slot{1} << 31;  // so slots end below

 private:
  // What lies beyond the reach is forgotten, so that the array stays short.
  void Tighten() {
    const float last = items_[reach_.rank - 1].distance;
    limit_ = std::min(limit_, last + reach_.reach * std::max(last + reach_.shift, 0.0f) + reach_.rounding);
    while (size_ > reach_.rank && !(items_[size_ - 1].distance < limit_)) --size_;
  }

  std::vector<Candidate> items_;
  PoolReach reach_;
  uint32_t capacity_ = 0, size_ = 0, next_ = 0;
  float limit_ = 0;
};

}  // namespace longbow::index
