#include "longbow/engine/key_index.h"

#include <mutex>

namespace longbow::engine {
namespace {

// An open-addressing table holds one byte of metadata beside each slot.
constexpr int64_t kSlotBytes = sizeof(std::pair<const uint64_t, RowOrdinal>) + 1;

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
    const auto before = static_cast<int64_t>(part.newest.bucket_count());
    for (uint32_t at = part_begin_[p]; at < part_begin_[p + 1]; ++at) {
      const uint32_t i = order_[at];
      const auto [slot, inserted] = part.newest.try_emplace(numbers[i], first + i);
      if (inserted) continue;
      if (slot->second != kForgottenRow) previous->Set(first + i, slot->second);
      slot->second = first + i;
    }
    grown += static_cast<int64_t>(part.newest.bucket_count()) - before;
  }
  if (grown == 0) return;
  charged_ += grown * kSlotBytes;
  if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kKeys, grown * kSlotBytes);
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
    const auto found = part.newest.find(number);
    if (found == part.newest.end()) continue;
    if (found->second == kForgottenRow) continue;
    RowOrdinal row = next_kept(found->second);
    found->second = row == kNoRow ? kForgottenRow : row;
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
    const auto found = part.newest.find(remembered_.front());
    if (found != part.newest.end() && found->second == kForgottenRow) part.newest.erase(found);
  }
}

RowOrdinal KeyIndex::Newest(uint64_t number, bool* forgotten) const {
  const Part& part = parts_[PartOf(number)];
  std::shared_lock lock(part.mutex);
  const auto found = part.newest.find(number);
  if (found == part.newest.end()) return kNoRow;
  if (found->second != kForgottenRow) return found->second;
  if (forgotten != nullptr) *forgotten = true;
  return kNoRow;
}

}  // namespace longbow::engine
