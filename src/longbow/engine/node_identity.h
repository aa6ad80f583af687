// Who a data directory belongs to (docs/formats/node.md), and the file that keeps a second engine out.
#pragma once

#include <string>
#include <string_view>

#include "longbow/base/filesystem.h"
#include "longbow/base/random.h"
#include "longbow/base/status.h"

namespace longbow::engine {

inline constexpr std::string_view kNodeFileName = "node";
inline constexpr std::string_view kLockFileName = "LOCK";

// NotFound in a fresh directory; Corruption when the file does not check out.
Result<std::string> ReadNodeId(FileSystem* files);
// The same; draws an id and writes it when there is none.
Result<std::string> ReadOrMakeNodeId(FileSystem* files, Random* random);

}  // namespace longbow::engine
