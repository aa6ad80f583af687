// The measurements that ann_bench offers, one file each. Each prints what it sees and returns it as JSON.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "ann/contender.h"
#include "ann/dataset.h"
#include "longbow/index/graph/graph_index.h"

namespace longbow::bench {

using Json = nlohmann::ordered_json;

struct Options {
  std::string directory, indexes_at, json;
  std::vector<std::string> contenders;
  size_t rows = 0;  // 0: all
  int threads = 2, rounds = 7, generations = 100;
  uint32_t k = 10;
  index::GraphOptions graph;   // of ours, where it is not one of several contenders
  std::vector<uint32_t> efs;   // that `walk` goes through; empty: the contender's
  bool all_methods = false;    // `filters` also tries those that would not be chosen
  std::vector<double> shares;  // that `filters` selects; empty: the usual ones
  std::string kind;            // of filters; empty: all
};

inline constexpr std::array<double, 3> kRecalls{0.90, 0.95, 0.99};

// Builds one contender on `threads`, keeps it under `indexes_at`: seconds, bytes.
Json MeasureBuild(const Dataset& data, const Options& options);
// Rows linked a second with 1 and 2 threads, contenders in turn, `rounds` times.
Json MeasureBuildRates(const Dataset& data, const Options& options);
// Queries a second of kept contenders at the recalls, in interleaved rounds.
Json MeasureSearch(const Dataset& data, const Options& options);
// Our own graph by ef, and by the recall that is asked for: for tuning.
Json MeasureWalk(const Dataset& data, const Options& options);
// Rows a second into a graph that is there, and what searches keep of their speed meanwhile.
Json MeasureInserts(const Dataset& data, const Options& options);
// Recall and reachability after replacing much, deleting a cluster, sorted and repeated rows.
Json MeasureChurn(const Dataset& data, const Options& options);
// The scan of codes, which needs no graph.
Json MeasureScan(const Dataset& data, const Options& options);
// Searches among the rows that a filter lets through.
Json MeasureFilters(const Dataset& data, const Options& options);

class LongbowIndex;
// Ours with `options.graph`: loaded from `indexes_at` when it is kept there, otherwise built.
std::unique_ptr<LongbowIndex> OpenOurs(const Dataset& data, const Options& options);

ContenderType FindContender(const std::string& name);
inline ContenderInput InputOf(const Dataset& data) { return {data.metric, data.base.rows, data.base.dim}; }

inline double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

}  // namespace longbow::bench
