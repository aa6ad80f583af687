// Counting in a word. A module keeps its counters as members of a struct, and lists them to whoever exports.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace longbow {

// Atomic.
class Counter {
 public:
  void Add(int64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Atomic.
class Gauge {
 public:
  void Set(int64_t n) { value_.store(n, std::memory_order_relaxed); }
  void Add(int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Counts of values by power of two, for durations in nanoseconds and sizes in bytes. Atomic.
class Histogram {
 public:
  static constexpr int kBuckets = 44;  // bucket i holds values below 2^i
  void Record(int64_t value);
  std::array<int64_t, kBuckets> buckets() const;
  int64_t sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<int64_t>, kBuckets> buckets_{};
  std::atomic<int64_t> sum_{0};
};

using Labels = std::vector<std::pair<std::string_view, std::string>>;

// Whoever exports implements this; modules call it with what they have. `name` carries no prefix: the
// exporter adds "longbow_". A histogram's `unit` is what a value of 1 is worth in the exported unit (1e-9:
// nanoseconds -> seconds).
class CounterVisitor {
 public:
  virtual ~CounterVisitor() = default;
  virtual void Visit(std::string_view name, std::string_view help, const Labels& labels,
                     const Counter& counter) = 0;
  virtual void Visit(std::string_view name, std::string_view help, const Labels& labels,
                     const Gauge& gauge) = 0;
  virtual void Visit(std::string_view name, std::string_view help, const Labels& labels,
                     const Histogram& histogram, double unit) = 0;
  // A value computed at the moment of asking.
  virtual void VisitValue(std::string_view name, std::string_view help, const Labels& labels,
                          double value) = 0;
};

}  // namespace longbow
