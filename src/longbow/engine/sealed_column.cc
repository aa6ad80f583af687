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
#include <limits>

#include "longbow/engine/column_type.h"

namespace longbow::engine {
namespace {

constexpr char kEncodingKey[] = "longbow.encoding", kIpc[] = "ipc", kNearest[] = "nearest";
constexpr int64_t kMillis = 1000;  // in a second

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

bool IsInSeconds(const arrow::DataType& type) {
  if (type.id() == arrow::Type::TIMESTAMP) {
    return static_cast<const arrow::TimestampType&>(type).unit() == arrow::TimeUnit::SECOND;
  }
  return type.id() == arrow::Type::TIME32 &&
         static_cast<const arrow::Time32Type&>(type).unit() == arrow::TimeUnit::SECOND;
}

// Other numbers, of another type with the same width, for the same nulls.
template <typename T, typename Change>
Result<std::shared_ptr<arrow::Array>> Changed(const arrow::ArrayData& values,
                                              std::shared_ptr<arrow::DataType> type, Change change) {
  LB_ASSIGN_OR_RETURN(auto numbers, arrow::AllocateBuffer(values.length * static_cast<int64_t>(sizeof(T))));
  LB_ASSIGN_OR_RETURN(auto validity, arrow::AllocateBitmap(values.length));
  const T* in = values.GetValues<T>(1);
  T* out = reinterpret_cast<T*>(numbers->mutable_data());
  for (int64_t i = 0; i < values.length; ++i) {
    const bool null = values.IsNull(i);
    arrow::bit_util::SetBitTo(validity->mutable_data(), i, !null);
    out[i] = null ? T{0} : change(in[i]);
  }
  return arrow::MakeArray(
      arrow::ArrayData::Make(std::move(type), values.length, {std::move(validity), std::move(numbers)}));
}

template <typename Change>
Result<std::shared_ptr<arrow::Array>> ChangedTimes(const arrow::ArrayData& values,
                                                   const std::shared_ptr<arrow::DataType>& type,
                                                   Change change) {
  if (type->id() == arrow::Type::TIME32) return Changed<int32_t>(values, type, change);
  return Changed<int64_t>(values, type, change);
}

// Lists of `values`, each as long as it was, as lists of another kind.
template <typename Lists, typename Builder>
Result<std::shared_ptr<arrow::Array>> Relisted(const Lists& values,
                                               const std::shared_ptr<arrow::DataType>& type) {
  std::unique_ptr<arrow::ArrayBuilder> made;
  LB_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), type, &made));
  auto& builder = static_cast<Builder&>(*made);
  const arrow::ArraySpan items(*values.values()->data());
  for (int64_t i = 0; i < values.length(); ++i) {
    if (values.IsNull(i)) {
      LB_RETURN_NOT_OK(builder.AppendNull());
      continue;
    }
    LB_RETURN_NOT_OK(builder.Append());
    LB_RETURN_NOT_OK(
        builder.value_builder()->AppendArraySlice(items, values.value_offset(i), values.value_length(i)));
  }
  return builder.Finish();
}

Result<std::shared_ptr<arrow::Array>> ToNearest(const std::shared_ptr<arrow::Array>& values,
                                                const std::shared_ptr<arrow::DataType>& type) {
  if (values->type_id() == arrow::Type::FIXED_SIZE_LIST) {
    return Relisted<arrow::FixedSizeListArray, arrow::ListBuilder>(
        static_cast<const arrow::FixedSizeListArray&>(*values), type);
  }
  const int64_t factor = values->type_id() == arrow::Type::DATE64 ? 1 : kMillis;
  return ChangedTimes(*values->data(), type,
                      [factor](auto value) { return static_cast<decltype(value)>(value * factor); });
}

Status WronglyEncoded(const arrow::Field& field) {
  return Error(ErrorCode::kCorruption, "column '", field.name(),
               "' of a row block is not encoded as it says");
}

Result<std::shared_ptr<arrow::Array>> FromNearest(const std::shared_ptr<arrow::Array>& sealed,
                                                  const arrow::Field& field) {
  if (sealed->type_id() == arrow::Type::LIST) {
    const auto& lists = static_cast<const arrow::ListArray&>(*sealed);
    const auto& type = static_cast<const arrow::FixedSizeListType&>(*field.type());
    for (int64_t i = 0; i < lists.length(); ++i) {
      if (!lists.IsNull(i) && lists.value_length(i) != type.list_size()) return WronglyEncoded(field);
    }
    if (!lists.value_type()->Equals(type.value_type())) return WronglyEncoded(field);
    return Relisted<arrow::ListArray, arrow::FixedSizeListBuilder>(lists, field.type());
  }
  const int64_t factor = field.type()->id() == arrow::Type::DATE64 ? 1 : kMillis;
  return ChangedTimes(*sealed->data(), field.type(),
                      [factor](auto value) { return static_cast<decltype(value)>(value / factor); });
}

}  // namespace

std::shared_ptr<arrow::DataType> NearestSealedType(const arrow::DataType& type) {
  if (IsInSeconds(type)) {
    if (type.id() == arrow::Type::TIME32) return arrow::time32(arrow::TimeUnit::MILLI);
    return arrow::timestamp(arrow::TimeUnit::MILLI,
                            static_cast<const arrow::TimestampType&>(type).timezone());
  }
  if (type.id() == arrow::Type::DATE64) return arrow::timestamp(arrow::TimeUnit::MILLI);
  if (type.id() != arrow::Type::FIXED_SIZE_LIST) return nullptr;
  const auto& list = static_cast<const arrow::FixedSizeListType&>(type);
  const arrow::DataType& item = *list.value_type();
  return item.num_fields() == 0 && SealsAsItIs(item) ? arrow::list(list.value_field()) : nullptr;
}

bool FitNearestSealedType(const arrow::ArrayData& values) {
  if (values.type->id() != arrow::Type::TIMESTAMP) return true;  // times of a day are checked at the door
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / kMillis;
  const auto* seconds = values.GetValues<int64_t>(1);
  for (int64_t i = 0; i < values.length; ++i) {
    if (!values.IsNull(i) && (seconds[i] > kMost || seconds[i] < -kMost)) return false;
  }
  return true;
}

bool SealsAsItIs(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::INTERVAL_MONTHS:
    case arrow::Type::INTERVAL_DAY_TIME:
    case arrow::Type::INTERVAL_MONTH_DAY_NANO:
    case arrow::Type::DATE64:           // comes back as date32, without its time of day
    case arrow::Type::FIXED_SIZE_LIST:  // Arrow's reader does not take back a null one
      return false;
    case arrow::Type::TIMESTAMP:
    case arrow::Type::TIME32:
      return !IsInSeconds(type);
    case arrow::Type::STRUCT:
      if (type.num_fields() == 0) return false;
      break;
    default:
      break;
  }
  return std::all_of(type.fields().begin(), type.fields().end(),
                     [](const auto& child) { return SealsAsItIs(*child->type()); });
}

std::shared_ptr<arrow::Field> SealedPayloadField(const arrow::Field& field, bool fits) {
  if (SealsAsItIs(*field.type())) return field.Copy();
  if (auto nearest = fits ? NearestSealedType(*field.type()) : nullptr) {
    return arrow::field(field.name(), std::move(nearest), true,
                        arrow::key_value_metadata({kEncodingKey}, {kNearest}));
  }
  return arrow::field(field.name(), arrow::binary(), true, arrow::key_value_metadata({kEncodingKey}, {kIpc}));
}

Result<std::shared_ptr<arrow::Array>> SealPayload(const std::shared_ptr<arrow::Array>& values,
                                                  const arrow::Field& field, const arrow::Field& sealed) {
  if (SealsAsItIs(*field.type())) return values;
  if (sealed.type()->id() != arrow::Type::BINARY) return ToNearest(values, sealed.type());
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
  const auto nearest = NearestSealedType(*field.type());
  if (nearest != nullptr && sealed->type_id() == nearest->id()) return FromNearest(sealed, field);
  if (sealed->type_id() != arrow::Type::BINARY || sealed->length() == 0 || sealed->IsNull(0)) {
    return WronglyEncoded(field);
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
