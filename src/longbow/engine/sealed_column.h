// How a column of a dataset lies in a sealed block (docs/formats/block.md): most as they are, some so that
// Parquet gives them back unchanged.
#pragma once

#include <memory>

#include "longbow/base/status.h"

namespace arrow {
class Array;
struct ArrayData;
class DataType;
class Field;
}  // namespace arrow

namespace longbow::engine {

// Whether Parquet gives values of this payload type back as they were.
bool SealsAsItIs(const arrow::DataType& type);

// The type that Parquet has instead, for one that it does not give back: the values are the same to whoever
// reads them. Null where there is none.
std::shared_ptr<arrow::DataType> NearestSealedType(const arrow::DataType& type);
// Whether each of the values, of such a type, is one of its nearest type, too.
bool FitNearestSealedType(const arrow::ArrayData& values);

// The field of a payload column in a block; `fits`: all its values there fit the nearest type.
std::shared_ptr<arrow::Field> SealedPayloadField(const arrow::Field& field, bool fits);
// The values for one row group of such a column, and back.
Result<std::shared_ptr<arrow::Array>> SealPayload(const std::shared_ptr<arrow::Array>& values,
                                                  const arrow::Field& field, const arrow::Field& sealed);
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
