#include "longbow/server/labeled_latencies.h"

#include <mutex>

namespace longbow::server {

void LabeledLatencies::Record(const std::string& value, int64_t nanos) {
  {
    std::shared_lock lock(mutex_);
    const auto found = by_value_.find(value);
    if (found != by_value_.end()) return found->second->Record(nanos);
  }
  std::unique_lock lock(mutex_);
  auto& histogram = by_value_[by_value_.size() < kMaxValues ? value : "other"];
  if (histogram == nullptr) histogram = std::make_unique<Histogram>();
  histogram->Record(nanos);
}

void LabeledLatencies::Keep(const std::function<bool(const std::string&)>& keep) {
  std::unique_lock lock(mutex_);
  std::erase_if(by_value_, [&](const auto& entry) { return entry.first != "other" && !keep(entry.first); });
}

void LabeledLatencies::List(CounterVisitor& visitor) const {
  constexpr double kNanos = 1e-9;
  std::shared_lock lock(mutex_);
  for (const auto& [value, nanos] : by_value_) visitor.Visit(name_, help_, {{label_, value}}, *nanos, kNanos);
}

}  // namespace longbow::server
