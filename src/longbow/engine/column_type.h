// Which Arrow types a column may have, and when two of them are the same to Longbow.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "longbow/base/status.h"
#include "longbow/distance/metric_list.h"

namespace arrow {
class Array;
class DataType;
class Field;
class Schema;
struct ArrayData;
}  // namespace arrow

namespace longbow::engine {

inline constexpr int kMaxNesting = 8;
// The keys of a field's metadata by which Arrow's formats tell extension types.
inline constexpr char kExtensionName[] = "ARROW:extension:name";
inline constexpr char kExtensionMetadata[] = "ARROW:extension:metadata";

// The type a column is stored as: dictionaries, views and runs replaced by what they stand for, extension
// types by their storage. InvalidArgument that names `column` for unions, runs of nested values and nesting
// deeper than kMaxNesting.
Result<std::shared_ptr<arrow::DataType>> StoredType(const arrow::DataType& type, std::string_view column);
// The same for a field. Its metadata name the extension, as in Arrow's IPC format, so that readers who know
// the extension get its type back.
Result<std::shared_ptr<arrow::Field>> StoredField(const arrow::Field& field);
Result<std::shared_ptr<arrow::Schema>> StoredSchema(const arrow::Schema& schema);

// Whether `given`, of the same stored type as `known`, names no extension that `known` does not name: values
// of the plain storage type may come to a column with an extension.
bool SameExtensions(const arrow::Field& known, const arrow::Field& given);
// The extension that a stored field's metadata name; empty: none.
std::string ExtensionName(const arrow::Field& field);

// Whether values of one can be taken for values of the other: names of list items and nullability do not
// count, utf8 and large_utf8 are one type.
bool SameColumnType(const arrow::DataType& a, const arrow::DataType& b);

// What integers or floating point numbers of `type` are in a vector; nothing when it is another type. A
// FixedSizeList of the former is a vector.
std::optional<distance::ElementType> NumberType(const arrow::DataType& type);

// Whether any part of the type is a dictionary, so that a batch cannot be read without the stream's state.
bool HasDictionary(const arrow::DataType& type);

// `values` as `type`, where SameColumnType holds: shares the buffers, except that offsets are rewritten where
// utf8 meets large_utf8.
Result<std::shared_ptr<arrow::ArrayData>> AsColumnType(const std::shared_ptr<arrow::ArrayData>& values,
                                                       const std::shared_ptr<arrow::DataType>& type);

}  // namespace longbow::engine
