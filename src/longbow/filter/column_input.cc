#include "longbow/filter/column_input.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api.h>
#include <arrow/record_batch.h>

#include "longbow/base/check.h"

namespace longbow::filter {
namespace {

namespace compute = arrow::compute;

Result<std::shared_ptr<arrow::Array>> As(std::shared_ptr<arrow::Array> array,
                                         const std::shared_ptr<arrow::DataType>& type) {
  if (array->type()->Equals(*type)) return array;
  LB_ASSIGN_OR_RETURN(arrow::Datum cast, compute::Cast(arrow::Datum(std::move(array)), type));
  return cast.make_array();
}

// Elements of row i: [begin(i), end(i)) of `values`.
struct ListRanges {
  std::shared_ptr<arrow::Array> values;
  const int32_t* small = nullptr;
  const int64_t* large = nullptr;
  int64_t width = 0, base = 0;  // of fixed-size lists
  int64_t begin(int64_t i) const { return small ? small[i] : large ? large[i] : base + i * width; }
  int64_t end(int64_t i) const {
    return small ? small[i + 1] : large ? large[i + 1] : base + (i + 1) * width;
  }
};

ListRanges RangesOf(const arrow::Array& lists) {
  ListRanges ranges;
  switch (lists.type_id()) {
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(lists);
      ranges.values = list.values();
      ranges.small = list.raw_value_offsets();
      break;
    }
    case arrow::Type::LARGE_LIST: {
      const auto& list = static_cast<const arrow::LargeListArray&>(lists);
      ranges.values = list.values();
      ranges.large = list.raw_value_offsets();
      break;
    }
    default: {
      const auto& list = static_cast<const arrow::FixedSizeListArray&>(lists);
      ranges.values = list.values();
      ranges.width = list.value_length();
      ranges.base = list.value_offset(0);
      break;
    }
  }
  return ranges;
}

}  // namespace

ColumnInput::ColumnInput(std::string column, std::shared_ptr<arrow::DataType> type)
    : column_(std::move(column)), type_(std::move(type)) {}

ColumnInput::ColumnInput(std::string column, std::shared_ptr<arrow::DataType> type,
                         std::shared_ptr<arrow::DataType> compared, compute::Expression element)
    : column_(std::move(column)),
      type_(std::move(type)),
      compared_(std::move(compared)),
      element_(std::move(element)) {}

ColumnInput::ColumnInput(std::string column, std::shared_ptr<arrow::DataType> type, TextSet texts)
    : column_(std::move(column)), type_(std::move(type)), texts_(std::move(texts)) {}

std::shared_ptr<arrow::DataType> ColumnInput::output_type() const {
  return element_ || texts_ ? arrow::boolean() : type_;
}

bool ColumnInput::SameAs(const std::string& column, const arrow::DataType& type) const {
  return !element_ && !texts_ && column_ == column && type_->Equals(type);
}

Result<arrow::Datum> ColumnInput::Read(const arrow::RecordBatch& block) const {
  auto array = block.GetColumnByName(column_);
  if (array == nullptr) return arrow::Datum(arrow::MakeNullScalar(output_type()));
  LB_ASSIGN_OR_RETURN(array, As(std::move(array), type_));
  if (texts_) {
    LB_ASSIGN_OR_RETURN(array, texts_->Find(*array));
  }
  if (element_) {
    LB_ASSIGN_OR_RETURN(array, AnyElement(*array));
  }
  return arrow::Datum(std::move(array));
}

Result<std::shared_ptr<arrow::Array>> ColumnInput::AnyElement(const arrow::Array& lists) const {
  const ListRanges ranges = RangesOf(lists);
  const int64_t rows = lists.length();
  const int64_t begin = rows == 0 ? 0 : ranges.begin(0), end = rows == 0 ? 0 : ranges.end(rows - 1);
  LB_ASSIGN_OR_RETURN(auto values, As(ranges.values->Slice(begin, end - begin), compared_));
  LB_ASSIGN_OR_RETURN(auto found,
                      compute::ExecuteScalarExpression(
                          *element_, compute::ExecBatch({arrow::Datum(values)}, values->length())));
  LB_CHECK(found.is_array());
  const auto matches = std::static_pointer_cast<arrow::BooleanArray>(found.make_array());
  arrow::BooleanBuilder any;
  LB_RETURN_NOT_OK(any.Reserve(rows));
  for (int64_t i = 0; i < rows; ++i) {
    if (lists.IsNull(i)) {
      any.UnsafeAppendNull();
      continue;
    }
    bool hit = false;
    for (int64_t v = ranges.begin(i) - begin; v < ranges.end(i) - begin && !hit; ++v) {
      hit = matches->IsValid(v) && matches->Value(v);
    }
    any.UnsafeAppend(hit);
  }
  return any.Finish();
}

std::shared_ptr<arrow::DataType> ListValueType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
      return static_cast<const arrow::BaseListType&>(type).value_type();
    default:
      return nullptr;
  }
}

}  // namespace longbow::filter
