#include "version.h"

#include <arrow/config.h>
#include <grpcpp/grpcpp.h>

namespace longbow {

std::string_view Version() { return LONGBOW_VERSION; }
std::string ArrowVersion() { return arrow::GetBuildInfo().version_string; }
std::string GrpcVersion() { return grpc::Version(); }

}  // namespace longbow
