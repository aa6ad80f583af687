#include "longbow/base/budget.h"

namespace longbow {

bool Budget::Look() {
  if (end_ != BudgetEnd::kNone) return false;
  until_look_ = kDistancesPerLook;
  if (distances_left_ < 0) {
    end_ = BudgetEnd::kDistances;
  } else if (stop_ != nullptr && stop_->stopped()) {
    end_ = BudgetEnd::kStopped;
  } else if (deadline_ns_ != 0 && clock_->MonotonicNanos() >= deadline_ns_) {
    end_ = BudgetEnd::kDeadline;
  }
  return end_ == BudgetEnd::kNone;
}

}  // namespace longbow
