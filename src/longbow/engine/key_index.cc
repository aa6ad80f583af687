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

// A counting sort: rows of one number stay in batch order, and each part is locked once a batch.
void KeyIndex::SortByPart(std::span<const uint64_t> numbers) {
  part_begin_.assign(kParts + 1, 0);
  for (const uint64_t number : numbers) ++part_begin_[PartOf(number) + 1];
  for (uint32_t part = 0; part < kParts; ++part) part_begin_[part + 1] += part_begin_[part];
  std::vector<uint32_t> next(part_begin_.begin(), part_begin_.end() - 1);
  order_.resize(numbers.size());
  for (uint32_t i = 0; i < numbers.size(); ++i) order_[next[PartOf(numbers[i])]++] = i;
}

void KeyIndex::Put(std::span<const uint64_t> numbers, RowOrdinal first, ChunkedArray<RowOrdinal>* previous) {
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
      if (is_new) continue;
      if (*row != kForgottenRow) previous->Set(first + i, *row);
      *row = first + i;
    }
  }
  if (grown == 0) return;
  charged_ += grown;
  if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kKeys, grown);
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
    RowOrdinal* const newest = part.newest.Find(number);
    if (newest == nullptr || *newest == kForgottenRow) continue;
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
  for (; remembered_.size() > kRemembered; remembered_.pop_front()) {
    Part& part = parts_[PartOf(remembered_.front())];
    std::unique_lock lock(part.mutex);
    const RowOrdinal* const newest = part.newest.Find(remembered_.front());
    if (newest != nullptr && *newest == kForgottenRow) part.newest.Erase(remembered_.front());
  }
}

RowOrdinal KeyIndex::Newest(uint64_t number, bool* forgotten) const {
  const Part& part = parts_[PartOf(number)];
  std::shared_lock lock(part.mutex);
  const RowOrdinal* const newest = part.newest.Find(number);
  if (newest == nullptr) return kNoRow;
  if (*newest != kForgottenRow) return *newest;
  if (forgotten != nullptr) *forgotten = true;
  return kNoRow;
}

}  // namespace longbow::engine
