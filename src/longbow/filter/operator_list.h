// The operators of filters, and how they are written. A new one is a word and a row here and a file in
// operators/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "longbow/base/status.h"

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
  kBetween,
  kIn,
  kNotIn,
  kInList,
  kContains,
  kPrefix,
  kLike,
  kIsNull,
  kIsNotNull,
};
inline constexpr int kOperators = 18;

// What stands beside the column.
enum class Operands : uint8_t {
  kChildren,  // no column: other conditions
  kNone,
  kOne,
  kTwo,  // low and high; null: no bound
  kAny,  // a list of any length
  kListName,
};

std::string_view OperatorName(Operator op);
Operands OperandsOf(Operator op);

// An operator as it was written: "not like" is the negation of "like".
struct WrittenOperator {
  Operator op;
  bool negated = false;
};
// Every spelling that clients use, case-insensitive ("=", "==", "eq", "gte", "ne", "<>", "NOT_IN" ...).
// InvalidArgument names the known ones.
Result<WrittenOperator> OperatorFromName(std::string_view name);

}  // namespace longbow::filter
