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

float MissedAt(float recall) { return std::max(1e-4f, 1 - recall); }

// How far on the way between two points that miss `first` and `last` lies the one that misses `missed`.
float Share(float first, float last, float missed) {
  return first <= last ? 1 : std::log(first / missed) / std::log(first / last);
}
float Between(float first, float last, float share) { return first * std::pow(last / first, share); }

}  // namespace

RecallCalibration::Measured RecallCalibration::measured() const {
  Measured measured;
  const auto load = [](const std::atomic<float>& value) { return value.load(std::memory_order_relaxed); };
  std::ranges::transform(recall_, measured.recall.begin(), load);
  std::ranges::transform(reach_recall_, measured.reach_recall.begin(), load);
  std::ranges::transform(reach_hops_, measured.reach_hops.begin(), load);
  return measured;
}

void RecallCalibration::Set(const Measured& measured) {
  const auto store = [](const auto& from, auto* to) {
    for (size_t i = 0; i < from.size(); ++i) (*to)[i].store(from[i], std::memory_order_relaxed);
  };
  store(measured.recall, &recall_);
  store(measured.reach_recall, &reach_recall_);
  store(measured.reach_hops, &reach_hops_);
  version_.fetch_add(1, std::memory_order_release);
}

void RecallCalibration::Restore(const Measured& measured, uint64_t nodes) {
  Set(measured);
  if (measured.recall[0] > 0) due_at_.store(2 * nodes, std::memory_order_relaxed);
}

// Between two lengths, the share missed falls with a power of the length.
float RecallCalibration::EfFor(const Measured& measured, float missed) {
  float last_missed = 0;
  for (size_t i = 0; i < kEf.size(); ++i) {
    const float recall = measured.recall[i] > 0 ? measured.recall[i] : AssumedRecall(kEf[i]);
    const float misses = MissedAt(recall), here = static_cast<float>(kEf[i]);
    if (misses <= missed)
      return i == 0 ? here
                    : Between(static_cast<float>(kEf[i - 1]), here, Share(last_missed, misses, missed));
    last_missed = misses;
  }
  return static_cast<float>(kEf.back()) * last_missed / missed;
}

// Between two reaches as well. Length 0 where none was measured to miss so few.
WalkLength RecallCalibration::ReachFor(const Measured& measured, float missed) {
  for (size_t i = 0; i < kReach.size(); ++i) {
    if (measured.reach_recall[i] == 0) break;
    const float misses = MissedAt(measured.reach_recall[i]), hops = measured.reach_hops[i];
    if (misses > missed) continue;
    if (i == 0) return {0, kReach[0], static_cast<uint32_t>(hops) + 1};
    const float share = Share(MissedAt(measured.reach_recall[i - 1]), misses, missed);
    return {0, Between(kReach[i - 1], kReach[i], share),
            static_cast<uint32_t>(Between(measured.reach_hops[i - 1], hops, share)) + 1};
  }
  return {};
}

WalkLength RecallCalibration::LengthFor(float recall, uint32_t k) const {
  const float missed = std::clamp(AimedAt(1 - recall), 1e-3f, 0.5f);
  const Measured now = measured();
  const float more = k > kK ? 1.2f * static_cast<float>(k - kK) : 0;
  const auto for_k = [&](float visits) {
    return std::max(static_cast<uint32_t>(std::min(visits, 4096.0f) + more + 1), k + k / 2);
  };
  const uint32_t ef = for_k(EfFor(now, missed));
  WalkLength reaching = ReachFor(now, missed);
  reaching.ef = ef;
  reaching.hops = for_k(static_cast<float>(reaching.hops));
  return reaching.reach > 0 && reaching.hops < ef ? reaching : WalkLength{ef, 0, ef};
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
  const auto find = [&](WalkLength length) {
    GraphSearch(&graph, nullptr, chains, indexed_end, *input.store, kernels, spec, &scratch_)
        .Run(&hits_, [&](uint32_t, float) { return length; });
    return static_cast<uint32_t>(
        std::ranges::count_if(hits_.neighbors, [&](const Neighbor& n) { return n.distance <= farthest; }));
  };
  uint32_t found = 0;
  for (size_t i = 0; i < kEf.size(); ++i) {
    if (found < kK) found = find({kEf[i], 0, kEf[i]});  // a longer walk finds what a shorter one has found
    found_[i] += found;
  }
  // Where lengths differ, a sample of reaches says little about the next queries.
  const size_t reaches = graph.LengthsDiffer() ? 0 : kReach.size();
  for (size_t i = 0; i < reaches; ++i) {
    reach_found_[i] += find({kEf.back(), kReach[i], kEf.front()});
    reach_hops_sum_[i] += static_cast<uint32_t>(hits_.work.hops);
  }
  if (++queries_ < kQueries) return;
  Publish();
  due_at_.store(2 * std::max<uint64_t>(graph.size(), kFirstNodes), std::memory_order_relaxed);
}

void RecallCalibration::Publish() {
  Measured measured;
  const auto means = [](const auto& found, auto* recall) {
    float best = 1e-3f;
    for (size_t i = 0; i < found.size(); ++i) {
      best = std::max(best, static_cast<float>(found[i]) / static_cast<float>(kQueries * kK));
      (*recall)[i] = best;
    }
  };
  means(found_, &measured.recall);
  means(reach_found_, &measured.reach_recall);
  // A graph that has grown misses more. Where the sample says otherwise, one of the two had luck.
  const Measured before = this->measured();
  const auto pool = [](const auto& smaller, auto* recall) {
    for (size_t i = 0; i < smaller.size(); ++i) {
      if (smaller[i] > 0 && smaller[i] < (*recall)[i]) (*recall)[i] = (smaller[i] + (*recall)[i]) / 2;
    }
  };
  pool(before.recall, &measured.recall);
  pool(before.reach_recall, &measured.reach_recall);
  for (size_t i = 0; i < kReach.size(); ++i)
    measured.reach_hops[i] = static_cast<float>(reach_hops_sum_[i]) / static_cast<float>(kQueries);
  Set(measured);
  found_ = {};
  reach_found_ = reach_hops_sum_ = {};
  queries_ = 0;
}

}  // namespace longbow::index
