#include "longbow/engine/key_table.h"

#include <bit>
#include <vector>

namespace longbow::engine {

void KeyTable::Grow(size_t numbers) {
  size_t slots = std::bit_ceil(numbers < 12 ? size_t{16} : numbers);
  if (numbers > Limit(slots)) slots *= 2;
  std::vector<Slot> old(slots);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.row != kNoRow) slots_[Place(slot.number())] = slot;
  }
}

// What was pushed past the hole moves back into it.
void KeyTable::Erase(uint64_t number) {
  const size_t mask = slots_.size() - 1;
  size_t hole = Place(number);
  for (size_t at = (hole + 1) & mask; slots_[at].row != kNoRow; at = (at + 1) & mask) {
    if (((at - Home(slots_[at].number())) & mask) < ((at - hole) & mask)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = Slot();
  --size_;
}

}  // namespace longbow::engine
