// Looking at a log without starting from it.
#pragma once

#include <functional>
#include <string>

#include "longbow/base/filesystem.h"
#include "longbow/base/random.h"
#include "longbow/storage/commit_log.h"

namespace longbow::storage {

// Reads every record of the log in `directory` and checks it, as a start would, and changes nothing. The
// error names file, offset and record. A torn tail is no error: the report says so.
Result<RecoveryReport> CheckLog(FileSystem* files, Random* random, const std::string& directory,
                                uint64_t generation);

}  // namespace longbow::storage
