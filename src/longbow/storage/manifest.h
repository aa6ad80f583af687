// What a data directory consists of. The only file whose absence or damage matters beyond the log.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "longbow/base/filesystem.h"
#include "longbow/base/ids.h"
#include "longbow/base/status.h"

namespace longbow::storage {

// A sealed row block: an immutable file that covers an ordinal range.
struct BlockEntry {
  uint64_t file = 0;  // number of the file in blocks/
  ShardId shard = 0;
  RowOrdinal first_row = 0, end_row = 0;
  uint64_t bytes = 0;
  uint64_t checksum = 0;  // XXH3-64 of the file
};

struct Manifest {
  uint64_t version = 1;  // grows with every save
  uint64_t log_generation = 1;
  Sequence snapshot_sequence = 0;  // blocks hold everything up to here; the log is replayed from behind it
  std::vector<BlockEntry> blocks;
};

// Atomic: the previous manifest stays valid until the new one is durable.
Status SaveManifest(FileSystem* files, const Manifest& manifest);
// NotFound when there is none (a fresh directory); Corruption when it is damaged; FailedPrecondition when it
// was written by a newer version.
Result<Manifest> LoadManifest(FileSystem* files);

}  // namespace longbow::storage
