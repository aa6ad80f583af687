// The bearer token that clients show, kept in a file that only the server's user can read.
#pragma once

#include <string>

#include "longbow/base/random.h"
#include "longbow/base/status.h"

namespace longbow {

// What the file at `path` holds, without white space around it. A file that is not there is made first, mode
// 0600, with "lb_" and 32 bytes of `random` in hexadecimal digits; it is complete and durable before it has
// its name. FailedPrecondition when others may read the file, or when what it holds is too short for a secret
// or cannot travel in a header.
Result<std::string> ReadOrMakeToken(const std::string& path, Random* random);

}  // namespace longbow
