#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <string_view>

#include "ann/exact.h"
#include "ann/longbow_contender.h"
#include "ann/machine.h"
#include "ann/measures.h"

namespace longbow::bench {
namespace {

const std::vector<double> kShares{0.001, 0.01, 0.1, 0.5};
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
  double hops = 0, codes = 0, distances = 0, bytes = 0;  // a query
  std::string method;
};

void Count(const Outcome& outcome, Json* json) {
  (*json)["hops"] = outcome.hops;
  (*json)["codes"] = outcome.codes;
  (*json)["distances"] = outcome.distances;
  (*json)["bytes"] = outcome.bytes;
}

class FilterRounds {
 public:
  FilterRounds(const Dataset& data, const Options& options, LongbowIndex* ours)
      : data_(data), k_(options.k), rounds_(options.rounds), ours_(ours) {}

  // By the n-th cheapest method of each query, 0 being the one that a request is answered by. No method: none
  // of the queries has so many. `ef`: 0 asks for the recall instead.
  Outcome ByMethod(const std::vector<const Filter*>& filters, const Truth& truth, size_t n) {
    return ByMethod(filters, truth, n, 0, rounds_);
  }
  Outcome ByMethod(const std::vector<const Filter*>& filters, const Truth& truth, size_t n, uint32_t ef,
                   int rounds) {
    std::vector<index::Method> method_of;
    std::set<std::string_view> names;
    for (const Filter* filter : filters) {
      const auto methods = ours_->Methods(k_, index::Effort{.recall = kAimed}, filter->rows.size());
      if (n >= methods.size()) return {};
      method_of.push_back(methods[n].method);
      names.insert(index::MethodName(methods[n].method));
    }
    const index::Effort effort{.recall = kAimed, .ef = ef};
    Outcome outcome = Measure(truth, rounds, [&](size_t q, uint32_t* found) {
      ours_->Search(data_.queries.vector(q), k_, effort, method_of[q], &filters[q]->selection,
                    filters[q]->rows.size(), found);
    });
    for (const std::string_view name : names)
      outcome.method.append(outcome.method.empty() ? "" : ", ").append(name);
    return outcome;
  }

  // Queries a second at the recall aimed at, whatever the effort that takes: ours, and a search without the
  // filter for more hits, of which those that pass are kept. By turns, as machines are now fast, now slow; of
  // all turns the medians. 0: so many hits as that takes cannot be asked for.
  struct AtAimedRecall {
    double chosen = 0, after = 0, ratio = 0;
  };
  AtAimedRecall CompareAtAimed(const std::vector<const Filter*>& filters, const Truth& truth, double share) {
    const auto choose = [&](uint32_t ef) { return ByMethod(filters, truth, 0, ef, 1); };
    const auto filter_after = [&](uint32_t hits) { return FilteredAfter(filters, truth, hits); };
    std::vector<uint32_t> hits;
    for (double more : {0.7, 0.85, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0}) {
      const auto wanted = static_cast<uint32_t>(std::ceil(more * k_ / share));
      if (wanted <= kMostHits) hits.push_back(wanted);
    }
    const auto efs = AroundAimed({10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448}, choose);
    hits = AroundAimed(hits, filter_after);
    std::vector<double> chosen, after, ratios;
    for (int round = 0; round < rounds_; ++round) {
      chosen.push_back(AtAimed(efs, choose));
      after.push_back(AtAimed(hits, filter_after));
      ratios.push_back(after.back() > 0 ? chosen.back() / after.back() : 0);
    }
    return {Median(chosen), Median(after), Median(ratios)};
  }

 private:
  // The first length that reaches the recall aimed at, behind the one before; none if none does.
  template <typename Search>
  static std::vector<uint32_t> AroundAimed(const std::vector<uint32_t>& lengths, const Search& search) {
    for (size_t i = 0; i < lengths.size(); ++i) {
      if (search(lengths[i]).recall < static_cast<double>(kAimed)) continue;
      return {lengths.begin() + static_cast<std::ptrdiff_t>(i > 0 ? i - 1 : 0),
              lengths.begin() + static_cast<std::ptrdiff_t>(i + 1)};
    }
    return {};
  }

  // By interpolation of log(queries a second) between the two lengths.
  template <typename Search>
  static double AtAimed(const std::vector<uint32_t>& around, const Search& search) {
    if (around.empty()) return 0;
    const Outcome below = search(around.front());
    if (around.size() == 1) return below.qps;
    const Outcome above = search(around.back());
    const double share = (static_cast<double>(kAimed) - below.recall) / (above.recall - below.recall);
    return std::exp(std::log(below.qps) * (1 - share) + std::log(above.qps) * share);
  }

  Outcome FilteredAfter(const std::vector<const Filter*>& filters, const Truth& truth, uint32_t wanted) {
    std::vector<uint32_t> all(wanted);
    return Measure(truth, 1, [&](size_t q, uint32_t* found) {
      ours_->Search(data_.queries.vector(q), wanted, index::Effort{.ef = wanted}, index::Method::kWalk,
                    nullptr, 0, all.data());
      std::fill_n(found, k_, kNoRow);
      for (uint32_t i = 0, kept = 0; i < wanted && all[i] != kNoRow && kept < k_; ++i) {
        if (filters[q]->selection.Contains(all[i])) found[kept++] = all[i];
      }
    });
  }

  template <typename Search>
  Outcome Measure(const Truth& truth, int rounds, Search search) {
    std::vector<uint32_t> found(data_.queries.rows * k_);
    std::vector<double> qps;
    ours_->TakeWork();
    for (int round = 0; round < rounds; ++round) {
      const Stopwatch watch;
      for (size_t q = 0; q < data_.queries.rows; ++q) search(q, found.data() + q * k_);
      qps.push_back(static_cast<double>(data_.queries.rows) / watch.Elapsed().processor);
    }
    const Work work = ours_->TakeWork();
    const double searches = static_cast<double>(data_.queries.rows) * rounds;
    return {truth.Recall(found),
            Median(qps),
            static_cast<double>(work.hops) / searches,
            static_cast<double>(work.codes) / searches,
            static_cast<double>(work.distances) / searches,
            static_cast<double>(work.bytes) / searches,
            ""};
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
    if (!options.kind.empty() && options.kind != kind) continue;
    for (double share : options.shares.empty() ? kShares : options.shares) {
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
      const Outcome chosen = rounds.ByMethod(filters, truth, 0);
      Json one{{"kind", kind},
               {"share", share},
               {"recall", chosen.recall},
               {"qps", chosen.qps},
               {"method", chosen.method}};
      Count(chosen, &one);
      std::printf("%-16s %5.1f %%: recall %.4f, %7.0f qps, %.0f hops, %.0f codes, %.0f full by %s", kind,
                  100 * share, chosen.recall, chosen.qps, chosen.hops, chosen.codes, chosen.distances,
                  chosen.method.c_str());
      if (random) {
        const auto at = rounds.CompareAtAimed(filters, truth, share);
        one["qps_at_asked_recall"] = at.chosen;
        if (at.after > 0) {
          one["post_filtering_qps"] = at.after;
          one["over_post_filtering"] = at.ratio;
        }
        std::printf("; at %.2f %.0f qps, post-filtering %.0f: %.2f x", static_cast<double>(kAimed), at.chosen,
                    at.after, at.ratio);
      }
      std::printf("\n");
      for (size_t n = 1; options.all_methods; ++n) {
        const Outcome other = rounds.ByMethod(filters, truth, n);
        if (other.method.empty()) break;
        std::printf("%32s recall %.4f, %7.0f qps by %s\n", "", other.recall, other.qps, other.method.c_str());
        one["others"].push_back({{"method", other.method}, {"recall", other.recall}, {"qps", other.qps}});
      }
      std::fflush(stdout);
      cases.push_back(one);
    }
  }
  return {{"asked_recall", kAimed}, {"cases", cases}};
}

}  // namespace longbow::bench
