#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <numeric>
#include <random>

#include "ann/exact.h"
#include "ann/longbow_contender.h"
#include "ann/machine.h"
#include "ann/measures.h"

namespace longbow::bench {
namespace {

constexpr double kShares[] = {0.001, 0.01, 0.1, 0.5};
constexpr float kAimed = 0.95f;
constexpr uint32_t kMostHits = 4096;  // a search gives

// What one query may see.
struct Filter {
  RowSelection selection;
  std::vector<uint32_t> rows, nearest;
};

std::unique_ptr<Filter> FilterOf(const Dataset& data, std::vector<uint32_t> rows) {
  auto filter =
      std::make_unique<Filter>(Filter{RowSelection(static_cast<RowOrdinal>(data.base.rows)), {}, {}});
  std::sort(rows.begin(), rows.end());
  for (uint32_t row : rows) filter->selection.Add(row);
  filter->rows = std::move(rows);
  return filter;
}

size_t CountOf(const Dataset& data, double share) {
  return std::max<size_t>(1, static_cast<size_t>(share * static_cast<double>(data.base.rows)));
}

std::unique_ptr<Filter> RandomFilter(const Dataset& data, double share) {
  std::vector<uint32_t> rows(data.base.rows);
  std::iota(rows.begin(), rows.end(), 0u);
  std::shuffle(rows.begin(), rows.end(), std::mt19937_64(3));
  rows.resize(CountOf(data, share));
  return FilterOf(data, std::move(rows));
}

// Whole clusters in the order of their distance from a query, until they have the share wanted: what a label
// that depends on position lets through.
class ClusterFilters {
 public:
  explicit ClusterFilters(const Dataset& data) : data_(data) {
    for (uint32_t row = 0; row < data.base.rows; ++row) rows_[data.cluster[row]].push_back(row);
    for (const auto& [cluster, rows] : rows_) {
      std::vector<float> mean(data.base.dim);
      for (uint32_t row : rows) {
        for (size_t j = 0; j < mean.size(); ++j)
          mean[j] += data.base.row(row)[j] / static_cast<float>(rows.size());
      }
      means_.emplace_back(cluster, std::move(mean));
    }
  }

  std::unique_ptr<Filter> Make(size_t query, double share, bool nearest) const {
    std::vector<std::pair<double, uint32_t>> order;
    for (const auto& [cluster, mean] : means_) {
      const double distance = ExactDistance(distance::Metric::kL2, data_.queries.vector(query), mean);
      order.emplace_back(nearest ? distance : -distance, cluster);
    }
    std::sort(order.begin(), order.end());
    std::vector<uint32_t> rows;
    const size_t wanted = CountOf(data_, share);
    for (size_t i = 0; rows.size() < wanted; ++i) {
      const auto& more = rows_.at(order[i].second);
      rows.insert(rows.end(), more.begin(), more.end());
    }
    rows.resize(wanted);
    return FilterOf(data_, std::move(rows));
  }

 private:
  const Dataset& data_;
  std::map<uint32_t, std::vector<uint32_t>> rows_;
  std::vector<std::pair<uint32_t, std::vector<float>>> means_;
};

struct Outcome {
  double recall = 0, qps = 0;
  std::string method;
};

class FilterRounds {
 public:
  FilterRounds(const Dataset& data, const Options& options, LongbowIndex* ours)
      : data_(data), k_(options.k), rounds_(options.rounds), ours_(ours) {}

  // As a request with this filter would be answered.
  Outcome Chosen(const std::vector<const Filter*>& filters, const Truth& truth) {
    std::map<index::Method, size_t> methods;
    std::vector<index::Method> method_of(filters.size());
    for (size_t q = 0; q < filters.size(); ++q) {
      method_of[q] = ours_->Choose(k_, Effort(), filters[q]->rows.size());
      ++methods[method_of[q]];
    }
    Outcome outcome = Measure(truth, k_, [&](size_t q, uint32_t* found) {
      ours_->Search(data_.queries.vector(q), k_, Effort(), method_of[q], &filters[q]->selection, found);
    });
    for (const auto& [method, count] : methods)
      outcome.method += (outcome.method.empty() ? "" : ", ") + std::string(index::MethodName(method));
    return outcome;
  }

  // Searches for `more` times as many as would be enough on average, then filters.
  Outcome FilteredAfter(const std::vector<const Filter*>& filters, const Truth& truth, double share,
                        double more) {
    const auto wanted = static_cast<uint32_t>(more * k_ / share);
    if (wanted > kMostHits) return {};
    std::vector<uint32_t> all(wanted);
    return Measure(truth, k_, [&](size_t q, uint32_t* found) {
      ours_->Search(data_.queries.vector(q), wanted, index::Effort{.ef = wanted}, index::Method::kWalk,
                    nullptr, all.data());
      std::fill_n(found, k_, kNoRow);
      for (uint32_t i = 0, kept = 0; i < wanted && all[i] != kNoRow && kept < k_; ++i) {
        if (filters[q]->selection.Contains(all[i])) found[kept++] = all[i];
      }
    });
  }

 private:
  static index::Effort Effort() { return {.recall = kAimed}; }

  template <typename Search>
  Outcome Measure(const Truth& truth, uint32_t k, Search search) {
    std::vector<uint32_t> found(data_.queries.rows * k);
    std::vector<double> qps;
    for (int round = 0; round < rounds_; ++round) {
      const Stopwatch watch;
      for (size_t q = 0; q < data_.queries.rows; ++q) search(q, found.data() + q * k);
      qps.push_back(static_cast<double>(data_.queries.rows) / watch.Elapsed().processor);
    }
    return {truth.Recall(found), Median(qps), ""};
  }

  const Dataset& data_;
  const uint32_t k_;
  const int rounds_;
  LongbowIndex* const ours_;
};

void FindNearest(const Dataset& data, uint32_t k, const std::vector<const Filter*>& filters,
                 std::vector<std::vector<uint32_t>>* nearest) {
  const ExactSearch exact(data.metric, data.base);
  nearest->resize(data.queries.rows);
  Parallel(data.queries.rows, [&](size_t q) {
    (*nearest)[q] = exact.NearestAmong(data.queries.vector(q), filters[q]->rows, k);
  });
}

}  // namespace

Json MeasureFilters(const Dataset& data, const Options& options) {
  const auto owned = OpenOurs(data, options);
  LongbowIndex& ours = *owned;
  AskForHugePages();
  FilterRounds rounds(data, options, &ours);
  std::unique_ptr<ClusterFilters> clusters;
  if (data.cluster.empty())
    std::printf("no cluster.npy: only filters that have nothing to do with position\n");
  else
    clusters = std::make_unique<ClusterFilters>(data);

  Json cases = Json::array();
  for (const char* kind : {"uncorrelated", "correlated", "anti-correlated"}) {
    const bool random = std::string(kind) == "uncorrelated";
    if (!random && clusters == nullptr) continue;
    for (double share : kShares) {
      std::vector<std::unique_ptr<Filter>> owned;
      std::vector<const Filter*> filters(data.queries.rows);
      if (random) {
        owned.push_back(RandomFilter(data, share));
        std::fill(filters.begin(), filters.end(), owned[0].get());
      } else {
        owned.resize(data.queries.rows);
        Parallel(data.queries.rows,
                 [&](size_t q) { owned[q] = clusters->Make(q, share, std::string(kind) == "correlated"); });
        for (size_t q = 0; q < filters.size(); ++q) filters[q] = owned[q].get();
      }
      std::vector<std::vector<uint32_t>> nearest;
      FindNearest(data, options.k, filters, &nearest);
      const Truth truth(data, nearest, options.k);
      const Outcome chosen = rounds.Chosen(filters, truth);
      Json one{{"kind", kind},
               {"share", share},
               {"recall", chosen.recall},
               {"qps", chosen.qps},
               {"method", chosen.method}};
      std::printf("%-16s %5.1f %%: recall %.4f, %7.0f qps by %s", kind, 100 * share, chosen.recall,
                  chosen.qps, chosen.method.c_str());
      if (random) {
        for (double more : {1.0, 1.25, 1.5, 2.0, 3.0, 5.0}) {
          const Outcome after = rounds.FilteredAfter(filters, truth, share, more);
          if (after.recall < static_cast<double>(kAimed)) continue;
          one["post_filtering"] = {
              {"recall", after.recall}, {"qps", after.qps}, {"times_k_over_share", more}};
          one["over_post_filtering"] = chosen.qps / after.qps;
          std::printf("; %.2f x post-filtering (%.4f, %.0f qps)", chosen.qps / after.qps, after.recall,
                      after.qps);
          break;
        }
      }
      std::printf("\n");
      std::fflush(stdout);
      cases.push_back(one);
    }
  }
  return {{"asked_recall", kAimed}, {"cases", cases}};
}

}  // namespace longbow::bench
