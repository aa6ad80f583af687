#include "grpc_log.h"

#include <grpc/support/log.h>

#include <mutex>
#include <string>

namespace longbow {
namespace {

constexpr size_t kLongestMessage = 1024;

// gRPC calls a plain function from any thread, also from threads that outlive the log.
std::mutex mutex;
observe::LineLog* target = nullptr;  // guarded by mutex

void WriteLine(gpr_log_func_args* entry) {
  const std::string what = std::string(entry->message).substr(0, kLongestMessage);
  std::lock_guard lock(mutex);
  if (target != nullptr) target->Warn("grpc", {{"what", what}});
}

}  // namespace

GrpcLog::GrpcLog(observe::LineLog* log) {
  {
    std::lock_guard lock(mutex);
    target = log;
  }
  gpr_set_log_function(WriteLine);
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
}

GrpcLog::~GrpcLog() {
  std::lock_guard lock(mutex);
  target = nullptr;
}

}  // namespace longbow
