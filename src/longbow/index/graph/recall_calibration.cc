#include "longbow/index/graph/recall_calibration.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace longbow::index {
namespace {

// Before the first measurement: on embeddings of 100 to 1,500 dimensions such walks do better.
float AssumedRecall(uint32_t ef) { return 1 - 2.6f / static_cast<float>(ef); }

// Of the misses allowed, how many are aimed at: the graph grows to twice the size before it is measured
// again, and a sample errs, the more so the fewer misses are allowed.
float AimedAt(float missed) { return missed * std::clamp(0.5f + 5 * missed, 0.5f, 0.75f); }

}  // namespace

void RecallCalibration::Restore(const std::array<float, 10>& recall, uint64_t nodes) {
  for (size_t i = 0; i < kEf.size(); ++i) recall_[i].store(recall[i], std::memory_order_relaxed);
  if (recall[0] > 0) due_at_.store(2 * nodes, std::memory_order_relaxed);
}

// Between two lengths, the share missed falls with a power of the length.
uint32_t RecallCalibration::EfFor(float recall, uint32_t k) const {
  const float missed = std::clamp(AimedAt(1 - recall), 1e-3f, 0.5f);
  float ef = static_cast<float>(kEf.back());
  float last_missed = 0;
  for (size_t i = 0; i < kEf.size(); ++i) {
    const float measured = recall_at(i);
    const float misses = std::max(1e-4f, 1 - (measured > 0 ? measured : AssumedRecall(kEf[i])));
    if (misses <= missed) {
      const float here = static_cast<float>(kEf[i]);
      if (i == 0 || last_missed <= misses) {
        ef = here;
      } else {
        const float before = static_cast<float>(kEf[i - 1]);
        const float share = std::log(last_missed / missed) / std::log(last_missed / misses);
        ef = before * std::pow(here / before, share);
      }
      break;
    }
    if (i + 1 == kEf.size()) ef *= misses / missed;
    last_missed = misses;
  }
  const float more = k > kK ? 1.2f * static_cast<float>(k - kK) : 0;
  return std::max(static_cast<uint32_t>(std::min(ef, 4096.0f) + more + 1), k + k / 2);
}

void RecallCalibration::Observe(const Graph& graph, const RowChains& chains, const IndexInput& input,
                                RowOrdinal row, RowOrdinal indexed_end) {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || indexed_end < kK) return;
  const size_t scalars = input.store->scalars();
  std::vector<double> vector(scalars), query(scalars);
  distance::ToDouble(input.store->type(), input.store->Row(row), scalars, vector.data());
  if (!distance::PrepareQuery(input.metric, input.store->type(), vector, query.data())) return;

  const distance::KernelSet& kernels = distance::Kernels(input.metric, input.store->type());
  SearchSpec spec;
  spec.queries = reinterpret_cast<const std::byte*>(query.data());
  const uint32_t k[] = {kK};
  spec.k = k;
  spec.visibility = {input.versions, kNever - 1, indexed_end};  // what has not died
  FlatScan(input.store, kernels, spec, &scratch_.flat_).Run(&exact_);
  if (exact_.neighbors.size() < kK) return;
  const float farthest = exact_.neighbors.back().distance;
  for (size_t i = 0; i < kEf.size(); ++i) {
    GraphSearch(&graph, nullptr, chains, indexed_end, *input.store, kernels, spec, &scratch_)
        .Run(&hits_, [&](uint32_t, float) { return kEf[i]; });
    for (const Neighbor& n : hits_.neighbors) found_[i] += n.distance <= farthest;
  }
  if (++queries_ < kQueries) return;
  float best = 0;
  for (size_t i = 0; i < kEf.size(); ++i) {
    best = std::max(best, static_cast<float>(found_[i]) / static_cast<float>(kQueries * kK));
    recall_[i].store(std::max(best, 1e-3f), std::memory_order_relaxed);
  }
  found_ = {};
  queries_ = 0;
  due_at_.store(2 * std::max<uint64_t>(graph.size(), kFirstNodes), std::memory_order_relaxed);
}

}  // namespace longbow::index
