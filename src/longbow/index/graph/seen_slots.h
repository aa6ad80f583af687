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
  // About to see `expected` slots; more are fine.
  void Reset(uint32_t expected) {
    const uint32_t wanted = std::bit_ceil(expected * 2 + 64);
    if (entries_.size() < wanted) {
      entries_.assign(wanted, {});
      generation_ = 0;
    }
    if (++generation_ == 0) {
      entries_.assign(entries_.size(), {});
      generation_ = 1;
    }
    used_ = 0;
  }

  // False when it was there.
  bool Add(Slot slot) {
    const uint32_t mask = static_cast<uint32_t>(entries_.size()) - 1;
    for (uint32_t at = Hash(slot) & mask;; at = (at + 1) & mask) {
      Entry& entry = entries_[at];
      if (entry.generation != generation_) {
        entry = {slot, generation_};
        if (++used_ * 2 > entries_.size()) Grow();
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

  void Grow() {
    std::vector<Entry> old(entries_.size() * 2);
    old.swap(entries_);
    const uint32_t mask = static_cast<uint32_t>(entries_.size()) - 1;
    for (const Entry& entry : old) {
      if (entry.generation != generation_) continue;
      uint32_t at = Hash(entry.slot) & mask;
      while (entries_[at].generation == generation_) at = (at + 1) & mask;
      entries_[at] = entry;
    }
  }

  std::vector<Entry> entries_;
  uint32_t generation_ = 0;
  uint32_t used_ = 0;
};

}  // namespace longbow::index
