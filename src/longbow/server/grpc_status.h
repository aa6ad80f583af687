// The one place where error codes become gRPC's.
#pragma once

#include <grpcpp/support/status.h>

#include "longbow/base/status.h"

namespace longbow::server {

// The text is made printable and cut to 1 KiB. The details hold our own code's name: gRPC has fewer codes,
// and Flight's clients fold some of those together; they hand the details on as extra_info.
grpc::Status ToGrpc(const Status& status);

}  // namespace longbow::server
