#include "longbow/engine/view.h"

#include <arrow/array.h>
#include <arrow/array/builder_base.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include "longbow/base/check.h"
#include "longbow/engine/block_list.h"
#include "longbow/engine/shard.h"

namespace longbow::engine {
namespace {

// Rows of a slab, seen at `at`: like a view it keeps them from being forgotten.
class SlabBuffer final : public arrow::Buffer {
 public:
  SlabBuffer(const std::byte* data, int64_t size, std::shared_ptr<const Shard> shard, Sequence at)
      : arrow::Buffer(reinterpret_cast<const uint8_t*>(data), size), shard_(std::move(shard)), at_(at) {
    shard_->PinView(at_);
    reading_.emplace(shard_->epochs());
  }
  ~SlabBuffer() override {
    reading_.reset();
    shard_->UnpinView(at_);
  }

 private:
  const std::shared_ptr<const Shard> shard_;
  const Sequence at_;
  std::optional<ReadEpoch> reading_;
};

// Position of the payload column `name` in a block, or -1.
int PayloadField(const RowBlock& block, const std::string& name) {
  return block.rows->schema()->GetFieldIndex(name);
}

// A bitmap of which rows have a vector; null when all have.
template <typename RowAt>
Result<std::shared_ptr<arrow::Buffer>> PresenceBitmap(const index::VectorStore& store, int64_t rows,
                                                      RowAt&& row_at, int64_t* null_count) {
  *null_count = 0;
  for (int64_t i = 0; i < rows; ++i) *null_count += store.Present(row_at(i)) ? 0 : 1;
  if (*null_count == 0) return std::shared_ptr<arrow::Buffer>();
  LB_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> bits, arrow::AllocateBitmap(rows));
  for (int64_t i = 0; i < rows; ++i) {
    arrow::bit_util::SetBitTo(bits->mutable_data(), i, store.Present(row_at(i)));
  }
  return bits;
}

std::shared_ptr<arrow::ArrayData> MakeVectors(const std::shared_ptr<arrow::DataType>& type, int64_t rows,
                                              std::shared_ptr<arrow::Buffer> validity, int64_t null_count,
                                              std::shared_ptr<arrow::Buffer> values) {
  const auto& list = static_cast<const arrow::FixedSizeListType&>(*type);
  auto child =
      arrow::ArrayData::Make(list.value_type(), rows * list.list_size(), {nullptr, std::move(values)}, 0);
  return arrow::ArrayData::Make(type, rows, {std::move(validity)}, {std::move(child)}, null_count);
}

}  // namespace

class View::KeyOrder final : public index::TieOrder {
 public:
  explicit KeyOrder(const View* view) : view_(view) {}
  bool Before(RowOrdinal a, RowOrdinal b) const override {
    const Shard& shard = *view_->shard_;
    if (shard.key_kind() != KeyKind::kString) {
      return NumberBefore(shard.key_kind(), shard.KeyNumber(a), shard.KeyNumber(b));
    }
    return Text(a) < Text(b);
  }

 private:
  std::string_view Text(RowOrdinal row) const {
    const RowBlock* block = FindBlock(view_->blocks(), row);
    LB_CHECK(block != nullptr);
    return TextAt(*block->rows->column_data(view_->shard_->key_payload()), row - block->first);
  }
  const View* const view_;
};

View::View(std::shared_ptr<const Shard> shard, std::shared_ptr<const DatasetSchema> schema,
           std::shared_ptr<const RowBlocks> blocks, Visibility visibility, int64_t live_rows)
    : shard_(std::move(shard)),
      schema_(std::move(schema)),
      blocks_(std::move(blocks)),
      visibility_(visibility),
      live_rows_(live_rows),
      key_order_(std::make_unique<KeyOrder>(this)) {
  shard_->PinView(visibility_.at);
  reading_.emplace(shard_->epochs());
}

View::~View() {
  reading_.reset();
  shard_->UnpinView(visibility_.at);
}

const index::VectorIndex& View::Index(int vector_column) const {
  return *shard_->vectors(vector_column).index;
}
const index::VectorStore& View::Vectors(int vector_column) const {
  return shard_->vectors(vector_column).store;
}
Result<text::TextIndex*> View::Texts(const TextColumns& columns) const {
  return shard_->Texts(columns, blocks_, visibility_.end);
}

double View::EstimateTextNanos(const TextColumns& columns) const {
  const text::TextIndex* index = shard_->texts().FindMade(columns);
  return text::EstimateNanos(visibility_.end, index == nullptr ? 0 : index->indexed_end());
}

uint64_t View::KeyNumber(RowOrdinal row) const { return shard_->KeyNumber(row); }
const index::TieOrder& View::key_order() const { return *key_order_; }

Result<RowOrdinal> View::FindKey(std::string_view key) const {
  LB_ASSIGN_OR_RETURN(const Key parsed, ParseKey(schema_->key, key));
  bool known = false;
  const RowOrdinal row = shard_->FindKey(parsed, *blocks_, visibility_, &known);
  if (row == kNoRow) return NotFound("id ", key.substr(0, 256), " not found in dataset ", shard_->dataset());
  return row;
}

Result<std::shared_ptr<arrow::Array>> View::TakeColumn(std::string_view name,
                                                       std::span<const RowOrdinal> rows) const {
  const auto field = schema_->arrow->GetFieldByName(std::string(name));
  if (field == nullptr) return InvalidArgument("unknown column '", name.substr(0, 256), "'");
  if (const VectorColumn* vector = schema_->FindVector(field->name())) {
    return TakeVectors(static_cast<int>(vector - schema_->vectors.data()), rows);
  }
  std::unique_ptr<arrow::ArrayBuilder> builder;
  LB_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), field->type(), &builder));
  LB_RETURN_NOT_OK(builder->Reserve(static_cast<int64_t>(rows.size())));
  for (size_t i = 0; i < rows.size();) {
    const RowBlock* block = FindBlock(*blocks_, rows[i]);
    LB_CHECK(block != nullptr);
    // As many rows as follow each other in this block are taken at once.
    size_t run = 1;
    while (i + run < rows.size() && rows[i + run] == rows[i] + run && rows[i + run] < block->end) ++run;
    const int at = PayloadField(*block, field->name());
    if (at < 0) {
      LB_RETURN_NOT_OK(builder->AppendNulls(static_cast<int64_t>(run)));
    } else {
      LB_RETURN_NOT_OK(builder->AppendArraySlice(arrow::ArraySpan(*block->rows->column_data(at)),
                                                 rows[i] - block->first, static_cast<int64_t>(run)));
    }
    i += run;
  }
  std::shared_ptr<arrow::Array> out;
  LB_RETURN_NOT_OK(builder->Finish(&out));
  return out;
}

Result<std::shared_ptr<arrow::Array>> View::TakeVectors(int vector_column,
                                                        std::span<const RowOrdinal> rows) const {
  const index::VectorStore& store = Vectors(vector_column);
  const auto& type =
      schema_->arrow->field(schema_->vectors[static_cast<size_t>(vector_column)].field)->type();
  const auto count = static_cast<int64_t>(rows.size());
  const auto row_bytes = static_cast<int64_t>(store.row_bytes());
  LB_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(count * row_bytes));
  int64_t null_count = 0;
  LB_ASSIGN_OR_RETURN(
      auto validity, PresenceBitmap(
                         store, count, [&](int64_t i) { return rows[static_cast<size_t>(i)]; }, &null_count));
  for (int64_t i = 0; i < count; ++i) {
    uint8_t* to = values->mutable_data() + i * row_bytes;
    const RowOrdinal row = rows[static_cast<size_t>(i)];
    if (null_count > 0 && !store.Present(row)) {
      std::memset(to, 0, static_cast<size_t>(row_bytes));
    } else {
      std::memcpy(to, store.Row(row), static_cast<size_t>(row_bytes));
    }
  }
  return arrow::MakeArray(MakeVectors(type, count, std::move(validity), null_count, std::move(values)));
}

Result<std::shared_ptr<arrow::RecordBatch>> View::SliceRows(RowOrdinal first, RowOrdinal end) const {
  LB_CHECK(first < end && SliceEnd(first, end) == end);
  const RowBlock* block = FindBlock(*blocks_, first);
  const int64_t rows = end - first;
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (const auto& field : schema_->arrow->fields()) {
    const int at = PayloadField(*block, field->name());
    if (at >= 0) {
      columns.push_back(block->rows->column_data(at)->Slice(first - block->first, rows));
      continue;
    }
    const VectorColumn* vector = schema_->FindVector(field->name());
    if (vector == nullptr) {
      LB_ASSIGN_OR_RETURN(auto nulls, arrow::MakeArrayOfNull(field->type(), rows));
      columns.push_back(nulls->data());
      continue;
    }
    const auto& store = Vectors(static_cast<int>(vector - schema_->vectors.data()));
    int64_t null_count = 0;
    LB_ASSIGN_OR_RETURN(
        auto validity,
        PresenceBitmap(
            store, rows, [&](int64_t i) { return first + static_cast<RowOrdinal>(i); }, &null_count));
    auto values = std::make_shared<SlabBuffer>(
        store.Row(first), rows * static_cast<int64_t>(store.row_bytes()), shard_, visibility_.at);
    columns.push_back(MakeVectors(field->type(), rows, std::move(validity), null_count, std::move(values)));
  }
  return arrow::RecordBatch::Make(schema_->arrow, rows, std::move(columns));
}

RowOrdinal View::SliceEnd(RowOrdinal first, RowOrdinal limit) const {
  const RowBlock* block = FindBlock(*blocks_, first);
  LB_CHECK(block != nullptr);
  RowOrdinal end = std::min(limit, block->end);
  for (size_t i = 0; i < schema_->vectors.size(); ++i) {
    const uint64_t slab_end = uint64_t{first} + Vectors(static_cast<int>(i)).ContiguousFrom(first);
    end = static_cast<RowOrdinal>(std::min<uint64_t>(end, slab_end));
  }
  return end;
}

}  // namespace longbow::engine
