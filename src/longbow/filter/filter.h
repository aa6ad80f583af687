// A filter as a tree, however it was written, and the same bound to a schema.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "longbow/base/ids.h"
#include "longbow/base/row_selection.h"
#include "longbow/base/status.h"
#include "longbow/filter/operator_list.h"

namespace arrow {
class Schema;
class RecordBatch;
}  // namespace arrow

namespace longbow::filter {

class AllowLists;

// What a client wrote; coerced to the column's type when bound ("100" against int64, 12 against float, text
// against timestamp as ISO 8601).
using Value = std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string>;

// Immutable once built.
struct FilterTree {
  Operator op = Operator::kAnd;
  std::string column;                // of conditions
  std::vector<Value> values;         // as many as OperandsOf(op) says
  std::vector<FilterTree> children;  // of kAnd (none: every row), kOr (none: no row), kNot (one)

  // SQL-like text that ParseFilter reads as this tree (a kAnd or kOr of one child as that child).
  std::string ToString() const;
  bool operator==(const FilterTree&) const = default;
};

// A condition of SQL: `year >= 2024 and (lang in ('en', 'de') or not title like 'A%')`. Names in double
// quotes or backticks where they are not words; texts in single quotes; also between, is null, contains,
// starts with, in list 'name', true and false, typed texts (`timestamp '2024-01-01'`), and values before the
// column. InvalidArgument says where and what was expected.
Result<FilterTree> ParseFilter(std::string_view text);

// Limits of one tree, checked by Bind.
inline constexpr int kMaxDepth = 16;
inline constexpr int kMaxTerms = 1024;
inline constexpr int kMaxListValues = 10000;
inline constexpr size_t kMaxFilterTextBytes = size_t{1} << 20;

// A tree whose columns and literals were checked against a schema. Immutable; thread-safe. Nulls never match,
// also under NOT (SQL's three values).
class BoundFilter {
 public:
  // InvalidArgument for an unknown column (naming near ones), a literal that does not fit the column's type,
  // a column that cannot be compared (vectors, structs: only whether they are null), too deep or too large a
  // tree. `lists` is asked for allow-lists here and not later; null: there are none.
  static Result<std::shared_ptr<const BoundFilter>> Bind(const FilterTree& tree, const arrow::Schema& schema,
                                                         const AllowLists* lists = nullptr);
  virtual ~BoundFilter() = default;

  // Adds to `selection` the rows of `block` (row i has ordinal first + i) that match. Columns missing from
  // the block count as null. `block` holds payload columns, and booleans in the place of a vector column of
  // columns(): null where the vector is.
  virtual Status Select(const arrow::RecordBatch& block, RowOrdinal first, RowSelection* selection) const = 0;
  // Names of the columns looked at.
  virtual const std::vector<std::string>& columns() const = 0;
};

}  // namespace longbow::filter
