// How a column of a dataset lies in a sealed block (docs/formats/block.md): most as they are, some so that
// Parquet gives them back unchanged.
#pragma once

#include <memory>

#include "longbow/base/status.h"

namespace arrow {
class Array;
class DataType;
class Field;
}  // namespace arrow

namespace longbow::engine {

// Whether Parquet gives values of this payload type back as they were.
bool SealsAsItIs(const arrow::DataType& type);

// The field of a payload column in a block.
std::shared_ptr<arrow::Field> SealedPayloadField(const arrow::Field& field);
// The values for one row group of such a column, and back.
Result<std::shared_ptr<arrow::Array>> SealPayload(const std::shared_ptr<arrow::Array>& values,
                                                  const arrow::Field& field);
Result<std::shared_ptr<arrow::Array>> UnsealPayload(const std::shared_ptr<arrow::Array>& sealed,
                                                    const arrow::Field& field);

// The field of a vector column in a block; `some_missing`: some row of the file has no vector.
std::shared_ptr<arrow::Field> SealedVectorField(const arrow::Field& field, bool some_missing);
// `vectors`: those of the rows that have one, as FixedSizeList without nulls. `present`: a bit a row, Arrow's
// order, null when all have one.
Result<std::shared_ptr<arrow::Array>> SealVectors(const std::shared_ptr<arrow::Array>& vectors,
                                                  const arrow::Field& sealed, const uint8_t* present,
                                                  int64_t rows);

}  // namespace longbow::engine
