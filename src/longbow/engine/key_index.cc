#include "longbow/engine/key_index.h"

#include <mutex>

namespace longbow::engine {
namespace {

constexpr uint32_t kFetchedAhead = 8;  // slots

}  // namespace

KeyIndex::KeyIndex(MemoryLedger* ledger) : ledger_(ledger), parts_(std::make_unique<Part[]>(kParts)) {}

KeyIndex::~KeyIndex() {
  if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kKeys, -charged_);
}

void KeyIndex::ChargeGrowth(int64_t grown) {
  if (grown == 0) return;
  charged_ += grown;
  if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kKeys, grown);
}

void KeyIndex::TakeRuns(std::span<const uint64_t> numbers, RowOrdinal first) {
  rest_.clear();
  const int64_t before = runs_.bytes();
  for (size_t at = 0; at < numbers.size();) {
    const size_t length = KeyRuns::Length(numbers, at), end = at + length;
    if (runs_.Takes(numbers[at], length)) {
      std::unique_lock lock(runs_mutex_);
      runs_.Append(numbers[at], length, first + static_cast<RowOrdinal>(at));
    } else {
      for (size_t i = at; i < end; ++i) rest_.push_back(static_cast<uint32_t>(i));
    }
    runs_.Saw(numbers[end - 1]);
    at = end;
  }
  ChargeGrowth(runs_.bytes() - before);
}

// A counting sort: rows of one number stay in batch order, and each part is locked once a batch.
void KeyIndex::SortByPart(std::span<const uint64_t> numbers) {
  part_begin_.assign(kParts + 1, 0);
  for (const uint32_t i : rest_) ++part_begin_[PartOf(numbers[i]) + 1];
  for (uint32_t part = 0; part < kParts; ++part) part_begin_[part + 1] += part_begin_[part];
  std::vector<uint32_t> next(part_begin_.begin(), part_begin_.end() - 1);
  order_.resize(rest_.size());
  for (const uint32_t i : rest_) order_[next[PartOf(numbers[i])]++] = i;
}

void KeyIndex::Put(std::span<const uint64_t> numbers, RowOrdinal first, ChunkedArray<RowOrdinal>* previous) {
  TakeRuns(numbers, first);
  if (rest_.empty()) return;
  SortByPart(numbers);
  int64_t grown = 0;
  for (uint32_t p = 0; p < kParts; ++p) {
    if (part_begin_[p] == part_begin_[p + 1]) continue;
    Part& part = parts_[p];
    std::unique_lock lock(part.mutex);
    const uint32_t end = part_begin_[p + 1];
    const int64_t before = part.newest.bytes();
    part.newest.Reserve(end - part_begin_[p]);
    grown += part.newest.bytes() - before;
    for (uint32_t at = part_begin_[p]; at < end; ++at) {
      if (at + kFetchedAhead < order_.size()) {  // also beyond this part: only this thread changes any
        const uint64_t soon = numbers[order_[at + kFetchedAhead]];
        parts_[PartOf(soon)].newest.Prefetch(soon);
      }
      const uint32_t i = order_[at];
      const auto [row, is_new] = part.newest.Insert(numbers[i], first + i);
      const RowOrdinal before_it = is_new ? runs_.Find(numbers[i]) : *row;
      if (before_it != kForgottenRow && before_it != kNoRow) previous->Set(first + i, before_it);
      *row = first + i;
    }
  }
  ChargeGrowth(grown);
}

void KeyIndex::Forget(std::span<const uint64_t> numbers, RowOrdinal first, RowOrdinal last,
                      ChunkedArray<RowOrdinal>* previous) {
  const auto next_kept = [&](RowOrdinal row) {
    while (row != kNoRow && row >= first && row <= last) row = previous->GetRelaxed(row);
    return row;
  };
  for (const uint64_t number : numbers) {
    Part& part = parts_[PartOf(number)];
    std::unique_lock lock(part.mutex);
    RowOrdinal* newest = part.newest.Find(number);
    if (newest == nullptr) {
      const RowOrdinal of_run = runs_.Find(number);
      if (of_run == kNoRow) continue;
      const int64_t before = part.newest.bytes();
      part.newest.Reserve(1);
      ChargeGrowth(part.newest.bytes() - before);
      newest = part.newest.Insert(number, of_run).row;
    }
    if (*newest == kForgottenRow) continue;
    RowOrdinal row = next_kept(*newest);
    *newest = row == kNoRow ? kForgottenRow : row;
    if (row == kNoRow) remembered_.push_back(number);
    // Ways go back in time: what is older than the chunk leads to nothing in it.
    while (row != kNoRow && row > first) {
      const RowOrdinal before = previous->GetRelaxed(row), kept = next_kept(before);
      if (kept != before) previous->Set(row, kept);
      row = kept;
    }
  }
  {
    const int64_t before = runs_.bytes();
    std::unique_lock lock(runs_mutex_);
    runs_.Forget(first, last);
    ChargeGrowth(runs_.bytes() - before);
  }
  for (; remembered_.size() > kRemembered; remembered_.pop_front()) {
    Part& part = parts_[PartOf(remembered_.front())];
    std::unique_lock lock(part.mutex);
    const RowOrdinal* const newest = part.newest.Find(remembered_.front());
    if (newest != nullptr && *newest == kForgottenRow) part.newest.Erase(remembered_.front());
  }
}

// Runs first: what leaves them is in a table by then.
RowOrdinal KeyIndex::Newest(uint64_t number, bool* forgotten) const {
  RowOrdinal of_run = kNoRow;
  {
    std::shared_lock lock(runs_mutex_);
    of_run = runs_.Find(number);
  }
  const Part& part = parts_[PartOf(number)];
  std::shared_lock lock(part.mutex);
  const RowOrdinal* const newest = part.newest.Find(number);
  if (newest == nullptr) return of_run;
  if (*newest != kForgottenRow) return *newest;
  if (forgotten != nullptr) *forgotten = true;
  return kNoRow;
}

}  // namespace longbow::engine
