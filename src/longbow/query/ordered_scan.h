// Scans that look at every row before they hand out the first: in the order of a column, or only counted.
#pragma once

#include <memory>

#include "longbow/base/memory_ledger.h"
#include "longbow/query/block_scan.h"

namespace longbow::query {

// Ordered by the column, rows of equal value in insertion order. Charges the ledger for a number a row.
// InvalidArgument for a column without an order.
Result<std::unique_ptr<Scan>> MakeOrderedScan(BlockScanInput input, const OrderBy& order,
                                              FilterCache* filters, MemoryLedger* ledger);

// One batch of one row: `count` int64, the rows that a scan with this offset and limit would hand out.
Result<std::unique_ptr<Scan>> MakeCountScan(BlockScanInput input, FilterCache* filters);

}  // namespace longbow::query
