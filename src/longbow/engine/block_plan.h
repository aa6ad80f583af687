// Which sealed blocks of a shard a snapshot keeps and which it writes.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "longbow/base/ids.h"
#include "longbow/base/row_versions.h"
#include "longbow/engine/engine.h"
#include "longbow/storage/manifest.h"

namespace longbow::engine {

struct RowRange {
  RowOrdinal first = 0, end = 0;
};

// Blocks in a row that are written again, on their own: of `files` to these.
struct BlockRewrite {
  std::vector<uint64_t> files;    // of kept blocks
  std::vector<RowRange> written;  // ascending; each holds a visible row
};

// A snapshot is `kept` and `written`; then one rewrite after the other takes the place of what it replaces,
// so that the disk never holds more than one of them twice.
struct BlockPlan {
  std::vector<storage::BlockEntry> kept;  // with the bitmaps of now
  std::vector<RowRange> written;          // new rows and small blocks before them; as above
  std::vector<BlockRewrite> rewrites;     // the most dead rows first
  int64_t merged = 0;                     // old blocks that are written again to be fewer
  int64_t compacted = 0;                  // old blocks that are written again, or left out, for their dead
};

struct PlanInput {
  const std::vector<storage::BlockEntry>* blocks = nullptr;  // of the shard, ascending
  Visibility visibility;
  RowOrdinal sealed_end = 0;  // rows below are in the blocks, or were dead
  int64_t row_bytes = 1;      // about, of a row in a file
  BlockLimits limits;
};
// Rows seen so far are never lost: each visible row below visibility.end is in exactly one kept or written
// range, and a rewrite writes exactly those of its files. Blocks without change are kept as they are.
BlockPlan PlanBlocks(const PlanInput& input);

}  // namespace longbow::engine
