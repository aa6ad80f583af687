#include "longbow/engine/key_runs.h"

#include <algorithm>

namespace longbow::engine {

size_t KeyRuns::Length(std::span<const uint64_t> numbers, size_t at) {
  size_t end = at + 1;
  while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1 && numbers[end] != 0) ++end;
  return end - at;
}

void KeyRuns::Append(uint64_t first, size_t count, RowOrdinal row) {
  if (!runs_.empty()) {
    Run& last = runs_.back();
    if (last.first + last.count == first && last.row + last.count == row) {
      last.count += count;
      return;
    }
  }
  runs_.push_back({first, count, row});
}

RowOrdinal KeyRuns::Find(uint64_t number) const {
  const auto behind = std::ranges::upper_bound(runs_, number, {}, [](const Run& run) { return run.first; });
  if (behind == runs_.begin()) return kNoRow;
  const Run& run = behind[-1];
  const uint64_t place = number - run.first;
  return place < run.count ? run.row + static_cast<RowOrdinal>(place) : kNoRow;
}

void KeyRuns::Forget(RowOrdinal first, RowOrdinal last) {
  const auto row_of = [](const Run& run) { return run.row; };
  const auto end_of = [](const Run& run) { return run.row + run.count; };
  const auto from = std::ranges::upper_bound(runs_, uint64_t{first}, {}, end_of);
  const auto to = std::ranges::upper_bound(from, runs_.end(), last, {}, row_of);
  if (from == to) return;
  std::vector<Run> kept;
  if (const Run& run = *from; run.row < first) kept.push_back({run.first, first - run.row, run.row});
  if (const Run& run = to[-1]; end_of(run) > uint64_t{last} + 1) {
    const uint64_t gone = uint64_t{last} + 1 - run.row;
    kept.push_back({run.first + gone, run.count - gone, last + 1});
  }
  runs_.insert(runs_.erase(from, to), kept.begin(), kept.end());
}

}  // namespace longbow::engine
