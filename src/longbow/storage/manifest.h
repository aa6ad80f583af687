// The snapshot that a data directory holds: which files it consists of, and from where the log goes on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/filesystem.h"
#include "longbow/base/ids.h"
#include "longbow/base/status.h"

namespace longbow::storage {

// A sealed row block: an immutable file that stands for an ordinal range.
struct BlockEntry {
  uint64_t file = 0;  // number of the file in blocks/
  ShardId shard = 0;
  RowOrdinal first_row = 0, end_row = 0;
  uint32_t rows = 0;  // in the file; the rest of the range was dead when it was sealed
  uint64_t bytes = 0;
  uint64_t checksum = 0;  // XXH3-64 of the file
  // Bit i is set when row first_row + i was dead at the snapshot, in the file or not. Empty: none was.
  std::string dead = {};

  bool IsDead(RowOrdinal row) const {
    const size_t i = row - first_row;
    return !dead.empty() && (static_cast<uint8_t>(dead[i / 8]) >> (i % 8) & 1) != 0;
  }
};

// What was derived from the rows of a shard's vector column, in derived/<file>/. May be missing.
struct DerivedEntry {
  uint64_t file = 0;
  ShardId shard = 0;
  uint32_t column = 0;
  Sequence sequence = 0;  // may know rows of the shard up to here
};

// A shard whose files and catalog here are of an older snapshot: what it had since is in the log alone.
struct ShardBehind {
  ShardId shard = 0;
  Sequence sequence = 0;  // the state is of exactly this one
};

struct Manifest {
  uint64_t version = 1;  // grows with every save
  uint64_t log_generation = 1;
  // Files and catalog are the state at exactly this sequence, but for shards that are behind; the log is
  // replayed from there.
  Sequence snapshot_sequence = 0;
  uint64_t next_file = 1;               // above every number ever used
  std::vector<BlockEntry> blocks = {};  // by shard and row
  std::vector<DerivedEntry> derived = {};
  std::vector<ShardBehind> behind = {};
  std::string catalog = {};  // the engine's

  // Of what the manifest holds of the shard; the log goes on behind it.
  Sequence StateOf(ShardId shard) const;
  // No record at or before this one is needed.
  Sequence log_begin() const;
};

// Atomic: the previous manifest stays valid until the new one is durable. After an error either may be what
// the disk holds.
Status SaveManifest(FileSystem* files, const Manifest& manifest);
// NotFound when there is none (a fresh directory); Corruption when it is damaged; FailedPrecondition when it
// was written by a newer version.
Result<Manifest> LoadManifest(FileSystem* files, std::string_view path = "manifest");

}  // namespace longbow::storage
