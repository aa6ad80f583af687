#include <arrow/record_batch.h>

#include "longbow/base/check.h"
#include "longbow/engine/shard.h"

namespace longbow::engine {
namespace {

// What is copied past the caches, where the readers of other vectors have theirs.
constexpr int64_t kManyBytes = 256 << 10;

// The one copy of a vector: from the pieces of the message to its slab.
void StoreVectors(const VectorInput& input, RowOrdinal first, int64_t rows, index::VectorStore* store) {
  store->Grow(uint64_t{first} + static_cast<uint64_t>(rows));
  const LazyVectors& values = input.values;
  LB_CHECK(values.row_bytes == 0 || values.row_bytes == static_cast<int64_t>(store->row_bytes()));
  for (int64_t row = 0; row < rows && values.row_bytes > 0;) {
    const RowOrdinal to = first + static_cast<RowOrdinal>(row);
    const int64_t count = std::min<int64_t>(rows - row, store->ContiguousFrom(to));
    const int64_t from = values.offset + row * values.row_bytes, bytes = count * values.row_bytes;
    std::byte* const out = store->MutableRow(to);
    LB_CHECK((bytes < kManyBytes ? values.body.CopyTo(from, bytes, out)
                                 : values.body.CopyPastCachesTo(from, bytes, out))
                 .ok());
    row += count;
  }
  if (values.row_bytes > 0 && input.null_count == 0) return;
  for (int64_t row = 0; row < rows; ++row) {
    if (input.IsNull(row)) store->SetNull(first + static_cast<RowOrdinal>(row));
  }
}

}  // namespace

Result<std::vector<std::unique_ptr<ShardVectors>>> Shard::MakeVectors(const DatasetSchema& schema,
                                                                      size_t from) const {
  std::vector<std::unique_ptr<ShardVectors>> out;
  for (size_t i = from; i < schema.vectors.size(); ++i) {
    const VectorColumn& column = schema.vectors[i];
    auto vectors = std::make_unique<ShardVectors>(column, input_);
    index::IndexInput input;
    input.metric = column.metric;
    input.store = &vectors->store;
    input.versions = &versions_;
    input.codec = column.codec;
    input.builders = input_.environment.builders;
    input.epochs = &epochs_;
    input.ledger = input_.ledger;
    input.seed = seed_ + i;
    input.failed = [broken = broken_, name = column.name](const std::string& what) {
      broken("building the index of column '" + name + "' failed: " + what);
    };
    LB_ASSIGN_OR_RETURN(const auto* type, index::FindIndexType(column.index));
    LB_ASSIGN_OR_RETURN(vectors->index, type->make(input));
    out.push_back(std::move(vectors));
  }
  return out;
}

void Shard::AddVectors(std::vector<std::unique_ptr<ShardVectors>> vectors) {
  size_t count = vector_count_.load(std::memory_order_relaxed);
  LB_CHECK(count + vectors.size() <= kMaxVectorColumns);
  for (auto& column : vectors) {
    StoreVectors(VectorInput{}, 0, end_, &column->store);
    if (recovering_) {
      column->loading = true;
      loads_.fetch_add(1);
      to_load_.push_back({.column = static_cast<int>(count), .directory = {}, .sequence = 0});
    }
    if (end_ > 0) column->RowsAppended(end_);
    vectors_[count++] = std::move(column);
  }
  vector_count_.store(count, std::memory_order_release);
}

int64_t Shard::Put(Sequence at, const PreparedPut& put) {
  if (put.rows == 0) return 0;
  const size_t columns = vector_count_.load(std::memory_order_relaxed);
  LB_CHECK(put.vectors.size() <= columns);
  LB_CHECK(uint64_t{end_} + static_cast<uint64_t>(put.rows) < kNoRow);
  LB_CHECK(static_cast<int64_t>(put.keys.size()) == put.rows);
  const RowOrdinal first = end_, end = end_ + static_cast<RowOrdinal>(put.rows);
  versions_.Grow(end);
  key_numbers_.Grow(end);
  previous_.Grow(end);
  for (size_t i = 0; i < columns; ++i) {
    // A batch checked against an older schema version lacks the newest columns.
    StoreVectors(i < put.vectors.size() ? put.vectors[i] : VectorInput{}, first, put.rows,
                 &vectors_[i]->store);
  }
  blocks_merged_ += blocks_.Append(first, put.payload);
  for (RowOrdinal row = first; row < end; ++row) {
    key_numbers_.Set(row, put.keys[row - first]);
    versions_.SetBorn(row, at);
  }
  end_ = end;
  int64_t replaced = 0;
  {
    const auto mutation = texts_.Mutate();
    texts_.RowsWritten(end);
    if (key_kind_ != KeyKind::kHidden) {
      keys_.Put(put.keys, first, &previous_);
      replaced = ReplaceOlder(at, put, first);
    }
  }
  for (size_t i = 0; i < columns; ++i) vectors_[i]->RowsAppended(end);
  live_rows_ += put.rows - replaced;
  if (recovering_) ForgetReplayed();
  return replaced;
}

// Of the rows from `newest` back, the one with this key that has not died.
RowOrdinal Shard::NewestAlive(RowOrdinal newest, std::string_view text) const {
  for (RowOrdinal row = newest; row != kNoRow; row = previous_.GetRelaxed(row)) {
    if (key_kind_ == KeyKind::kString && TextOf(row, blocks_.blocks()) != text) continue;
    return versions_.died(row) == kNever ? row : kNoRow;  // versions behind the newest are dead
  }
  return kNoRow;
}

int64_t Shard::ReplaceOlder(Sequence at, const PreparedPut& put, RowOrdinal first) {
  std::vector<RowOrdinal> replaced;
  for (int64_t i = 0; i < put.rows; ++i) {
    const RowOrdinal before = previous_.GetRelaxed(first + static_cast<RowOrdinal>(i));
    if (before == kNoRow) continue;
    std::string_view text;
    if (key_kind_ == KeyKind::kString) text = TextAt(*put.payload->column_data(key_payload_), i);
    const RowOrdinal alive = NewestAlive(before, text);
    if (alive == kNoRow) continue;
    versions_.SetDied(alive, at);
    replaced.push_back(alive);
  }
  return Bury(at, replaced);
}

int64_t Shard::Delete(Sequence at, std::span<const Key> keys) {
  const auto mutation = texts_.Mutate();
  std::vector<RowOrdinal> rows;
  for (const Key& key : keys) {
    RowOrdinal alive = kNoRow;
    if (key_kind_ == KeyKind::kHidden) {
      const RowOrdinal row = FindHidden(key.number, end_);
      if (row != kNoRow && versions_.died(row) == kNever) alive = row;
    } else {
      alive = NewestAlive(keys_.Newest(key.number), key.text);
    }
    if (alive == kNoRow) continue;
    versions_.SetDied(alive, at);
    rows.push_back(alive);
  }
  live_rows_ -= static_cast<int64_t>(rows.size());
  const int64_t died = Bury(at, rows);
  if (recovering_) ForgetReplayed();
  return died;
}

// Notes rows that died for the indexes to forget. Returns their number.
int64_t Shard::Bury(Sequence at, std::span<const RowOrdinal> rows) {
  const auto count = static_cast<int64_t>(rows.size());
  tombstones_.Add(count);
  if (count == 0) return count;
  texts_.RowsDied(at, rows);
  std::lock_guard lock(dead_mutex_);
  for (const RowOrdinal row : rows) dead_.push_back({at, row});
  return count;
}

}  // namespace longbow::engine
