// A scan over the row blocks of a view.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "longbow/base/clock.h"
#include "longbow/base/counters.h"
#include "longbow/engine/view.h"
#include "longbow/query/filter_cache.h"
#include "longbow/query/request.h"

namespace longbow::query {

struct BlockScanInput {
  std::shared_ptr<const engine::View> view;
  std::shared_ptr<const KnownFilter> filter;  // null: every row
  bool nothing = false;                       // the scan is empty
  std::vector<int> columns;                   // of the dataset's schema, ascending
  int64_t offset = 0;                         // rows passed over first
  int64_t limit = 0;                          // 0: all
  ScanOptions options;
  Counter* rows_scanned = nullptr;  // outlives the scan
  const Clock* clock = nullptr;
  int64_t deadline_ns = 0;  // on the clock's monotonic scale; 0: none
};

// DeadlineExceeded when the scan's time is over.
Status CheckTime(const BlockScanInput& input);

// Positions of the named columns in the schema, ascending; all when `names` is empty. InvalidArgument for
// unknown ones.
Result<std::vector<int>> ScanColumns(const engine::DatasetSchema& schema,
                                     const std::optional<std::vector<std::string>>& names);

// The schema of a scan's batches.
std::shared_ptr<arrow::Schema> ScanSchema(const BlockScanInput& input);
int64_t VectorBytesARow(const BlockScanInput& input);
// These rows, in the order given, as a batch of that schema; copies.
Result<std::shared_ptr<arrow::RecordBatch>> GatherRows(const BlockScanInput& input,
                                                       const std::shared_ptr<arrow::Schema>& schema,
                                                       std::span<const RowOrdinal> rows);

// The scan keeps the view, because slabs and versions are reached through it, but nothing waits for that:
// compaction and deletion make newer views and only the memory of what this one shows stays until the scan
// ends. Which rows of a block are visible is copied when the scan reaches the block.
Result<std::unique_ptr<Scan>> MakeBlockScan(BlockScanInput input);

}  // namespace longbow::query
