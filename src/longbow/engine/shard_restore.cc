// Recovery: rows of a snapshot, brought in parallel and joined in row order.
#include <arrow/array.h>
#include <arrow/array/builder_base.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstring>
#include <exception>

#include "longbow/base/check.h"
#include "longbow/engine/sealed_block_reader.h"
#include "longbow/engine/shard.h"

namespace longbow::engine {
namespace {

// Gaps shorter than this are filled with nulls, so that a block of scattered dead rows stays one block.
constexpr RowOrdinal kFilledGap = 1024;
constexpr RowOrdinal kKeysAtATime = 16384, kGapsAtATime = 65536;

// Positions [first, end) of `batch`, whose rows are `rows`, with nulls where rows are missing between them.
Result<std::shared_ptr<arrow::RecordBatch>> FillGaps(const arrow::RecordBatch& batch,
                                                     const arrow::UInt32Array& rows, int64_t first,
                                                     int64_t end) {
  const int64_t span = int64_t{rows.Value(end - 1)} - rows.Value(first) + 1;
  if (span == end - first) return batch.Slice(first, end - first);
  arrow::ArrayVector columns;
  for (int i = 0; i < batch.num_columns(); ++i) {
    std::unique_ptr<arrow::ArrayBuilder> builder;
    LB_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), batch.column(i)->type(), &builder));
    LB_RETURN_NOT_OK(builder->Reserve(span));
    const arrow::ArraySpan values(*batch.column_data(i));
    for (int64_t at = first; at < end;) {
      int64_t run = 1;
      while (at + run < end && rows.Value(at + run) == rows.Value(at) + run) ++run;
      LB_RETURN_NOT_OK(builder->AppendArraySlice(values, at, run));
      at += run;
      if (at < end) LB_RETURN_NOT_OK(builder->AppendNulls(rows.Value(at) - rows.Value(at - 1) - 1));
    }
    LB_RETURN_NOT_OK(builder->Finish(&columns.emplace_back()));
  }
  return arrow::RecordBatch::Make(batch.schema(), span, std::move(columns));
}

// The bytes of element i, null where it has none.
const uint8_t* VectorAt(const arrow::Array& vectors, size_t row_bytes, int64_t i) {
  if (vectors.IsNull(i)) return nullptr;
  if (vectors.type_id() == arrow::Type::FIXED_SIZE_LIST) {
    const auto& lists = static_cast<const arrow::FixedSizeListArray&>(vectors);
    const auto& values = *lists.values()->data();
    const int64_t width = values.type->byte_width();
    return values.buffers[1]->data() + values.offset * width + lists.value_offset(i) * width;
  }
  const auto& lists = static_cast<const arrow::ListArray&>(vectors);
  const auto& values = *lists.values()->data();
  const int64_t width = values.type->byte_width();
  LB_CHECK(static_cast<size_t>(lists.value_length(i) * width) == row_bytes);
  return values.buffers[1]->data() + (values.offset + lists.value_offset(i)) * width;
}

}  // namespace

void Shard::BeginRestore(RowOrdinal end) {
  LB_CHECK(end_ == 0);
  // Most rows there ever were may be gone: what they had takes no memory.
  for (uint64_t first = 0; first < end; first += RowVersions::kChunk) {
    const auto row = static_cast<RowOrdinal>(first);
    versions_.Grow(first + 1);
    key_numbers_.Grow(first + 1);
    previous_.Grow(first + 1);
    if (end - first < RowVersions::kChunk) break;  // rows to come will be in it, too
    versions_.Zero(row);
    key_numbers_.Zero(row);
    previous_.Zero(row);
  }
  for (RowOrdinal row = end & ~(RowVersions::kChunk - 1); row < end; ++row) {
    versions_.SetBorn(row, 0);
    versions_.SetDied(row, 0);
  }
  for (size_t i = 0; i < vector_count_.load(std::memory_order_relaxed); ++i) vectors_[i]->store.Grow(end);
  end_ = end;
  const auto mutation = texts_.Mutate();
  texts_.RowsWritten(end);
}

std::span<std::byte> Shard::RoomForVector(size_t column, RowOrdinal row) {
  LB_CHECK(row < end_);
  index::VectorStore& store = vectors_[column]->store;
  const RowOrdinal rows = std::min(store.ContiguousFrom(row), end_ - row);
  return {store.MutableRow(row), rows * store.row_bytes()};
}

void Shard::RestoreVectors(const SealedRows& rows, RestoredRows* out) {
  const auto& ordinals = static_cast<const arrow::UInt32Array&>(*rows.ordinals);
  for (size_t column = 0; column < rows.vectors.size(); ++column) {
    index::VectorStore& store = vectors_[column]->store;
    const arrow::Array* vectors = rows.vectors[column].get();
    if (rows.placed[column]) continue;
    for (int64_t i = 0; i < ordinals.length(); ++i) {
      const uint8_t* bytes = vectors == nullptr ? nullptr : VectorAt(*vectors, store.row_bytes(), i);
      if (bytes == nullptr) {
        out->missing[column].push_back(ordinals.Value(i));
      } else {
        std::memcpy(store.MutableRow(ordinals.Value(i)), bytes, store.row_bytes());
      }
    }
  }
}

Status Shard::RestoreRows(const SealedRows& rows, Sequence at, const std::function<bool(RowOrdinal)>& is_dead,
                          RestoredRows* out) {
  const auto& ordinals = static_cast<const arrow::UInt32Array&>(*rows.ordinals);
  const auto& born = static_cast<const arrow::UInt64Array&>(*rows.born);
  const int64_t count = ordinals.length();
  std::vector<uint64_t> keys;
  if (rows.keys == nullptr) keys = KeyNumbers(*rows.payload->column_data(key_payload_));
  for (int64_t i = 0; i < count; ++i) {
    const RowOrdinal row = ordinals.Value(i);
    LB_CHECK(row < end_);
    key_numbers_.Set(row, rows.keys == nullptr ? keys[static_cast<size_t>(i)]
                                               : static_cast<const arrow::UInt64Array&>(*rows.keys).Value(i));
    versions_.SetBorn(row, born.Value(i));
    versions_.SetDied(row, is_dead(row) ? at : kNever);
  }
  out->missing.resize(rows.vectors.size());
  RestoreVectors(rows, out);
  for (int64_t first = 0; first < count;) {
    int64_t end = first + 1;
    while (end < count && ordinals.Value(end) - ordinals.Value(end - 1) <= kFilledGap) ++end;
    LB_ASSIGN_OR_RETURN(auto payload, FillGaps(*rows.payload, ordinals, first, end));
    out->payload.emplace_back(ordinals.Value(first), std::move(payload));
    first = end;
  }
  return Status::OK();
}

void Shard::FinishRestore(Sequence at, std::vector<RestoredRows> restored) {
  for (auto& rows : restored) {
    for (size_t column = 0; column < rows.missing.size(); ++column) {
      for (const RowOrdinal row : rows.missing[column]) vectors_[column]->store.SetNull(row);
    }
    for (auto& [first, payload] : rows.payload) blocks_.Append(first, payload);
    rows = {};
  }
  const auto is_gap = [&](RowOrdinal row) { return versions_.born(row) == 0; };
  std::vector<uint64_t> numbers;
  std::vector<RowOrdinal> gaps;
  for (RowOrdinal row = 0; row < end_;) {
    if (is_gap(row)) {
      // Hidden keys ascend without gaps, also where the rows are gone.
      if (key_kind_ == KeyKind::kHidden) key_numbers_.Set(row, row == 0 ? 0 : KeyNumber(row - 1) + 1);
      gaps.push_back(row++);
      if (gaps.size() == kGapsAtATime) ForgetUnread(std::exchange(gaps, {}));
      continue;
    }
    const RowOrdinal first = row;
    numbers.clear();
    for (; row < end_ && row - first < kKeysAtATime && !is_gap(row); ++row) {
      numbers.push_back(KeyNumber(row));
      previous_.Set(row, kNoRow);
      if (versions_.died(row) == kNever) {
        ++live_rows_;
      } else {
        std::lock_guard lock(dead_mutex_);
        dead_.push_back({at, row});
      }
    }
    if (key_kind_ != KeyKind::kHidden) keys_.Put(numbers, first, &previous_);
  }
  ForgetUnread(gaps);
  tombstones_.Set(int64_t{end_} - live_rows_);
}

void Shard::LoadLater(int column, std::string directory, Sequence sequence) {
  for (SavedIndex& saved : to_load_) {
    if (saved.column != column) continue;
    saved.directory = std::move(directory);
    saved.sequence = sequence;
    return;
  }
}

void Shard::LoadIndexes(Sequence applied) {
  recovering_ = false;
  for (size_t i = 0; i < vector_count_.load(std::memory_order_relaxed); ++i) {
    if (end_ > 0) vectors_[i]->RowsAppended(end_);
  }
  for (auto& saved : std::exchange(to_load_, {})) {
    if (saved.sequence > applied) saved.directory.clear();
    PostWork("loading an index", [saved = std::move(saved)](const Shard& shard) {
      shard.LoadIndex(saved.column, saved.directory);
    });
  }
}

void Shard::LoadIndex(int column, const std::string& directory) const {
  (void)vectors_[static_cast<size_t>(column)]->LoadIndex(input_.environment.files, directory);
  EraseUnread(column);
  loads_.fetch_sub(1);
  ScheduleErase();
}

// What was saved may stand for rows that the snapshot left out, or that died in the log behind it.
void Shard::EraseUnread(int column) const {
  for (uint64_t from = 0; from < unread_.end();) {
    vectors_[static_cast<size_t>(column)]->index->Erase(unread_.Take(&from, kGapsAtATime));
  }
}

Status ShardVectors::LoadIndex(FileSystem* files, const std::string& directory) {
  Status loaded;
  try {
    if (!directory.empty()) loaded = index->Load(files, directory);
  } catch (const std::exception& error) {
    loaded = Error(ErrorCode::kInternal, "loading an index: ", error.what());
  }
  std::lock_guard lock(mutex);
  loading = false;
  const RowOrdinal known = index->indexed_end();
  if (known < appended) index->RowsAppended(known, appended);
  return loaded;
}

}  // namespace longbow::engine
