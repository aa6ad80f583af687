#include "longbow/base/counters.h"

#include <algorithm>
#include <bit>

namespace longbow {

void Histogram::Record(int64_t value) {
  value = std::max<int64_t>(value, 0);
  const int bucket = std::min<int>(std::bit_width(static_cast<uint64_t>(value)), kBuckets - 1);
  buckets_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::array<int64_t, Histogram::kBuckets> Histogram::buckets() const {
  std::array<int64_t, kBuckets> copy;
  for (size_t i = 0; i < copy.size(); ++i) copy[i] = buckets_[i].load(std::memory_order_relaxed);
  return copy;
}

}  // namespace longbow
