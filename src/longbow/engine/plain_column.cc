#include "longbow/engine/plain_column.h"

#include <arrow/array.h>
#include <arrow/array/array_run_end.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_vector.h>
#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>

namespace longbow::engine {
namespace {

Status TooLarge(int64_t max_bytes) {
  return InvalidArgument("a column would take more than ", max_bytes,
                         " bytes once decoded; send smaller batches");
}

// Bytes of value i of a plain array that is not nested.
int64_t ValueBytes(const arrow::Array& array, int64_t i) {
  switch (array.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return static_cast<const arrow::BinaryArray&>(array).value_length(i);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return static_cast<const arrow::LargeBinaryArray&>(array).value_length(i);
    default:
      return arrow::is_fixed_width(array.type_id()) ? (array.type()->bit_width() + 7) / 8 : 0;
  }
}

int64_t DictionaryIndex(const arrow::DictionaryArray& array, int64_t i) { return array.GetValueIndex(i); }

Result<std::shared_ptr<arrow::ArrayData>> PlainDictionary(const std::shared_ptr<arrow::ArrayData>& values,
                                                          const std::shared_ptr<arrow::DataType>& stored,
                                                          int64_t max_bytes) {
  LB_ASSIGN_OR_RETURN(auto dictionary, PlainColumn(values->dictionary, stored, max_bytes));
  const auto plain = arrow::MakeArray(dictionary);
  if (stored->num_fields() > 0)
    return InvalidArgument("a dictionary of nested values is not supported; send it plain");
  const arrow::DictionaryArray encoded(values);
  int64_t bytes = 0;
  for (int64_t i = 0; i < encoded.length(); ++i) {
    if (encoded.IsNull(i)) continue;
    bytes += ValueBytes(*plain, DictionaryIndex(encoded, i));
    if (bytes > max_bytes) return TooLarge(max_bytes);
  }
  LB_ASSIGN_OR_RETURN(auto taken, arrow::compute::Take(*plain, *encoded.indices()));
  return taken->data();
}

int64_t RunEnd(const arrow::Array& ends, int64_t i) {
  switch (ends.type_id()) {
    case arrow::Type::INT16:
      return static_cast<const arrow::Int16Array&>(ends).Value(i);
    case arrow::Type::INT32:
      return static_cast<const arrow::Int32Array&>(ends).Value(i);
    default:
      return static_cast<const arrow::Int64Array&>(ends).Value(i);
  }
}

Result<std::shared_ptr<arrow::ArrayData>> PlainRuns(const std::shared_ptr<arrow::ArrayData>& values,
                                                    const std::shared_ptr<arrow::DataType>& stored,
                                                    int64_t max_bytes) {
  const arrow::RunEndEncodedArray runs(values);
  LB_ASSIGN_OR_RETURN(auto ends, runs.LogicalRunEnds(arrow::default_memory_pool()));
  LB_ASSIGN_OR_RETURN(auto data, PlainColumn(runs.LogicalValues()->data(), stored, max_bytes));
  const auto plain = arrow::MakeArray(data);
  arrow::Int64Builder taken;
  int64_t bytes = 0;
  for (int64_t run = 0; run < ends->length() && taken.length() < runs.length(); ++run) {
    const int64_t rows = std::min(RunEnd(*ends, run), runs.length()) - taken.length();
    const int64_t row_bytes = plain->IsNull(run) ? 0 : ValueBytes(*plain, run);
    // Eight for the row itself. The first comparison keeps the product in bounds.
    if (rows > max_bytes || (bytes += rows * (8 + row_bytes)) > max_bytes) return TooLarge(max_bytes);
    LB_RETURN_NOT_OK(taken.Reserve(rows));
    for (int64_t i = 0; i < rows; ++i) taken.UnsafeAppend(run);
  }
  LB_ASSIGN_OR_RETURN(const auto rows, taken.Finish());
  LB_ASSIGN_OR_RETURN(auto decoded, arrow::compute::Take(*plain, *rows));
  return decoded->data();
}

template <typename Views, typename Builder>
Result<std::shared_ptr<arrow::ArrayData>> PlainBytes(const std::shared_ptr<arrow::ArrayData>& values,
                                                     int64_t max_bytes) {
  const Views views(values);
  int64_t bytes = 0;
  for (int64_t i = 0; i < views.length(); ++i) {
    if (views.IsValid(i)) bytes += static_cast<int64_t>(views.GetView(i).size());
    if (bytes > max_bytes) return TooLarge(max_bytes);
  }
  Builder builder;
  LB_RETURN_NOT_OK(builder.Reserve(views.length()));
  LB_RETURN_NOT_OK(builder.ReserveData(bytes));
  for (int64_t i = 0; i < views.length(); ++i) {
    if (views.IsNull(i)) {
      builder.UnsafeAppendNull();
    } else {
      builder.UnsafeAppend(views.GetView(i));
    }
  }
  std::shared_ptr<arrow::Array> out;
  LB_RETURN_NOT_OK(builder.Finish(&out));
  return out->data();
}

// Views of a list may overlap; then they would grow when laid out one behind the other, and are refused.
template <typename ListView, typename List>
Result<std::shared_ptr<arrow::ArrayData>> PlainLists(const std::shared_ptr<arrow::ArrayData>& values) {
  const ListView views(values);
  int64_t items = 0;
  for (int64_t i = 0; i < views.length(); ++i) {
    if (views.IsValid(i)) items += views.value_length(i);
    if (items > views.values()->length()) return InvalidArgument("list views that overlap are not supported");
  }
  LB_ASSIGN_OR_RETURN(auto lists, List::FromListView(views, arrow::default_memory_pool()));
  return lists->data();
}

}  // namespace

Result<std::shared_ptr<arrow::ArrayData>> PlainColumn(const std::shared_ptr<arrow::ArrayData>& values,
                                                      const std::shared_ptr<arrow::DataType>& stored,
                                                      int64_t max_bytes) {
  if (values->type->Equals(*stored, /*check_metadata=*/true)) return values;
  std::shared_ptr<arrow::ArrayData> plain = values;
  switch (values->type->id()) {
    case arrow::Type::DICTIONARY: {
      LB_ASSIGN_OR_RETURN(plain, PlainDictionary(values, stored, max_bytes));
      break;
    }
    case arrow::Type::RUN_END_ENCODED: {
      LB_ASSIGN_OR_RETURN(plain, PlainRuns(values, stored, max_bytes));
      break;
    }
    case arrow::Type::EXTENSION: {
      auto storage = values->Copy();
      storage->type = static_cast<const arrow::ExtensionType&>(*values->type).storage_type();
      return PlainColumn(storage, stored, max_bytes);
    }
    case arrow::Type::STRING_VIEW: {
      LB_ASSIGN_OR_RETURN(plain,
                          (PlainBytes<arrow::StringViewArray, arrow::StringBuilder>(values, max_bytes)));
      break;
    }
    case arrow::Type::BINARY_VIEW: {
      LB_ASSIGN_OR_RETURN(plain,
                          (PlainBytes<arrow::BinaryViewArray, arrow::BinaryBuilder>(values, max_bytes)));
      break;
    }
    case arrow::Type::LIST_VIEW: {
      LB_ASSIGN_OR_RETURN(plain, (PlainLists<arrow::ListViewArray, arrow::ListArray>(values)));
      break;
    }
    case arrow::Type::LARGE_LIST_VIEW: {
      LB_ASSIGN_OR_RETURN(plain, (PlainLists<arrow::LargeListViewArray, arrow::LargeListArray>(values)));
      break;
    }
    default:
      break;
  }
  auto out = plain->Copy();
  out->type = stored;
  for (int i = 0; i < stored->num_fields() && i < static_cast<int>(out->child_data.size()); ++i) {
    LB_ASSIGN_OR_RETURN(out->child_data[i],
                        PlainColumn(plain->child_data[i], stored->field(i)->type(), max_bytes));
  }
  return out;
}

Result<std::shared_ptr<arrow::ArrayData>> OwnBuffers(const arrow::ArrayData& values) {
  auto out = values.Copy();
  for (auto& buffer : out->buffers) {
    if (buffer == nullptr) continue;
    LB_ASSIGN_OR_RETURN(auto own, arrow::AllocateBuffer(buffer->size()));
    if (buffer->size() > 0)
      std::memcpy(own->mutable_data(), buffer->data(), static_cast<size_t>(buffer->size()));
    buffer = std::move(own);
  }
  for (auto& child : out->child_data) {
    LB_ASSIGN_OR_RETURN(child, OwnBuffers(*child));
  }
  return out;
}

}  // namespace longbow::engine
