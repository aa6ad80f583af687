#include "longbow/base/posix_calls.h"

#include <string>
#include <system_error>

namespace longbow {
namespace {

ErrorCode CodeOfErrno(int error) {
  switch (error) {
    case ENOENT:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return ErrorCode::kResourceExhausted;
    case EACCES:
    case EPERM:
      return ErrorCode::kPermissionDenied;
    case ENAMETOOLONG:
      return ErrorCode::kInvalidArgument;
    case EROFS:
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
      return ErrorCode::kFailedPrecondition;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

Status ErrnoError(int error, std::string_view verb, std::string_view path) {
  return Error(CodeOfErrno(error), "cannot ", verb, " ", path.empty() ? "the data directory" : path, ": ",
               std::generic_category().message(error));
}

void Consume(std::span<iovec>* left, uint64_t n) {
  while (!left->empty() && n >= left->front().iov_len) {
    n -= left->front().iov_len;
    *left = left->subspan(1);
  }
  if (n == 0) return;
  left->front().iov_base = static_cast<uint8_t*>(left->front().iov_base) + n;
  left->front().iov_len -= n;
}

}  // namespace longbow
