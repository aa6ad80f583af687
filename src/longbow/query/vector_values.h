// The vectors of hits in the form a client asked for.
#pragma once

#include <memory>
#include <span>

#include "longbow/base/status.h"
#include "longbow/engine/view.h"
#include "longbow/query/search.h"

namespace arrow {
class Array;
class DataType;
class FixedSizeListArray;
class KeyValueMetadata;
}  // namespace arrow

namespace longbow::query {

// The type of the answer's vector column; `format` is not kNone.
std::shared_ptr<arrow::DataType> VectorValuesType(const engine::DatasetSchema& schema, int vector_column,
                                                  VectorFormat format);
// Metadata of an sq8 column's field, numbers as text.
inline constexpr char kSq8ScaleKey[] = "longbow.sq8.scale";
inline constexpr char kSq8OffsetKey[] = "longbow.sq8.offset";

// Null where a row has no vector. `about` gets what the column's field says of an sq8 column, and stays as it
// is otherwise.
Result<std::shared_ptr<arrow::Array>> VectorValues(const engine::View& view, int vector_column,
                                                   VectorFormat format, std::span<const RowOrdinal> rows,
                                                   std::shared_ptr<const arrow::KeyValueMetadata>* about);

// Stored vectors as bytes of one range, which `about` gets; null ones stay null.
Result<std::shared_ptr<arrow::Array>> Sq8Vectors(const arrow::FixedSizeListArray& stored,
                                                 distance::ElementType element,
                                                 std::shared_ptr<const arrow::KeyValueMetadata>* about);

// Stored vectors as lists of float32 or float16, as `type` says; null ones stay null.
Result<std::shared_ptr<arrow::Array>> ConvertVectors(const arrow::FixedSizeListArray& stored,
                                                     distance::ElementType element,
                                                     const std::shared_ptr<arrow::DataType>& type);

}  // namespace longbow::query
