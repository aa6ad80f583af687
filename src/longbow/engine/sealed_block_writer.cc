#include "longbow/engine/sealed_block_writer.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/interfaces.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/properties.h>

#include <vector>

#include "longbow/base/check.h"
#include "longbow/engine/block_list.h"
#include "longbow/engine/sealed_column.h"

namespace longbow::engine {
namespace {

// What Arrow writes goes to the block's file. Confined.
class BlockOutput final : public arrow::io::OutputStream {
 public:
  explicit BlockOutput(storage::BlockFile* file) : file_(file) {}
  arrow::Status Write(const void* data, int64_t bytes) override {
    return file_->Append(data, static_cast<size_t>(bytes));
  }
  arrow::Result<int64_t> Tell() const override { return static_cast<int64_t>(file_->bytes()); }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }

 private:
  storage::BlockFile* const file_;
  bool closed_ = false;
};

int64_t VectorRowBytes(const View& view) {
  int64_t bytes = 0;
  for (size_t i = 0; i < view.schema()->vectors.size(); ++i) {
    bytes += static_cast<int64_t>(view.Vectors(static_cast<int>(i)).row_bytes());
  }
  return bytes;
}

int64_t PayloadRowBytes(const RowBlock& block) {
  return arrow::util::ReferencedBufferSize(*block.rows).ValueOr(0) /
             std::max<int64_t>(1, block.rows->num_rows()) +
         1;
}

// Makes one block. Confined.
class BlockSealer {
 public:
  BlockSealer(const SealRequest& request, storage::BlockStore* store) : request_(request), store_(store) {}

  Result<storage::BlockEntry> Run() {
    ChooseRows();
    LB_CHECK(!rows_.empty());
    LB_RETURN_NOT_OK(MakeSchema());
    LB_ASSIGN_OR_RETURN(const auto file, store_->CreateBlock());
    LB_RETURN_NOT_OK(WriteRows(file.get()));
    storage::BlockEntry entry;
    entry.shard = request_.shard;
    entry.first_row = rows_.front();
    entry.end_row = rows_.back() + 1;
    entry.rows = static_cast<uint32_t>(rows_.size());
    LB_RETURN_NOT_OK(file->Finish(&entry));
    return entry;
  }

 private:
  const View& view() const { return *request_.view; }

  void ChooseRows() {
    for (RowOrdinal row = request_.first; row < request_.end; ++row) {
      if (view().visibility().Visible(row)) rows_.push_back(row);
    }
  }

  bool SomeMissing(int vector_column) const {
    const auto& store = view().Vectors(vector_column);
    return std::any_of(rows_.begin(), rows_.end(), [&](RowOrdinal row) { return !store.Present(row); });
  }

  // Of the blocks that the rows come from: more than they hold, and cheaper to look at.
  bool Fit(const arrow::Field& field) const {
    if (NearestSealedType(*field.type()) == nullptr) return false;
    return std::all_of(view().blocks().begin(), view().blocks().end(), [&](const auto& block) {
      const int at = block->rows->schema()->GetFieldIndex(field.name());
      if (at < 0 || block->end <= request_.first || block->first >= request_.end) return true;
      return FitNearestSealedType(*block->rows->column_data(at));
    });
  }

  Status MakeSchema() {
    const DatasetSchema& schema = *view().schema();
    arrow::FieldVector fields{arrow::field("_ordinal", arrow::uint32(), false),
                              arrow::field("_seq", arrow::uint64(), false)};
    if (schema.key == KeyKind::kHidden) fields.push_back(arrow::field("_key", arrow::uint64(), false));
    for (const auto& field : schema.arrow->fields()) {
      const VectorColumn* vector = schema.FindVector(field->name());
      const auto at = vector == nullptr ? 0 : static_cast<int>(vector - schema.vectors.data());
      fields.push_back(vector == nullptr ? SealedPayloadField(*field, Fit(*field))
                                         : SealedVectorField(*field, SomeMissing(at)));
    }
    const auto metadata =
        arrow::key_value_metadata({"longbow.block_version", "longbow.shard", "longbow.generation",
                                   "longbow.schema_version", "longbow.rows"},
                                  {"2", std::to_string(request_.shard), std::to_string(request_.generation),
                                   std::to_string(schema.version),
                                   std::to_string(rows_.front()) + "-" + std::to_string(rows_.back() + 1)});
    sealed_ = arrow::schema(std::move(fields), metadata);
    return Status::OK();
  }

  std::shared_ptr<parquet::WriterProperties> Properties() const {
    parquet::WriterProperties::Builder builder;
    builder.version(parquet::ParquetVersion::PARQUET_2_6)
        ->enable_page_checksum()
        ->compression(parquet::Compression::ZSTD);  // level 1, Arrow's default
    for (const auto& column : view().schema()->vectors) {
      const std::string path = column.name + ".list.element";
      builder.compression(path, parquet::Compression::UNCOMPRESSED)
          ->encoding(path, parquet::Encoding::PLAIN)
          ->disable_dictionary(path)
          ->disable_statistics(path);
    }
    return builder.build();
  }

  Status WriteRows(storage::BlockFile* file) {
    parquet::ArrowWriterProperties::Builder arrow_properties;
    arrow_properties.store_schema();
    LB_ASSIGN_OR_RETURN(auto writer,
                        parquet::arrow::FileWriter::Open(*sealed_, arrow::default_memory_pool(),
                                                         std::make_shared<BlockOutput>(file), Properties(),
                                                         arrow_properties.build()));
    for (size_t at = 0; at < rows_.size();) {
      LB_RETURN_NOT_OK(request_.may_go_on());
      const std::span<const RowOrdinal> group(rows_.data() + at, GroupRows(at));
      LB_ASSIGN_OR_RETURN(const auto table, MakeGroup(group));
      LB_RETURN_NOT_OK(writer->WriteTable(*table, static_cast<int64_t>(group.size())));
      at += group.size();
    }
    return writer->Close();
  }

  // How many rows from position `at` make a row group.
  size_t GroupRows(size_t at) const {
    const int64_t vector_bytes = VectorRowBytes(view());
    int64_t bytes = 0, block_bytes = 0;
    RowOrdinal block_end = 0;
    size_t count = 0;
    for (; at + count < rows_.size() && count < kRowGroupRows; ++count) {
      const RowOrdinal row = rows_[at + count];
      if (row >= block_end) {
        const RowBlock* block = FindBlock(view().blocks(), row);
        LB_CHECK(block != nullptr);
        block_end = block->end;
        block_bytes = PayloadRowBytes(*block);
      }
      bytes += vector_bytes + block_bytes;
      if (count > 0 && bytes > kRowGroupBytes) break;
    }
    return count;
  }

  Result<std::shared_ptr<arrow::Table>> MakeGroup(std::span<const RowOrdinal> rows) const {
    const auto count = static_cast<int64_t>(rows.size());
    arrow::UInt32Builder ordinals;
    arrow::UInt64Builder born, keys;
    for (const RowOrdinal row : rows) {
      LB_RETURN_NOT_OK(ordinals.Append(row));
      LB_RETURN_NOT_OK(born.Append(view().visibility().versions->born(row)));
      LB_RETURN_NOT_OK(keys.Append(view().KeyNumber(row)));
    }
    arrow::ArrayVector columns(2);
    LB_RETURN_NOT_OK(ordinals.Finish(&columns[0]));
    LB_RETURN_NOT_OK(born.Finish(&columns[1]));
    const DatasetSchema& schema = *view().schema();
    if (schema.key == KeyKind::kHidden) {
      LB_RETURN_NOT_OK(keys.Finish(&columns.emplace_back()));
    }
    for (const auto& field : schema.arrow->fields()) {
      const auto& sealed = *sealed_->field(static_cast<int>(columns.size()));
      const VectorColumn* vector = schema.FindVector(field->name());
      if (vector != nullptr) {
        LB_ASSIGN_OR_RETURN(columns.emplace_back(),
                            Vectors(static_cast<int>(vector - schema.vectors.data()), sealed, rows));
      } else {
        LB_ASSIGN_OR_RETURN(const auto values, view().TakeColumn(field->name(), rows));
        LB_ASSIGN_OR_RETURN(columns.emplace_back(), SealPayload(values, *field, sealed));
      }
    }
    return arrow::Table::Make(sealed_, std::move(columns), count);
  }

  Result<std::shared_ptr<arrow::Array>> Vectors(int column, const arrow::Field& sealed,
                                                std::span<const RowOrdinal> rows) const {
    const auto& store = view().Vectors(column);
    const auto count = static_cast<int64_t>(rows.size());
    std::vector<RowOrdinal> having;
    LB_ASSIGN_OR_RETURN(auto present, arrow::AllocateEmptyBitmap(count));
    for (int64_t i = 0; i < count; ++i) {
      const RowOrdinal row = rows[static_cast<size_t>(i)];
      if (!store.Present(row)) continue;
      arrow::bit_util::SetBit(present->mutable_data(), i);
      having.push_back(row);
    }
    LB_ASSIGN_OR_RETURN(const auto vectors, view().TakeVectors(column, having));
    return SealVectors(vectors, sealed, present->data(), count);
  }

  const SealRequest& request_;
  storage::BlockStore* const store_;
  std::vector<RowOrdinal> rows_;
  std::shared_ptr<arrow::Schema> sealed_;
};

}  // namespace

int64_t SealedRowBytes(const View& view, RowOrdinal first, RowOrdinal end) {
  int64_t most = 0;
  for (const auto& block : view.blocks()) {
    if (block->end > first && block->first < end) most = std::max(most, PayloadRowBytes(*block));
  }
  return VectorRowBytes(view) + most;
}

Result<storage::BlockEntry> SealBlock(const SealRequest& request, storage::BlockStore* store) try {
  return BlockSealer(request, store).Run();
} catch (const parquet::ParquetException& error) {
  return Error(ErrorCode::kInternal, "sealing a row block: ", error.what());
}

}  // namespace longbow::engine
