#include "longbow/engine/sealed_block_reader.h"

#include <arrow/array.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <algorithm>
#include <limits>

#include "longbow/engine/column_type.h"
#include "longbow/engine/plain_column.h"
#include "longbow/engine/sealed_column.h"

namespace longbow::engine {
namespace {

constexpr int64_t kBufferBytes = int64_t{64} << 10;

// A checked block as a file of Arrow's. Confined.
class BlockInput final : public arrow::io::RandomAccessFile {
 public:
  explicit BlockInput(storage::BlockBytes bytes) : bytes_(std::move(bytes)) {}
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t count, void* out) override {
    const int64_t left = std::max<int64_t>(0, static_cast<int64_t>(bytes_.size()) - position);
    count = std::min(count, left);
    LB_RETURN_NOT_OK(bytes_.Read(static_cast<uint64_t>(position),
                                 {static_cast<uint8_t*>(out), static_cast<size_t>(count)}));
    return count;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t count) override {
    LB_ASSIGN_OR_RETURN(auto buffer, arrow::AllocateResizableBuffer(count));
    LB_ASSIGN_OR_RETURN(const int64_t read, ReadAt(position, count, buffer->mutable_data()));
    LB_RETURN_NOT_OK(buffer->Resize(read, /*shrink_to_fit=*/false));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  arrow::Result<int64_t> Read(int64_t count, void* out) override {
    LB_ASSIGN_OR_RETURN(const int64_t read, ReadAt(at_, count, out));
    at_ += read;
    return read;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t count) override {
    LB_ASSIGN_OR_RETURN(auto buffer, ReadAt(at_, count));
    at_ += buffer->size();
    return buffer;
  }
  arrow::Result<int64_t> GetSize() override { return static_cast<int64_t>(bytes_.size()); }
  arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Status Seek(int64_t position) override {
    at_ = position;
    return arrow::Status::OK();
  }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }

 private:
  const storage::BlockBytes bytes_;
  int64_t at_ = 0;
  bool closed_ = false;
};

Status Misfit(const storage::BlockEntry& entry, std::string_view what) {
  return Error(ErrorCode::kCorruption, "row block ", storage::BlockStore::BlockPath(entry.file), ": ", what,
               ", though its checksum fits; it was written by another program");
}

std::shared_ptr<arrow::Array> Column(const arrow::RecordBatch& batch, const std::string& name) {
  return batch.GetColumnByName(name);
}

// A list of `list_size` scalars of the right type in every row that has one.
bool IsVectorsOf(const arrow::Array& vectors, const arrow::FixedSizeListType& type) {
  if (vectors.type_id() == arrow::Type::FIXED_SIZE_LIST) {
    const auto& given = static_cast<const arrow::FixedSizeListType&>(*vectors.type());
    return given.list_size() == type.list_size() && given.value_type()->Equals(type.value_type());
  }
  if (vectors.type_id() != arrow::Type::LIST) return false;
  const auto& lists = static_cast<const arrow::ListArray&>(vectors);
  if (!lists.value_type()->Equals(type.value_type())) return false;
  for (int64_t i = 0; i < lists.length(); ++i) {
    if (lists.value_length(i) != (lists.IsNull(i) ? 0 : type.list_size())) return false;
  }
  return true;
}

}  // namespace

int64_t SealedRowCount(const SealedRows& rows) { return rows.ordinals->length(); }

struct SealedBlockReader::Source {
  std::unique_ptr<parquet::arrow::FileReader> parquet;
};

SealedBlockReader::SealedBlockReader(storage::BlockEntry entry, std::shared_ptr<const StoredLayout> layout,
                                     std::unique_ptr<Source> source)
    : entry_(std::move(entry)), layout_(std::move(layout)), source_(std::move(source)) {}

SealedBlockReader::~SealedBlockReader() = default;

Result<std::unique_ptr<SealedBlockReader>> SealedBlockReader::Open(const storage::BlockEntry& entry,
                                                                   std::shared_ptr<const StoredLayout> layout,
                                                                   storage::BlockStore* store) try {
  LB_ASSIGN_OR_RETURN(auto bytes, store->OpenBlock(entry));
  auto source = std::make_unique<Source>();
  parquet::ReaderProperties properties;
  properties.set_page_checksum_verification(false);  // every byte was checked just now
  // A page at a time: memory for whole columns would be asked of the kernel again and again.
  properties.enable_buffered_stream();
  properties.set_buffer_size(kBufferBytes);
  parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/false);
  arrow_properties.set_pre_buffer(false);
  parquet::arrow::FileReaderBuilder builder;
  LB_RETURN_NOT_OK(builder.Open(std::make_shared<BlockInput>(std::move(bytes)), properties));
  LB_ASSIGN_OR_RETURN(source->parquet, builder.properties(arrow_properties)->Build());
  return std::unique_ptr<SealedBlockReader>(
      new SealedBlockReader(entry, std::move(layout), std::move(source)));
} catch (const parquet::ParquetException& error) {
  return Misfit(entry, error.what());
}

int SealedBlockReader::row_groups() const { return source_->parquet->num_row_groups(); }

std::vector<int> SealedBlockReader::PlainColumns(int row_group) const {
  const auto metadata = source_->parquet->parquet_reader()->metadata();
  const auto group = metadata->RowGroup(row_group);
  std::vector<int> plain;
  for (const auto& column : layout_->schema->vectors) {
    plain.push_back(-1);
    const auto& field = *layout_->schema->arrow->field(column.field);
    const auto& type = static_cast<const arrow::FixedSizeListType&>(*field.type());
    const int at = metadata->schema()->ColumnIndex(column.name + ".list.element");
    if (at < 0 || type.value_type()->id() != arrow::Type::FLOAT) continue;
    const parquet::ColumnDescriptor& leaf = *metadata->schema()->Column(at);
    // No list and no number is null then, and each place of a list holds a number.
    const bool whole = leaf.max_definition_level() == 1 && leaf.max_repetition_level() == 1 &&
                       group->ColumnChunk(at)->num_values() == group->num_rows() * type.list_size();
    if (whole && leaf.physical_type() == parquet::Type::FLOAT) plain.back() = at;
  }
  return plain;
}

Status SealedBlockReader::PlaceVectors(int row_group, int file_column, size_t column,
                                       const arrow::Array& ordinals, const VectorRoom& room) {
  const auto reader = source_->parquet->parquet_reader()->RowGroup(row_group)->Column(file_column);
  auto* const numbers = dynamic_cast<parquet::FloatReader*>(reader.get());
  if (numbers == nullptr) return Misfit(entry_, "its vectors are not of floats");
  const auto& rows = static_cast<const arrow::UInt32Array&>(ordinals);
  const auto& field = *layout_->schema->arrow->field(layout_->schema->vectors[column].field);
  const int64_t dim = static_cast<const arrow::FixedSizeListType&>(*field.type()).list_size();
  for (int64_t i = 0; i < rows.length();) {
    const std::span<std::byte> to = room(column, rows.Value(i));
    const int64_t most = std::min(rows.length() - i, static_cast<int64_t>(to.size() / sizeof(float)) / dim);
    int64_t run = 1;
    while (run < most && rows.Value(i + run) == rows.Value(i) + run) ++run;
    auto* const out = reinterpret_cast<float*>(to.data());
    for (int64_t done = 0, read = 0; done < run * dim; done += read) {
      (void)numbers->ReadBatch(run * dim - done, nullptr, nullptr, out + done, &read);
      if (read == 0) return Misfit(entry_, "its vectors end early");
    }
    i += run;
  }
  return Status::OK();
}

Result<SealedRows> SealedBlockReader::Read(int row_group, const VectorRoom& room) try {
  const std::vector<int> plain =
      room ? PlainColumns(row_group) : std::vector<int>(layout_->schema->vectors.size(), -1);
  std::vector<int> others;
  for (int i = 0; i < source_->parquet->parquet_reader()->metadata()->num_columns(); ++i) {
    if (std::find(plain.begin(), plain.end(), i) == plain.end()) others.push_back(i);
  }
  LB_ASSIGN_OR_RETURN(const auto table, source_->parquet->ReadRowGroup(row_group, others));
  LB_ASSIGN_OR_RETURN(const auto batch, table->CombineChunksToBatch());
  const DatasetSchema& schema = *layout_->schema;
  SealedRows out;
  out.ordinals = Column(*batch, "_ordinal");
  out.born = Column(*batch, "_seq");
  if (schema.key == KeyKind::kHidden) out.keys = Column(*batch, "_key");
  const auto is = [](const auto& column, arrow::Type::type type) {
    return column != nullptr && column->type_id() == type && column->null_count() == 0;
  };
  if (!is(out.ordinals, arrow::Type::UINT32) || !is(out.born, arrow::Type::UINT64) ||
      (schema.key == KeyKind::kHidden && !is(out.keys, arrow::Type::UINT64))) {
    return Misfit(entry_, "a column of its own is missing");
  }
  const auto& ordinals = static_cast<const arrow::UInt32Array&>(*out.ordinals);
  for (int64_t i = 0; i < ordinals.length(); ++i) {
    const RowOrdinal row = ordinals.Value(i);
    const bool ascends = i == 0 || ordinals.Value(i - 1) < row;
    if (!ascends || row < entry_.first_row || row >= entry_.end_row) {
      return Misfit(entry_, "its ordinals do not fit the manifest");
    }
  }
  std::vector<std::shared_ptr<arrow::ArrayData>> payload;
  for (const int field_at : layout_->payload_fields) {
    const auto& field = *schema.arrow->field(field_at);
    std::shared_ptr<arrow::Array> values = Column(*batch, field.name());
    if (values == nullptr) {
      LB_ASSIGN_OR_RETURN(values, arrow::MakeArrayOfNull(field.type(), batch->num_rows()));
    } else {
      LB_ASSIGN_OR_RETURN(values, UnsealPayload(values, field));
    }
    // Arrow gives extension types that it knows; what is stored is their storage.
    LB_ASSIGN_OR_RETURN(const auto stored, StoredType(*values->type(), field.name()));
    LB_ASSIGN_OR_RETURN(const auto storage,
                        PlainColumn(values->data(), stored, std::numeric_limits<int64_t>::max()));
    values = arrow::MakeArray(storage);
    if (!SameColumnType(*field.type(), *values->type())) {
      return Misfit(entry_, "column '" + field.name() + "' has another type than the dataset's");
    }
    // The same but for names and metadata of nested fields.
    LB_ASSIGN_OR_RETURN(auto data, AsColumnType(values->data(), field.type()));
    payload.push_back(std::move(data));
  }
  out.payload = arrow::RecordBatch::Make(layout_->payload, batch->num_rows(), std::move(payload));
  for (size_t at = 0; at < schema.vectors.size(); ++at) {
    const auto& column = schema.vectors[at];
    out.placed.push_back(plain[at] >= 0);
    if (out.placed.back()) {
      LB_RETURN_NOT_OK(PlaceVectors(row_group, plain[at], at, ordinals, room));
      out.vectors.push_back(nullptr);
      continue;
    }
    auto vectors = Column(*batch, column.name);
    const auto& type =
        static_cast<const arrow::FixedSizeListType&>(*schema.arrow->field(column.field)->type());
    if (vectors != nullptr && !IsVectorsOf(*vectors, type)) {
      return Misfit(entry_, "column '" + column.name + "' does not hold the dataset's vectors");
    }
    out.vectors.push_back(std::move(vectors));
  }
  return out;
} catch (const parquet::ParquetException& error) {
  return Misfit(entry_, error.what());
}

}  // namespace longbow::engine
