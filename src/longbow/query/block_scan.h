// A scan over the row blocks of a view.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "longbow/engine/view.h"
#include "longbow/filter/filter.h"
#include "longbow/query/search.h"

namespace longbow::query {

struct BlockScanInput {
  std::shared_ptr<const engine::View> view;
  std::shared_ptr<const filter::BoundFilter> filter;  // null: every row
  bool nothing = false;                               // the scan is empty
  std::vector<int> columns;                           // of the dataset's schema, ascending
  int64_t limit = 0;                                  // 0: all
  ScanOptions options;
  Counter* rows_scanned = nullptr;  // outlives the scan
};

// Positions of the named columns in the schema, ascending; all when `names` is empty. InvalidArgument for
// unknown ones.
Result<std::vector<int>> ScanColumns(const engine::DatasetSchema& schema,
                                     const std::optional<std::vector<std::string>>& names);

// The scan keeps the view, because slabs and versions are reached through it, but nothing waits for that:
// compaction and deletion make newer views and only the memory of what this one shows stays until the scan
// ends. Which rows of a block are visible is copied when the scan reaches the block.
Result<std::unique_ptr<Scan>> MakeBlockScan(BlockScanInput input);

}  // namespace longbow::query
