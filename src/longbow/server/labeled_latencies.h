// Latencies by the value of one label, of which clients may make up many.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "longbow/base/counters.h"

namespace longbow::server {

// Guarded by its mutex.
class LabeledLatencies {
 public:
  // Values beyond these are counted together, under "other".
  static constexpr size_t kMaxValues = 256;

  // All three are literals.
  LabeledLatencies(std::string_view name, std::string_view help, std::string_view label)
      : name_(name), help_(help), label_(label) {}

  void Record(const std::string& value, int64_t nanos);
  // Forgets the values that `keep` does not know.
  void Keep(const std::function<bool(const std::string& value)>& keep);
  void List(CounterVisitor& visitor) const;

 private:
  const std::string_view name_, help_, label_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::unique_ptr<Histogram>> by_value_;  // guarded by mutex_
};

}  // namespace longbow::server
