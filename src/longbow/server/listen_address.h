// Whether an address can be listened on, asked before gRPC is: it tells its callers less and stderr more.
#pragma once

#include <string>

#include "longbow/base/status.h"

namespace longbow::server {

// `address` is "host:port" or "[v6]:port"; port 0 always can. Unavailable that names the address and what to
// do when another process has it, or when it is not this machine's; InvalidArgument when it is no address.
Status CheckListenAddress(const std::string& address);

}  // namespace longbow::server
