#include "longbow/query/vector_values.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/type.h>
#include <arrow/util/bitmap_ops.h>
#include <arrow/util/float16.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "longbow/distance/kernels.h"

namespace longbow::query {
namespace {

float Narrow(double value, float*) { return static_cast<float>(value); }
uint16_t Narrow(double value, uint16_t*) { return arrow::util::Float16::FromDouble(value).bits(); }

// The numbers of all lists, behind each other; there is a list.
const std::byte* FirstOf(const arrow::FixedSizeListArray& stored, distance::ElementType element) {
  const auto& values = *stored.values()->data();
  return reinterpret_cast<const std::byte*>(values.buffers[1]->data()) +
         static_cast<size_t>(stored.value_offset(0) + values.offset) * distance::ScalarBytes(element);
}

// visit(values) of each list in turn, of a null one with no values.
template <typename Visit>
void ForEachVector(const arrow::FixedSizeListArray& stored, distance::ElementType element, Visit&& visit) {
  if (stored.length() == 0) return;
  const auto scalars = static_cast<size_t>(stored.value_length());
  const std::byte* in = FirstOf(stored, element);
  std::vector<double> values(scalars);
  for (int64_t row = 0; row < stored.length(); ++row, in += scalars * distance::ScalarBytes(element)) {
    if (stored.IsNull(row)) {
      visit(std::span<const double>());
      continue;
    }
    distance::ToDouble(element, in, scalars, values.data());
    visit(std::span<const double>(values));
  }
}

Result<std::shared_ptr<arrow::Buffer>> ValidityOf(const arrow::FixedSizeListArray& stored) {
  if (stored.null_count() == 0) return nullptr;
  return arrow::internal::CopyBitmap(arrow::default_memory_pool(), stored.null_bitmap_data(), stored.offset(),
                                     stored.length());
}

// Lists of `type` from the values of all of them, null where a stored one is.
Result<std::shared_ptr<arrow::Array>> ListsOf(const arrow::FixedSizeListArray& stored,
                                              const std::shared_ptr<arrow::DataType>& type,
                                              std::shared_ptr<arrow::Buffer> values) {
  const auto& element = static_cast<const arrow::FixedSizeListType&>(*type).value_type();
  auto flat = arrow::MakeArray(arrow::ArrayData::Make(element, stored.length() * stored.value_length(),
                                                      {nullptr, std::move(values)}, 0));
  LB_ASSIGN_OR_RETURN(auto validity, ValidityOf(stored));
  return std::make_shared<arrow::FixedSizeListArray>(type, stored.length(), std::move(flat),
                                                     std::move(validity), stored.null_count());
}

// As they are stored, little-endian.
Result<std::shared_ptr<arrow::Array>> StoredBytes(const arrow::FixedSizeListArray& stored,
                                                  distance::ElementType element) {
  const auto rows = static_cast<size_t>(stored.length());
  const size_t width = static_cast<size_t>(stored.value_length()) * distance::ScalarBytes(element);
  if (rows * width > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    return InvalidArgument(rows, " hits with vectors of ", width,
                           " bytes are too many for one binary column; ask for fewer or for a vector format");
  }
  arrow::BinaryBuilder builder;
  LB_RETURN_NOT_OK(builder.Reserve(stored.length()));
  LB_RETURN_NOT_OK(builder.ReserveData(static_cast<int64_t>(rows * width)));
  const std::byte* in = rows == 0 ? nullptr : FirstOf(stored, element);
  for (int64_t row = 0; row < stored.length(); ++row, in += width) {
    if (stored.IsNull(row)) {
      builder.UnsafeAppendNull();
    } else {
      builder.UnsafeAppend(reinterpret_cast<const uint8_t*>(in), static_cast<int32_t>(width));
    }
  }
  return builder.Finish();
}

// Element by element; T is the stored form of the list's values, of which null lists have zeros.
template <typename T>
Result<std::shared_ptr<arrow::Buffer>> ConvertRows(const arrow::FixedSizeListArray& stored,
                                                   distance::ElementType element) {
  const auto scalars = static_cast<size_t>(stored.value_length());
  LB_ASSIGN_OR_RETURN(auto buffer, arrow::AllocateBuffer(stored.length() * stored.value_length() *
                                                         static_cast<int64_t>(sizeof(T))));
  T* out = reinterpret_cast<T*>(buffer->mutable_data());
  ForEachVector(stored, element, [&](std::span<const double> values) {
    if (values.empty()) out = std::fill_n(out, scalars, T{0});
    for (const double value : values) *out++ = Narrow(value, static_cast<T*>(nullptr));
  });
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

// The range that all elements of some vectors lie in, in 255 equal steps.
struct Sq8Range {
  double offset = 0, scale = 0;
  uint8_t CodeOf(double value) const {
    return scale > 0 ? static_cast<uint8_t>(std::lround((value - offset) / scale)) : uint8_t{0};
  }
};

Sq8Range RangeOf(const arrow::FixedSizeListArray& stored, distance::ElementType element) {
  double least = std::numeric_limits<double>::max(), most = std::numeric_limits<double>::lowest();
  ForEachVector(stored, element, [&](std::span<const double> values) {
    if (values.empty()) return;
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    least = std::min(least, *low);
    most = std::max(most, *high);
  });
  return most < least ? Sq8Range{} : Sq8Range{least, most / 255 - least / 255};
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
  LB_ASSIGN_OR_RETURN(auto taken, view.TakeVectors(vector_column, rows));
  if (format == VectorFormat::kStored) return taken;
  const auto& stored = static_cast<const arrow::FixedSizeListArray&>(*taken);
  const distance::ElementType element = view.Vectors(vector_column).type();
  if (format == VectorFormat::kBinary) return StoredBytes(stored, element);
  if (format == VectorFormat::kSq8) return Sq8Vectors(stored, element, about);
  return ConvertVectors(stored, element, VectorValuesType(*view.schema(), vector_column, format));
}

Result<std::shared_ptr<arrow::Array>> Sq8Vectors(const arrow::FixedSizeListArray& stored,
                                                 distance::ElementType element,
                                                 std::shared_ptr<const arrow::KeyValueMetadata>* about) {
  const Sq8Range range = RangeOf(stored, element);
  *about = arrow::key_value_metadata({kSq8ScaleKey, kSq8OffsetKey},
                                     {NumberText(range.scale), NumberText(range.offset)});
  LB_ASSIGN_OR_RETURN(auto buffer, arrow::AllocateBuffer(stored.length() * stored.value_length()));
  uint8_t* out = buffer->mutable_data();
  ForEachVector(stored, element, [&](std::span<const double> values) {
    if (values.empty()) out = std::fill_n(out, stored.value_length(), uint8_t{0});
    for (const double value : values) *out++ = range.CodeOf(value);
  });
  return ListsOf(stored, arrow::fixed_size_list(arrow::uint8(), stored.value_length()), std::move(buffer));
}

Result<std::shared_ptr<arrow::Array>> ConvertVectors(const arrow::FixedSizeListArray& stored,
                                                     distance::ElementType element,
                                                     const std::shared_ptr<arrow::DataType>& type) {
  const auto& to = static_cast<const arrow::FixedSizeListType&>(*type).value_type();
  LB_ASSIGN_OR_RETURN(auto values, to->id() == arrow::Type::HALF_FLOAT
                                       ? ConvertRows<uint16_t>(stored, element)
                                       : ConvertRows<float>(stored, element));
  return ListsOf(stored, type, std::move(values));
}

}  // namespace longbow::query
