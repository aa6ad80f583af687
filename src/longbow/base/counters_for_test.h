// For tests: what ListCounters tells.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <string_view>

#include "longbow/base/counters.h"

namespace longbow {

// The last value under each name, and under name/label/label... by the labels' values; of a histogram how
// many it holds. Confined.
class CountersSeen final : public CounterVisitor {
 public:
  // `source` has a ListCounters.
  template <typename Source>
  static CountersSeen Of(const Source& source) {
    CountersSeen seen;
    source.ListCounters(seen);
    return seen;
  }
  // Not a number, which equals nothing, where there is none.
  double operator[](const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::nan("") : found->second;
  }

  void Visit(std::string_view name, std::string_view, const Labels& labels, const Counter& counter) override {
    Keep(name, labels, static_cast<double>(counter.value()));
  }
  void Visit(std::string_view name, std::string_view, const Labels& labels, const Gauge& gauge) override {
    Keep(name, labels, static_cast<double>(gauge.value()));
  }
  void Visit(std::string_view name, std::string_view, const Labels& labels, const Histogram& histogram,
             double) override {
    int64_t count = 0;
    for (const int64_t bucket : histogram.buckets()) count += bucket;
    Keep(name, labels, static_cast<double>(count));
  }
  void VisitValue(std::string_view name, std::string_view, const Labels& labels, double value) override {
    Keep(name, labels, value);
  }

 private:
  void Keep(std::string_view name, const Labels& labels, double value) {
    std::string key(name);
    values_[key] = value;
    for (const auto& label : labels) key += "/" + label.second;
    values_[key] = value;
  }

  std::map<std::string, double> values_;
};

}  // namespace longbow
