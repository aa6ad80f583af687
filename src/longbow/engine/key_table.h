// A hash table from a key's number to a row, made for batches: a batch is announced, and slots are fetched
// ahead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "longbow/base/ids.h"

namespace longbow::engine {

// Open addressing with linear probing (Knuth, TAOCP 3, 6.4, algorithms L and R): a slot is 12 bytes, so that
// a lookup touches one cache line most of the time. Guarded by its owner. No row is kNoRow.
class KeyTable {
 public:
  // Spreads numbers that differ in any bits over all bits; used for the choice of a table, too.
  static uint64_t Hash(uint64_t number) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(number ^ 0x2545F4914F6CDD1Du) * 0x9E3779B97F4A7C15u;
    return static_cast<uint64_t>(product >> 64) ^ static_cast<uint64_t>(product);
  }

  // Makes room for `more` numbers: their insertions move nothing.
  void Reserve(size_t more) {
    if (more + size_ > Limit(slots_.size())) Grow(more + size_);
  }
  void Prefetch(uint64_t number) const {
    if (!slots_.empty()) __builtin_prefetch(slots_.data() + Home(number));
  }

  // The row of `number`, or null.
  RowOrdinal* Find(uint64_t number) {
    if (slots_.empty()) return nullptr;
    Slot& slot = slots_[Place(number)];
    return slot.row == kNoRow ? nullptr : &slot.row;
  }
  const RowOrdinal* Find(uint64_t number) const { return const_cast<KeyTable*>(this)->Find(number); }

  // The row of `number`, which is `row` when it was not there. Room was reserved.
  struct Inserted {
    RowOrdinal* row;
    bool is_new;
  };
  Inserted Insert(uint64_t number, RowOrdinal row) {
    Slot& slot = slots_[Place(number)];
    if (slot.row != kNoRow) return {&slot.row, false};
    slot = Slot(number, row);
    ++size_;
    return {&slot.row, true};
  }

  // Of a number that is there.
  void Erase(uint64_t number);

  size_t size() const { return size_; }
  int64_t bytes() const { return static_cast<int64_t>(slots_.size() * sizeof(Slot)); }

 private:
  struct Slot {
    Slot() = default;
    Slot(uint64_t number, RowOrdinal a_row)
        : low(static_cast<uint32_t>(number)), high(static_cast<uint32_t>(number >> 32)), row(a_row) {}
    uint64_t number() const { return uint64_t{high} << 32 | low; }

    uint32_t low = 0, high = 0;
    RowOrdinal row = kNoRow;  // kNoRow: empty
  };
  static_assert(sizeof(Slot) == 12);

  static size_t Limit(size_t slots) { return slots / 4 * 3; }
  size_t Home(uint64_t number) const { return Hash(number) & (slots_.size() - 1); }
  // Where `number` is or would be put.
  size_t Place(uint64_t number) const {
    size_t at = Home(number);
    while (slots_[at].row != kNoRow && slots_[at].number() != number) at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  void Grow(size_t numbers);

  std::vector<Slot> slots_;  // none, or a power of two of them
  size_t size_ = 0;
};

}  // namespace longbow::engine
