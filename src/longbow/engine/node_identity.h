// Who a data directory belongs to (docs/formats/node.md).
#pragma once

#include <string>
#include <string_view>

#include "longbow/base/filesystem.h"
#include "longbow/base/random.h"
#include "longbow/base/status.h"

namespace longbow::engine {

inline constexpr std::string_view kNodeFileName = "node";

// NotFound in a fresh directory; Corruption when the file does not check out.
Result<std::string> ReadNodeId(FileSystem* files);
// The same; draws an id and writes it when there is none.
Result<std::string> ReadOrMakeNodeId(FileSystem* files, Random* random);

}  // namespace longbow::engine
