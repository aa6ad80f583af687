// From what was selected to how it is searched.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"
#include "longbow/index/vector_index.h"

namespace longbow::query {

// A way to answer, with what it would cost. Ways that are the index's own carry its method; others are told
// by their name.
struct Plan {
  std::string_view name = "none";  // of a static string
  index::Method method = index::Method::kExactScan;
  double nanos = 0;  // for all queries, on one core
  bool exact = true;
};

inline constexpr std::string_view kPrefixScan =
    "prefix_scan";  // the first elements of every row, then rescore
// Of searches with text: through the lists of the terms, or from one selected row to the next.
inline constexpr std::string_view kPostings = "postings", kPostingsOfSelection = "postings_of_selection";
inline constexpr std::string_view kFusion = "fusion";
inline constexpr std::string_view kNoPlan = "none";  // nothing was selected

// What is to be planned for. The count of selected rows is that of the materialised selection, so filters
// that choose the same rows get the same plan, however they are written.
struct PlanInput {
  const index::VectorIndex* index = nullptr;
  uint64_t methods_version = 0;  // of the index
  index::SearchShape shape;
  bool exact = false;           // only exact plans
  uint32_t prefix_scalars = 0;  // of `scalars` that are searched on first; 0: all
  bool prefixes_only = false;   // the queries have no more than the prefix
  uint32_t scalars = 0;
  size_t row_bytes = 0;
};

// Every plan, cheapest first; those that may not be taken, too.
std::vector<Plan> ListPlans(const PlanInput& input);
bool MayBeTaken(const Plan& plan, const PlanInput& input);
// The cheapest that may be taken. FailedPrecondition when there is none.
Result<Plan> ChoosePlan(const PlanInput& input);

}  // namespace longbow::query
