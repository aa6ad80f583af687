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
}  // namespace arrow

namespace longbow::query {

// The type of the answer's vector column; `format` is not kNone.
std::shared_ptr<arrow::DataType> VectorValuesType(const engine::DatasetSchema& schema, int vector_column,
                                                  VectorFormat format);
Result<std::shared_ptr<arrow::Array>> VectorValues(const engine::View& view, int vector_column,
                                                   VectorFormat format, std::span<const RowOrdinal> rows);

}  // namespace longbow::query
