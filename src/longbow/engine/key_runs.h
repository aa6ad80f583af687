// Numbers that came upwards one by one, as ids mostly do, and their rows: a run takes as much memory as two
// keys in a table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "longbow/base/ids.h"

namespace longbow::engine {

// Every number of a run was above all that had been seen when it came, so it had no row before. Runs are in
// the order of their numbers, which is that of their rows. Guarded by its owner.
class KeyRuns {
 public:
  // Shorter ones are not worth looking through.
  static constexpr size_t kLeast = 64;

  // How many of `numbers` from `at` on go up one by one.
  static size_t Length(std::span<const uint64_t> numbers, size_t at);

  // Whether so many numbers from `first` on can become a run.
  bool Takes(uint64_t first, size_t count) const { return count >= kLeast && first >= above_; }
  // They get rows from `row` on, which are above those of all runs.
  void Append(uint64_t first, size_t count, RowOrdinal row);
  // To be told every number that comes, of a run the last.
  void Saw(uint64_t number) {
    if (number >= above_) above_ = number == UINT64_MAX ? number : number + 1;
  }

  // The row that `number` came with, or kNoRow.
  RowOrdinal Find(uint64_t number) const;
  // Takes the rows [first, last] out, with their numbers.
  void Forget(RowOrdinal first, RowOrdinal last);

  bool empty() const { return runs_.empty(); }
  int64_t bytes() const { return static_cast<int64_t>(runs_.capacity() * sizeof(Run)); }

 private:
  struct Run {
    uint64_t first;
    uint64_t count;
    RowOrdinal row;
  };
  std::vector<Run> runs_;
  uint64_t above_ = 0;  // no number from here on was seen, but perhaps the highest there is
};

}  // namespace longbow::engine
