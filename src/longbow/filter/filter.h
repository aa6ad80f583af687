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

namespace arrow {
class Schema;
class RecordBatch;
}  // namespace arrow

namespace longbow::filter {

enum class Operator : uint8_t {
  kAnd,
  kOr,
  kNot,  // over children
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
  kContains,
  kPrefix,
  kIsNull,
  kIsNotNull,
};
std::string_view OperatorName(Operator op);
// Every spelling that clients use, case-insensitive ("=", "==", "eq", "gte", "ne", "<>", ...).
// InvalidArgument names the known ones.
Result<Operator> OperatorFromName(std::string_view name);

// What a client wrote; coerced to the column's type when bound ("100" against int64, 12 against float, text
// against timestamp as ISO 8601).
using Value = std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string>;

// Immutable once built.
struct FilterTree {
  Operator op = Operator::kAnd;
  std::string column;                // of comparisons
  std::vector<Value> values;         // one for comparisons, any number for kIn and kNotIn
  std::vector<FilterTree> children;  // of kAnd, kOr, kNot

  std::string ToString() const;
};

// Limits of one tree, checked by Bind.
inline constexpr int kMaxDepth = 16;
inline constexpr int kMaxTerms = 1024;
inline constexpr int kMaxListValues = 10000;

// A tree whose columns and literals were checked against a schema. Immutable; thread-safe. Nulls never match,
// also under NOT (SQL's three values).
class BoundFilter {
 public:
  // InvalidArgument for an unknown column (naming near ones), a literal that does not fit the column's type,
  // a column that cannot be compared (vectors, structs), too deep or too large a tree.
  static Result<std::shared_ptr<const BoundFilter>> Bind(const FilterTree& tree, const arrow::Schema& schema);
  virtual ~BoundFilter() = default;

  // Adds to `selection` the rows of `block` (row i has ordinal first + i) that match. Columns missing from
  // the block count as null. `block` holds payload columns only.
  virtual Status Select(const arrow::RecordBatch& block, RowOrdinal first, RowSelection* selection) const = 0;
  // Names of the columns looked at.
  virtual const std::vector<std::string>& columns() const = 0;
};

}  // namespace longbow::filter
