// The table that tells how a search is, or was, answered.
#pragma once

#include <memory>
#include <string>

#include "longbow/base/status.h"
#include "longbow/query/planner.h"
#include "longbow/query/request.h"

namespace longbow::query {

// A row a plan, cheapest first:
//   plan utf8, chosen bool, exact bool, cost_nanos float64, reason utf8 (why not, null for the chosen one),
//   index utf8, filter utf8 (as printed; null without), queries, k int32 (searched for), rows, selected
//   int64, selectivity float64,
// and of the chosen one, when it was run, else null:
//   coverage utf8, hits, distances, codes, hops, bytes int64,
//   prepare_nanos, filter_nanos, search_nanos, columns_nanos, total_nanos int64
// `answer` says what happened; its plan is "none" when nothing was selected, and empty when none was run.
Result<std::shared_ptr<arrow::RecordBatch>> ExplainTable(const PlanInput& input, const SearchRequest& request,
                                                         const SearchAnswer& answer, bool ran, int64_t hits);

}  // namespace longbow::query
