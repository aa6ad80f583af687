// What can go wrong, in words that travel: an arrow::Status with an ErrorCode inside.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace longbow {

using arrow::Result;
using arrow::Status;

enum class ErrorCode : uint8_t {
  kOk = 0,
  kNotFound,
  kAlreadyExists,
  kInvalidArgument,
  kDimensionMismatch,
  kFailedPrecondition,
  kCorruption,
  kDataLoss,
  kNotLeader,
  kUnavailable,
  kResourceExhausted,
  kDeadlineExceeded,
  kUnauthenticated,
  kPermissionDenied,
  kCancelled,
  kUnimplemented,
  kInternal,
};

std::string_view ErrorCodeName(ErrorCode code);

// A Status that carries `code`. The message names the field, what was expected, what was given, and the fix.
Status MakeError(ErrorCode code, std::string message);

// The code inside a Status; for a Status made by Arrow itself, the nearest one (Invalid -> kInvalidArgument,
// KeyError -> kNotFound, OutOfMemory -> kResourceExhausted, IOError -> kInternal ...).
ErrorCode CodeOf(const Status& status);

// The same code with `context` and ": " before the message.
Status WithContext(const Status& status, std::string_view context);

template <typename... Parts>
Status Error(ErrorCode code, Parts&&... parts) {
  return MakeError(code, arrow::internal::JoinToString(std::forward<Parts>(parts)...));
}
template <typename... Parts>
Status InvalidArgument(Parts&&... parts) {
  return Error(ErrorCode::kInvalidArgument, std::forward<Parts>(parts)...);
}
template <typename... Parts>
Status NotFound(Parts&&... parts) {
  return Error(ErrorCode::kNotFound, std::forward<Parts>(parts)...);
}

}  // namespace longbow

#define LB_RETURN_NOT_OK(expr) ARROW_RETURN_NOT_OK(expr)
#define LB_ASSIGN_OR_RETURN(lhs, expr) ARROW_ASSIGN_OR_RAISE(lhs, expr)
