// What feeds one place of a bound expression: a column of a block, read in the form the expression compares.
#pragma once

#include <arrow/compute/expression.h>

#include <memory>
#include <optional>
#include <string>

#include "longbow/base/status.h"
#include "longbow/filter/text_set.h"

namespace arrow {
class DataType;
class RecordBatch;
}  // namespace arrow

namespace longbow::filter {

// Immutable; thread-safe.
class ColumnInput {
 public:
  // The column itself, cast to `type` where the block holds it in another.
  ColumnInput(std::string column, std::shared_ptr<arrow::DataType> type);
  // Booleans: whether any element of the list column (of type `type`) satisfies `element`, an expression
  // bound to one input of `compared` type. A null list is null; null elements satisfy nothing.
  ColumnInput(std::string column, std::shared_ptr<arrow::DataType> type,
              std::shared_ptr<arrow::DataType> compared, arrow::compute::Expression element);
  // Booleans: whether the column's value, of text or binary `type`, is in the set; null for null.
  ColumnInput(std::string column, std::shared_ptr<arrow::DataType> type, TextSet texts);

  const std::string& column() const { return column_; }
  // Of what Read gives.
  std::shared_ptr<arrow::DataType> output_type() const;
  bool SameAs(const std::string& column, const arrow::DataType& type) const;

  // A null scalar when the block has no such column.
  Result<arrow::Datum> Read(const arrow::RecordBatch& block) const;

 private:
  Result<std::shared_ptr<arrow::Array>> AnyElement(const arrow::Array& lists) const;

  const std::string column_;
  const std::shared_ptr<arrow::DataType> type_;
  const std::shared_ptr<arrow::DataType> compared_;  // of elements
  const std::optional<arrow::compute::Expression> element_;
  const std::optional<TextSet> texts_;
};

// The value type of a list column, null when `type` is no list.
std::shared_ptr<arrow::DataType> ListValueType(const arrow::DataType& type);

}  // namespace longbow::filter
