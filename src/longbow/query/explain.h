// The table that tells how a search is, or was, answered.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "longbow/base/status.h"
#include "longbow/query/planner.h"
#include "longbow/query/request.h"
#include "longbow/text/text_index.h"

namespace longbow::query {

// A row a plan, cheapest first:
//   plan utf8, chosen bool, exact bool, cost_nanos float64, reason utf8 (why not, null for the chosen one),
//   index utf8, filter utf8 (as printed; null without), queries, k int32 (searched for), rows, selected
//   int64, selectivity float64,
// and of the chosen one, when it was run, else null:
//   coverage utf8, hits, distances, codes, hops, bytes, postings (in the lists that were opened) int64,
//   prepare_nanos, filter_nanos, search_nanos, columns_nanos, total_nanos int64
// A search by vector and text is a plan "fusion" of which others are parts, as their reason says.
struct ExplainInput {
  const SearchRequest* request = nullptr;
  // What happened; its plan is "none" when nothing was selected.
  const SearchAnswer* answer = nullptr;
  const PlanInput* neighbors = nullptr;  // null: not searched by vector
  std::string_view neighbor_plan;        // that was chosen for these
  std::optional<text::TextCost> texts;   // absent: not searched by text
  std::optional<int64_t> hits;           // absent: nothing was run
  uint32_t queries = 1, k = 0;
};
Result<std::shared_ptr<arrow::RecordBatch>> ExplainTable(const ExplainInput& input);

}  // namespace longbow::query
