// What a client wrote as a value, placed among the values of a column's type.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "longbow/base/status.h"
#include "longbow/filter/filter.h"

namespace arrow {
class DataType;
struct Scalar;
}  // namespace arrow

namespace longbow::filter {

// A literal need not be a value of the column's type: 300 lies above every int8, 1.5 between two integers.
// Comparisons are then answered by where it lies, never by a wrapped or refused value.
enum class Place : uint8_t { kExact, kBetween, kBelowAll, kAboveAll };

// Immutable. kExact: `value` is the literal; kBetween: the greatest value of the type below it; else null.
struct Literal {
  Place place = Place::kExact;
  std::shared_ptr<arrow::Scalar> value;
  bool nan = false;
};

// The type in which values of `type` are compared: float32 for half, binary for fixed_size_binary, decimal128
// for the narrower decimals, the value type's for itself otherwise. Null when values of `type` have no order
// or equality here (lists, structs, vectors, intervals).
std::shared_ptr<arrow::DataType> ComparisonType(const std::shared_ptr<arrow::DataType>& type);

// `value` for comparisons with a column of `type`; the scalar is of ComparisonType(type).
// - numbers: numbers and their texts; for floating-point columns rounded to the column's type, so that 0.1
// finds the
//   float32 that was stored for 0.1.
// - bool: true, false, 0, 1 and their texts.
// - timestamps, dates, times, durations: numbers in the column's unit and their texts; except for durations
// also
//   ISO 8601 text, which is UTC unless it says otherwise.
// - text and binary: any value by its text.
// InvalidArgument names `column`, the type and the value.
Result<Literal> MakeLiteral(const Value& value, const std::shared_ptr<arrow::DataType>& type,
                            std::string_view column);

// As messages and FilterTree::ToString() show it: strings in quotes.
std::string ValueText(const Value& value);

}  // namespace longbow::filter
