#include "longbow/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace longbow {

void ThrowCheckFailed(const char* condition, const char* file, int line) {
  throw CheckFailed(std::string("check failed: ") + condition + " (" + file + ":" + std::to_string(line) +
                    ")");
}

void AbortCheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "longbow: check failed, stopping: %s (%s:%d)\n", condition, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace longbow
