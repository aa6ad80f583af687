#include "longbow/query/vector_values.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <arrow/util/bitmap_ops.h>
#include <arrow/util/float16.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "longbow/distance/kernels.h"

namespace longbow::query {
namespace {

float Narrow(double value, float*) { return static_cast<float>(value); }
uint16_t Narrow(double value, uint16_t*) { return arrow::util::Float16::FromDouble(value).bits(); }

// Element by element; T is the stored form of the list's values.
template <typename T>
Result<std::shared_ptr<arrow::Buffer>> Convert(const index::VectorStore& store,
                                               std::span<const RowOrdinal> rows) {
  const size_t scalars = store.scalars();
  LB_ASSIGN_OR_RETURN(auto buffer,
                      arrow::AllocateBuffer(static_cast<int64_t>(rows.size() * scalars * sizeof(T))));
  T* out = reinterpret_cast<T*>(buffer->mutable_data());
  std::vector<double> values(scalars);
  for (const RowOrdinal row : rows) {
    distance::ToDouble(store.type(), store.Row(row), scalars, values.data());
    for (const double value : values) *out++ = Narrow(value, static_cast<T*>(nullptr));
  }
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

Result<std::shared_ptr<arrow::Array>> StoredBytes(const index::VectorStore& store,
                                                  std::span<const RowOrdinal> rows) {
  const size_t width = store.row_bytes();
  const size_t bytes = rows.size() * width;
  if (bytes > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    return InvalidArgument(rows.size(), " hits with vectors of ", width,
                           " bytes are too many for one binary column; ask for fewer or for a vector format");
  }
  LB_ASSIGN_OR_RETURN(auto values, arrow::AllocateBuffer(static_cast<int64_t>(bytes)));
  LB_ASSIGN_OR_RETURN(auto offsets,
                      arrow::AllocateBuffer(static_cast<int64_t>((rows.size() + 1) * sizeof(int32_t))));
  auto* offset = reinterpret_cast<int32_t*>(offsets->mutable_data());
  for (size_t i = 0; i < rows.size(); ++i) {
    offset[i] = static_cast<int32_t>(i * width);
    std::memcpy(values->mutable_data() + i * width, store.Row(rows[i]), width);
  }
  offset[rows.size()] = static_cast<int32_t>(bytes);
  return std::make_shared<arrow::BinaryArray>(static_cast<int64_t>(rows.size()),
                                              std::shared_ptr(std::move(offsets)),
                                              std::shared_ptr(std::move(values)));
}

// As above, of rows behind each other; null ones become zeros.
template <typename T>
Result<std::shared_ptr<arrow::Buffer>> ConvertRows(const arrow::FixedSizeListArray& stored,
                                                   distance::ElementType element) {
  const auto scalars = static_cast<size_t>(stored.value_length());
  const auto rows = static_cast<size_t>(stored.length());
  const size_t width = distance::ScalarBytes(element);
  const auto& values = *stored.values()->data();
  if (rows == 0) return std::make_shared<arrow::Buffer>(nullptr, 0);
  const auto* in = reinterpret_cast<const std::byte*>(values.buffers[1]->data()) +
                   static_cast<size_t>(stored.value_offset(0) + values.offset) * width;
  LB_ASSIGN_OR_RETURN(auto buffer, arrow::AllocateBuffer(static_cast<int64_t>(rows * scalars * sizeof(T))));
  T* out = reinterpret_cast<T*>(buffer->mutable_data());
  std::vector<double> wide(scalars);
  for (size_t row = 0; row < rows; ++row, in += scalars * width) {
    if (stored.IsNull(static_cast<int64_t>(row))) {
      out = std::fill_n(out, scalars, T{0});
      continue;
    }
    distance::ToDouble(element, in, scalars, wide.data());
    for (const double value : wide) *out++ = Narrow(value, static_cast<T*>(nullptr));
  }
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

// The range that all elements of some rows lie in, in 255 equal steps.
struct Sq8Range {
  double offset = 0, scale = 0;
  uint8_t CodeOf(double value) const {
    return scale > 0 ? static_cast<uint8_t>(std::lround((value - offset) / scale)) : uint8_t{0};
  }
};

Sq8Range RangeOf(const index::VectorStore& store, std::span<const RowOrdinal> rows) {
  double least = std::numeric_limits<double>::max(), most = std::numeric_limits<double>::lowest();
  std::vector<double> values(store.scalars());
  for (const RowOrdinal row : rows) {
    distance::ToDouble(store.type(), store.Row(row), values.size(), values.data());
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    least = std::min(least, *low);
    most = std::max(most, *high);
  }
  return rows.empty() ? Sq8Range{} : Sq8Range{least, most / 255 - least / 255};
}

Result<std::shared_ptr<arrow::Buffer>> Sq8Codes(const index::VectorStore& store,
                                                std::span<const RowOrdinal> rows, const Sq8Range& range) {
  LB_ASSIGN_OR_RETURN(auto buffer,
                      arrow::AllocateBuffer(static_cast<int64_t>(rows.size() * store.scalars())));
  uint8_t* out = buffer->mutable_data();
  std::vector<double> values(store.scalars());
  for (const RowOrdinal row : rows) {
    distance::ToDouble(store.type(), store.Row(row), values.size(), values.data());
    for (const double value : values) *out++ = range.CodeOf(value);
  }
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

std::string NumberText(double number) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), number).ptr;
  return {text, end};
}

}  // namespace

std::shared_ptr<arrow::DataType> VectorValuesType(const engine::DatasetSchema& schema, int vector_column,
                                                  VectorFormat format) {
  const auto& stored = schema.arrow->field(schema.vectors[static_cast<size_t>(vector_column)].field)->type();
  const auto width = static_cast<const arrow::FixedSizeListType&>(*stored).list_size();
  switch (format) {
    case VectorFormat::kFloat32:
      return arrow::fixed_size_list(arrow::float32(), width);
    case VectorFormat::kFloat16:
      return arrow::fixed_size_list(arrow::float16(), width);
    case VectorFormat::kSq8:
      return arrow::fixed_size_list(arrow::uint8(), width);
    case VectorFormat::kBinary:
      return arrow::binary();
    default:
      return stored;
  }
}

Result<std::shared_ptr<arrow::Array>> VectorValues(const engine::View& view, int vector_column,
                                                   VectorFormat format, std::span<const RowOrdinal> rows,
                                                   std::shared_ptr<const arrow::KeyValueMetadata>* about) {
  const index::VectorStore& store = view.Vectors(vector_column);
  if (format == VectorFormat::kStored) return view.TakeVectors(vector_column, rows);
  if (format == VectorFormat::kBinary) return StoredBytes(store, rows);
  const auto type = VectorValuesType(*view.schema(), vector_column, format);
  const auto& element = static_cast<const arrow::FixedSizeListType&>(*type).value_type();
  std::shared_ptr<arrow::Buffer> buffer;
  if (format == VectorFormat::kSq8) {
    const Sq8Range range = RangeOf(store, rows);
    *about = arrow::key_value_metadata({kSq8ScaleKey, kSq8OffsetKey},
                                       {NumberText(range.scale), NumberText(range.offset)});
    LB_ASSIGN_OR_RETURN(buffer, Sq8Codes(store, rows, range));
  } else {
    LB_ASSIGN_OR_RETURN(buffer, format == VectorFormat::kFloat32 ? Convert<float>(store, rows)
                                                                 : Convert<uint16_t>(store, rows));
  }
  auto values = arrow::MakeArray(arrow::ArrayData::Make(
      element, static_cast<int64_t>(rows.size() * store.scalars()), {nullptr, buffer}, 0));
  return std::make_shared<arrow::FixedSizeListArray>(type, static_cast<int64_t>(rows.size()),
                                                     std::move(values));
}

Result<std::shared_ptr<arrow::Array>> ConvertVectors(const arrow::FixedSizeListArray& stored,
                                                     distance::ElementType element,
                                                     const std::shared_ptr<arrow::DataType>& type) {
  const auto& to = static_cast<const arrow::FixedSizeListType&>(*type).value_type();
  LB_ASSIGN_OR_RETURN(const auto buffer, to->id() == arrow::Type::HALF_FLOAT
                                             ? ConvertRows<uint16_t>(stored, element)
                                             : ConvertRows<float>(stored, element));
  auto values = arrow::MakeArray(
      arrow::ArrayData::Make(to, stored.length() * stored.value_length(), {nullptr, buffer}, 0));
  std::shared_ptr<arrow::Buffer> valid;
  if (stored.null_count() > 0) {
    LB_ASSIGN_OR_RETURN(valid,
                        arrow::internal::CopyBitmap(arrow::default_memory_pool(), stored.null_bitmap_data(),
                                                    stored.offset(), stored.length()));
  }
  return std::make_shared<arrow::FixedSizeListArray>(type, stored.length(), std::move(values),
                                                     std::move(valid), stored.null_count());
}

}  // namespace longbow::query
