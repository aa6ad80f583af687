// The newest snapshot of a data directory, copied to another place and back: docs/formats/copy.md.
#pragma once

#include <cstdint>
#include <string>

#include "longbow/base/filesystem.h"
#include "longbow/base/status.h"
#include "longbow/storage/manifest.h"
#include "longbow/storage/object_store.h"

namespace longbow::storage {

struct CopyReport {
  int64_t files = 0, bytes = 0;              // copied
  int64_t files_there = 0, bytes_there = 0;  // there already
  int64_t removed = 0;                       // of an older snapshot
  Sequence sequence = 0;
};

// Copies what `store` lacks; a server may have the directory and go on. The manifest comes last, so that the
// copy shows the snapshot before or this one. `owner` names the directory: FailedPrecondition when the store
// holds a copy of another one, NotFound when the directory holds no snapshot.
Result<CopyReport> ExportSnapshot(FileSystem* files, const std::string& owner, ObjectStore* store);

// Fills a directory that holds neither snapshot nor log. Every block is checked byte for byte before the
// manifest, which comes last; what an import that was broken off has left is used. Corruption that names the
// object, NotFound without a copy.
Result<CopyReport> ImportSnapshot(ObjectStore* store, FileSystem* files);

}  // namespace longbow::storage
