// The nodes a walk has heard of, so that each is judged once.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "longbow/index/graph/node_layout.h"

namespace longbow::index {

// Open addressing; an entry of an earlier walk is told by its generation, so nothing is cleared. Confined.
class SeenSlots {
 public:
  // About to see `expected` slots; more are fine. Few are looked up in little memory, whatever came before.
  void Reset(uint32_t expected) {
    const uint32_t wanted = std::bit_ceil(expected * 2 + 64);
    if (entries_.size() < wanted) {
      entries_.assign(wanted, {});
      generation_ = 0;
    }
    mask_ = wanted - 1;
    used_ = 0;
    NextGeneration();
  }

  // False when it was there.
  bool Add(Slot slot) {
    for (uint32_t at = Hash(slot) & mask_;; at = (at + 1) & mask_) {
      Entry& entry = entries_[at];
      if (entry.generation != generation_) {
        entry = {slot, generation_};
        if (++used_ * 2 > mask_ + 1) Grow();
        return true;
      }
      if (entry.slot == slot) return false;
    }
  }

 private:
  struct Entry {
    Slot slot = 0;
    uint32_t generation = 0;
  };

  static uint32_t Hash(Slot slot) { return slot * 0x9e3779b1u >> 7; }

  void NextGeneration() {
    if (++generation_ != 0) return;
    entries_.assign(entries_.size(), {});
    generation_ = 1;
  }

  void Grow() {
    moved_.clear();
    for (uint32_t at = 0; at <= mask_; ++at) {
      if (entries_[at].generation == generation_) moved_.push_back(entries_[at].slot);
    }
    mask_ = 2 * mask_ + 1;
    if (entries_.size() <= mask_) entries_.resize(mask_ + 1);
    NextGeneration();
    for (const Slot slot : moved_) {
      uint32_t at = Hash(slot) & mask_;
      while (entries_[at].generation == generation_) at = (at + 1) & mask_;
      entries_[at] = {slot, generation_};
    }
  }

  std::vector<Entry> entries_;  // the first mask_ + 1 are in use
  std::vector<Slot> moved_;     // while they are doubled
  uint32_t mask_ = 0;
  uint32_t generation_ = 0;
  uint32_t used_ = 0;
};

}  // namespace longbow::index
