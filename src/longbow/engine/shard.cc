#include "longbow/engine/shard.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>

#include "longbow/base/check.h"

namespace longbow::engine {

void ViewPins::Pin(Sequence at) {
  std::lock_guard lock(mutex_);
  ++views_[at];
}

void ViewPins::Unpin(Sequence at) {
  std::lock_guard lock(mutex_);
  const auto found = views_.find(at);
  if (--found->second == 0) views_.erase(found);
}

void ViewPins::Publish(Sequence at) {
  std::lock_guard lock(mutex_);
  published_ = at;
}

Sequence ViewPins::Horizon() const {
  std::lock_guard lock(mutex_);
  return views_.empty() ? published_ : std::min(published_, views_.begin()->first);
}

ShardVectors::ShardVectors(const VectorColumn& column, const ShardInput& input)
    : store(column.type, column.dim, input.arena, input.ledger) {}

void ShardVectors::RowsAppended(RowOrdinal end) {
  std::lock_guard lock(mutex);
  if (!loading) index->RowsAppended(appended, end);
  appended = end;
}

Shard::Shard(const ShardInput& input, std::string dataset, const StoredLayout& layout, uint64_t seed)
    : input_(input),
      dataset_(std::move(dataset)),
      key_kind_(layout.schema->key),
      key_payload_(layout.key_payload),
      seed_(seed),
      versions_(input.ledger),
      key_numbers_(input.ledger, MemoryUse::kKeys, 0),
      previous_(input.ledger, MemoryUse::kRows, kNoRow),
      keys_(input.ledger),
      blocks_(input.ledger),
      vectors_(std::make_unique<std::unique_ptr<ShardVectors>[]>(kMaxVectorColumns)),
      recovering_(input.recovering),
      texts_(&versions_, input.environment.builders, input.ledger, input.documents_indexed) {}

void Shard::WhenBroken(std::function<void(const std::string&)> broken) {
  broken_ = std::move(broken);
  texts_.WhenFailed(
      [broken = broken_](const std::string& what) { broken("building an index of text failed: " + what); });
}

Shard::~Shard() {
  for (const Retired& retired : retired_) {
    for (const auto& [column, slab] : retired.slabs) vectors_[column]->store.Free(slab);
  }
}

int64_t Shard::vector_bytes() const {
  int64_t bytes = 0;
  for (size_t i = 0; i < vector_count_.load(std::memory_order_relaxed); ++i) {
    bytes +=
        (static_cast<int64_t>(end_) - forgotten_rows_) * static_cast<int64_t>(vectors_[i]->store.row_bytes());
  }
  return bytes;
}

// Hidden keys are drawn in log order, so they ascend with the ordinals.
RowOrdinal Shard::FindHidden(uint64_t number, RowOrdinal end) const {
  RowOrdinal low = 0, high = end;
  while (low < high) {
    const RowOrdinal middle = low + (high - low) / 2;
    if (KeyNumber(middle) < number) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < end && KeyNumber(low) == number ? low : kNoRow;
}

std::optional<std::string_view> Shard::TextOf(RowOrdinal row, const RowBlocks& blocks) const {
  LB_CHECK(key_payload_ >= 0);
  const RowBlock* block = FindBlock(blocks, row);
  if (block == nullptr) return std::nullopt;
  const arrow::ArrayData& texts = *block->rows->column_data(key_payload_);
  if (texts.IsNull(row - block->first)) return std::nullopt;
  return TextAt(texts, row - block->first);
}

RowOrdinal Shard::FindKey(const Key& key, const RowBlocks& blocks, const Visibility& visibility,
                          bool* known) const {
  *known = false;
  const bool hidden = key_kind_ == KeyKind::kHidden;
  RowOrdinal row = hidden ? FindHidden(key.number, visibility.end) : keys_.Newest(key.number, known);
  for (; row != kNoRow; row = hidden ? kNoRow : previous_.GetRelaxed(row)) {
    if (row >= visibility.end) continue;
    if (key_kind_ == KeyKind::kString) {
      const auto text = TextOf(row, blocks);
      *known = *known || !text;
      if (text != key.text) continue;
    }
    *known = true;
    if (visibility.Visible(row)) return row;
    // Versions of one key follow each other: an older one is visible only to a view from before this one's
    // birth.
    if (versions_.born(row) <= visibility.at) return kNoRow;
  }
  return kNoRow;
}

void Shard::UnpinView(Sequence at) const {
  pins_.Unpin(at);
  ScheduleErase();
}

void Shard::Published(Sequence at, const std::shared_ptr<const RowBlocks>& blocks, RowOrdinal end) const {
  texts_.Publish(blocks, end);
  pins_.Publish(at);
  ScheduleErase();
}

bool Shard::EraseDue() const {
  std::lock_guard lock(dead_mutex_);
  return !dead_.empty() && dead_.front().died <= pins_.Horizon();
}

void Shard::ScheduleErase() const {
  if (loading() || (!EraseDue() && !ForgetDue())) return;
  if (erase_scheduled_.exchange(true)) return;
  PostWork("taking dead rows out of its indexes", [](const Shard& shard) {
    shard.erase_scheduled_ = false;
    shard.EraseDead();
  });
}

void Shard::EraseDead() const {
  const Sequence horizon = pins_.Horizon();
  std::vector<RowOrdinal> rows;
  {
    std::lock_guard lock(dead_mutex_);
    while (!dead_.empty() && dead_.front().died <= horizon) {
      rows.push_back(dead_.front().row);
      dead_.pop_front();
    }
  }
  if (!rows.empty()) {
    const size_t columns = vector_count_.load(std::memory_order_acquire);
    for (size_t i = 0; i < columns; ++i) vectors_[i]->index->Erase(rows);
    texts_.Erase(rows);
    std::lock_guard lock(dead_mutex_);
    erased_.insert(erased_.end(), rows.begin(), rows.end());
  }
  if (ForgetDue()) forget_due_();
}

}  // namespace longbow::engine
