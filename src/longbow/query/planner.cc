#include "longbow/query/planner.h"

#include <algorithm>

namespace longbow::query {
namespace {

// A scan of prefixes reads a part of each row; what is found is rescored from all of it.
constexpr double kNanosARow = 3, kNanosAByte = 0.05, kRescoredNanos = 200;

Plan PrefixScanPlan(const PlanInput& input) {
  const index::SearchShape& shape = input.shape;
  const double rows = static_cast<double>(shape.has_selection ? shape.selected : shape.rows);
  const double share = static_cast<double>(input.prefix_scalars) / std::max<double>(1, input.scalars);
  const double query = rows * (kNanosARow + kNanosAByte * share * static_cast<double>(input.row_bytes)) +
                       kRescoredNanos * shape.k;
  return {kPrefixScan, index::Method::kExactScan, query * shape.queries,
          input.prefixes_only || input.prefix_scalars == input.scalars};
}

}  // namespace

std::vector<Plan> ListPlans(const PlanInput& input) {
  std::vector<Plan> plans;
  for (const index::MethodCost& cost : input.index->Methods(input.shape)) {
    plans.push_back({index::MethodName(cost.method), cost.method, cost.nanos, cost.exact});
  }
  if (input.prefix_scalars > 0) plans.push_back(PrefixScanPlan(input));
  std::stable_sort(plans.begin(), plans.end(),
                   [](const Plan& a, const Plan& b) { return a.nanos < b.nanos; });
  return plans;
}

// Who asks for a prefix asks for its scan, unless the answer has to be exact.
bool MayBeTaken(const Plan& plan, const PlanInput& input) {
  if (input.prefixes_only) return plan.name == kPrefixScan;
  if (input.exact) return plan.exact && plan.name != kPrefixScan;
  return input.prefix_scalars == 0 || plan.name == kPrefixScan;
}

Result<Plan> ChoosePlan(const PlanInput& input) {
  for (const Plan& plan : ListPlans(input)) {
    if (MayBeTaken(plan, input)) return plan;
  }
  return Error(ErrorCode::kFailedPrecondition, "index \"", input.index->name(),
               "\" cannot answer exactly; leave out exact");
}

}  // namespace longbow::query
