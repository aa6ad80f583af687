#include "longbow/engine/sealed_column.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>

#include "longbow/engine/column_type.h"

namespace longbow::engine {
namespace {

constexpr char kEncodingKey[] = "longbow.encoding", kIpc[] = "ipc";

// A vector column of an extension type is a plain list in a block, whose layout is not always the
// extension's.
std::shared_ptr<arrow::Field> WithoutExtension(const arrow::Field& field) {
  if (!field.HasMetadata()) return field.Copy();
  auto metadata = field.metadata()->Copy();
  for (const char* key : {kExtensionName, kExtensionMetadata}) {
    if (metadata->Contains(key)) (void)metadata->Delete(key);
  }
  return field.WithMetadata(std::move(metadata));
}

}  // namespace

bool SealsAsItIs(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::INTERVAL_MONTHS:
    case arrow::Type::INTERVAL_DAY_TIME:
    case arrow::Type::INTERVAL_MONTH_DAY_NANO:
    case arrow::Type::DATE64:           // comes back as date32, without its time of day
    case arrow::Type::FIXED_SIZE_LIST:  // Arrow's reader does not take back a null one
      return false;
    case arrow::Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(type).unit() != arrow::TimeUnit::SECOND;
    case arrow::Type::TIME32:
      return static_cast<const arrow::Time32Type&>(type).unit() != arrow::TimeUnit::SECOND;
    case arrow::Type::STRUCT:
      if (type.num_fields() == 0) return false;
      break;
    default:
      break;
  }
  return std::all_of(type.fields().begin(), type.fields().end(),
                     [](const auto& child) { return SealsAsItIs(*child->type()); });
}

std::shared_ptr<arrow::Field> SealedPayloadField(const arrow::Field& field) {
  if (SealsAsItIs(*field.type())) return field.Copy();
  return arrow::field(field.name(), arrow::binary(), true, arrow::key_value_metadata({kEncodingKey}, {kIpc}));
}

Result<std::shared_ptr<arrow::Array>> SealPayload(const std::shared_ptr<arrow::Array>& values,
                                                  const arrow::Field& field) {
  if (SealsAsItIs(*field.type())) return values;
  const auto schema = arrow::schema({field.Copy()});
  LB_ASSIGN_OR_RETURN(auto out, arrow::io::BufferOutputStream::Create());
  LB_ASSIGN_OR_RETURN(auto writer, arrow::ipc::MakeStreamWriter(out, schema));
  LB_RETURN_NOT_OK(writer->WriteRecordBatch(*arrow::RecordBatch::Make(schema, values->length(), {values})));
  LB_RETURN_NOT_OK(writer->Close());
  LB_ASSIGN_OR_RETURN(const auto bytes, out->Finish());
  arrow::BinaryBuilder builder;
  LB_RETURN_NOT_OK(builder.Append(bytes->data(), static_cast<int32_t>(bytes->size())));
  LB_RETURN_NOT_OK(builder.AppendNulls(values->length() - 1));
  return builder.Finish();
}

Result<std::shared_ptr<arrow::Array>> UnsealPayload(const std::shared_ptr<arrow::Array>& sealed,
                                                    const arrow::Field& field) {
  if (SealsAsItIs(*field.type())) return sealed;
  if (sealed->type_id() != arrow::Type::BINARY || sealed->length() == 0 || sealed->IsNull(0)) {
    return Error(ErrorCode::kCorruption, "column '", field.name(),
                 "' of a row block is not encoded as it says");
  }
  const auto bytes = static_cast<const arrow::BinaryArray&>(*sealed).GetView(0);
  auto input = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::string(bytes)));
  LB_ASSIGN_OR_RETURN(auto reader, arrow::ipc::RecordBatchStreamReader::Open(input));
  LB_ASSIGN_OR_RETURN(const auto batch, reader->Next());
  if (batch == nullptr || batch->num_columns() != 1 || batch->num_rows() != sealed->length()) {
    return Error(ErrorCode::kCorruption, "column '", field.name(), "' of a row block has another length");
  }
  return batch->column(0);
}

std::shared_ptr<arrow::Field> SealedVectorField(const arrow::Field& field, bool some_missing) {
  const auto& list = static_cast<const arrow::FixedSizeListType&>(*field.type());
  const auto item = WithoutExtension(*list.value_field())->WithNullable(false);
  return WithoutExtension(field)
      ->WithType(some_missing ? arrow::list(item) : arrow::fixed_size_list(item, list.list_size()))
      ->WithNullable(some_missing);
}

Result<std::shared_ptr<arrow::Array>> SealVectors(const std::shared_ptr<arrow::Array>& vectors,
                                                  const arrow::Field& sealed, const uint8_t* present,
                                                  int64_t rows) {
  const auto& list = static_cast<const arrow::FixedSizeListArray&>(*vectors);
  if (sealed.type()->id() == arrow::Type::FIXED_SIZE_LIST) {
    return arrow::MakeArray(
        arrow::ArrayData::Make(sealed.type(), rows, {nullptr}, {list.values()->data()}, /*null_count=*/0));
  }
  arrow::TypedBufferBuilder<int32_t> offsets;
  LB_RETURN_NOT_OK(offsets.Append(0));
  int32_t end = 0;
  int64_t missing = 0;
  LB_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> validity, arrow::AllocateBitmap(rows));
  for (int64_t row = 0; row < rows; ++row) {
    const bool has = present == nullptr || arrow::bit_util::GetBit(present, row);
    arrow::bit_util::SetBitTo(validity->mutable_data(), row, has);
    if (has) end += list.list_type()->list_size();
    missing += has ? 0 : 1;
    LB_RETURN_NOT_OK(offsets.Append(end));
  }
  LB_ASSIGN_OR_RETURN(auto offset_buffer, offsets.Finish());
  return arrow::MakeArray(arrow::ArrayData::Make(sealed.type(), rows, {validity, offset_buffer},
                                                 {list.values()->data()}, missing));
}

}  // namespace longbow::engine
