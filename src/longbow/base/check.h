// Assertions that stay on in release.
#pragma once

#include <stdexcept>
#include <string>

namespace longbow {

// Thrown by LB_CHECK. The edge of each piece of work (a request, an apply, a background job) catches it and
// fails that piece: the request ends with Internal, the shard is fenced.
class CheckFailed : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void ThrowCheckFailed(const char* condition, const char* file, int line);
[[noreturn]] void AbortCheckFailed(const char* condition, const char* file, int line);

}  // namespace longbow

#define LB_CHECK(condition)                                             \
  do {                                                                  \
    if (__builtin_expect(!(condition), 0)) {                            \
      ::longbow::ThrowCheckFailed(#condition, __FILE_NAME__, __LINE__); \
    }                                                                   \
  } while (false)

// For base/ and storage/, where going on could harm data that is already durable: stops the process.
#define LB_CHECK_FATAL(condition)                                       \
  do {                                                                  \
    if (__builtin_expect(!(condition), 0)) {                            \
      ::longbow::AbortCheckFailed(#condition, __FILE_NAME__, __LINE__); \
    }                                                                   \
  } while (false)
