#include "version.h"

#include <arrow/config.h>
#include <grpc/grpc.h>

namespace longbow {

std::string_view Version() { return LONGBOW_VERSION; }
std::string ArrowVersion() { return arrow::GetBuildInfo().version_string; }
std::string GrpcVersion() { return grpc_version_string(); }

}  // namespace longbow
