// Rows that died for every view: their memory goes back, piece by piece, as pieces hold nothing else.
#include <algorithm>
#include <iterator>

#include "longbow/engine/shard.h"

namespace longbow::engine {
namespace {

using Chunk = ChunkedArray<uint64_t>;

// Fewer are not worth the work.
constexpr size_t kLeastForgotten = 1024, kLeastReplayed = 16384, kUnreadAtATime = 65536;

}  // namespace

void Shard::WhenForgetDue(std::function<void()> due) { forget_due_ = std::move(due); }

bool Shard::ForgetDue() const {
  if (loading()) return false;
  if (const uint64_t epoch = retired_epoch_.load(); epoch > 0 && epochs_.Over(epoch)) return true;
  if (unread_from_.load() < unread_.end()) return true;
  std::lock_guard lock(dead_mutex_);
  return erased_.size() >= kLeastForgotten;
}

// Of all vector columns: tasks of an index may still read rows behind, though they are dead.
RowOrdinal Shard::SettledEnd() const {
  RowOrdinal settled = end_;
  for (size_t i = 0; i < vector_count_.load(std::memory_order_relaxed); ++i) {
    settled = std::min(settled, vectors_[i]->index->settled_end());
  }
  return settled;
}

std::vector<RowOrdinal> Shard::TakeErased() {
  const RowOrdinal settled = SettledEnd();
  std::vector<RowOrdinal> rows;
  if (uint64_t from = unread_from_.load(); from < unread_.end()) {
    rows = unread_.Take(&from, kUnreadAtATime);
    if (!rows.empty() && rows.back() >= settled) return {};
    unread_from_ = from;
    return rows;
  }
  {
    std::lock_guard lock(dead_mutex_);
    const auto early =
        std::partition(erased_.begin(), erased_.end(), [&](RowOrdinal row) { return row >= settled; });
    rows.assign(early, erased_.end());
    erased_.erase(early, erased_.end());
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

bool Shard::Forget() {
  if (!ForgetDue()) return false;
  const bool released = ReleaseRetired();
  const std::vector<RowOrdinal> rows = TakeErased();
  if (rows.empty()) return released;
  retired_.push_back(TakeOut(rows));
  retired_epoch_ = retired_.front().epoch;
  return true;
}

Shard::Retired Shard::TakeOut(std::span<const RowOrdinal> rows) {
  std::vector<RowOrdinal> fresh;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(fresh),
               [&](RowOrdinal row) { return !forgotten_.Contains(row); });
  for (const RowOrdinal row : fresh) forgotten_.Add(row);
  forgotten_rows_ += static_cast<int64_t>(fresh.size());
  blocks_.Forget(fresh, forgotten_);
  Retired retired;
  for (size_t i = 0; i < vector_count_.load(std::memory_order_relaxed); ++i) {
    for (std::byte* slab : vectors_[i]->store.Forget(fresh, forgotten_)) retired.slabs.emplace_back(i, slab);
  }
  for (size_t i = 0; i < rows.size();) {
    const RowOrdinal first = rows[i] & ~Chunk::kMask;
    while (i < rows.size() && (rows[i] & ~Chunk::kMask) == first) ++i;
    if (!forgotten_.All(first, uint64_t{first} + Chunk::kChunk)) continue;
    if (!versions_.released(first)) UnlinkKeys(first);
    retired.chunks.push_back(first);
  }
  retired.epoch = epochs_.Advance();
  return retired;
}

void Shard::ForgetReplayed() {
  std::vector<RowOrdinal> rows;
  {
    std::lock_guard lock(dead_mutex_);
    if (dead_.size() < kLeastReplayed) return;
    for (const Dead& dead : dead_) rows.push_back(dead.row);
    dead_.clear();
  }
  std::sort(rows.begin(), rows.end());
  ForgetUnread(rows);
}

void Shard::ForgetUnread(const std::vector<RowOrdinal>& rows) {
  const size_t columns = vector_count_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < columns; ++i) {
    for (const RowOrdinal row : rows) vectors_[i]->store.SetNull(row);
  }
  const Retired retired = TakeOut(rows);
  for (const auto& [column, slab] : retired.slabs) vectors_[column]->store.Free(slab);
  for (const RowOrdinal first : retired.chunks) ReleaseRows(first);
  for (const RowOrdinal row : rows) unread_.Add(row);
}

// So that nobody who begins to look now comes to a row of this chunk.
void Shard::UnlinkKeys(RowOrdinal first) {
  if (key_kind_ == KeyKind::kHidden) return;
  std::vector<uint64_t> numbers;
  numbers.reserve(Chunk::kChunk);
  for (RowOrdinal row = first; row - first < Chunk::kChunk; ++row) {
    // Rows that a snapshot left out have no key, and no link either.
    if (versions_.born(row) != 0) numbers.push_back(KeyNumber(row));
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  keys_.Forget(numbers, first, first + Chunk::kMask, &previous_);
}

bool Shard::ReleaseRetired() {
  const size_t before = retired_.size();
  while (!retired_.empty() && epochs_.Over(retired_.front().epoch)) {
    for (const auto& [column, slab] : retired_.front().slabs) vectors_[column]->store.Free(slab);
    for (const RowOrdinal first : retired_.front().chunks) ReleaseChunk(first);
    retired_.pop_front();
  }
  retired_epoch_ = retired_.empty() ? 0 : retired_.front().epoch;
  return retired_.size() < before;
}

void Shard::ReleaseChunk(RowOrdinal first) {
  for (size_t i = 0; i < vector_count_.load(std::memory_order_relaxed); ++i) {
    vectors_[i]->index->Forget(first, first + Chunk::kChunk);
  }
  ReleaseRows(first);
}

void Shard::ReleaseRows(RowOrdinal first) {
  versions_.Release(first);
  previous_.Release(first);
  // Hidden keys are searched for by their order; where they are the ordinals, they need not be remembered.
  if (key_kind_ != KeyKind::kHidden || KeyNumber(first) == first) key_numbers_.Release(first);
}

}  // namespace longbow::engine
