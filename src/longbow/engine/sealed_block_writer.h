// Rows of a shard made into a Parquet file (docs/formats/block.md).
#pragma once

#include <functional>

#include "longbow/base/ids.h"
#include "longbow/base/status.h"
#include "longbow/engine/view.h"
#include "longbow/storage/block_store.h"

namespace longbow::engine {

// Bounds of one row group, and so of the memory that sealing takes.
inline constexpr int64_t kRowGroupRows = 65536, kRowGroupBytes = int64_t{64} << 20;

// About what a row of the view takes in a block.
int64_t SealedRowBytes(const View& view, RowOrdinal first, RowOrdinal end);

struct SealRequest {
  const View* view = nullptr;
  ShardId shard = 0;
  uint64_t generation = 1;            // of the log
  RowOrdinal first = 0, end = 0;      // what the view shows of them is sealed; at least one row
  std::function<Status()> may_go_on;  // asked between row groups; its error ends the sealing
};
// A new file with these rows, on the medium but for its name. `dead` of the entry is not set.
Result<storage::BlockEntry> SealBlock(const SealRequest& request, storage::BlockStore* store);

}  // namespace longbow::engine
