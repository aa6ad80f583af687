#include <algorithm>
#include <cstdio>

#include "ann/exact.h"
#include "ann/longbow_contender.h"
#include "ann/machine.h"
#include "ann/measures.h"
#include "longbow/index/graph/graph_space.h"
#include "longbow/index/graph/row_codes.h"

namespace longbow::bench {
namespace {

constexpr RowOrdinal kRowsAtOnce = 1024, kSampledRows = 1024;

// Rows coded a second on one core.
Json MeasureEncoding(const LongbowIndex& ours, const Dataset& data, int rounds) {
  MemoryLedger ledger(0, 0);
  std::vector<double> rates;
  double bytes = 0;
  for (int round = 0; round < rounds; ++round) {
    const index::GraphSpace space(data.metric, &ours.store(), 1, 0, kSampledRows);
    index::RowCodes codes(&space, &ours.store(), &ledger);
    const Stopwatch watch;
    while (codes.Code(ours.end(), kRowsAtOnce)) {
    }
    rates.push_back(static_cast<double>(codes.coded_end()) / watch.Elapsed().processor);
    bytes = static_cast<double>(codes.block_bytes()) / index::RowCodes::kRows;
  }
  std::printf("encoding: %.0f rows/s a core, %.0f bytes a row\n", Median(rates), bytes);
  return {{"rows_per_s", Median(rates)}, {"bytes_a_row", bytes}};
}

// `count` queries a call.
Json MeasureCalls(const Dataset& data, const Options& options, const Truth& truth, float recall,
                  uint32_t count, LongbowIndex* ours) {
  std::vector<uint32_t> found(data.queries.rows * options.k);
  std::vector<double> qps, wall;
  ours->TakeWork();
  for (int round = 0; round < options.rounds; ++round) {
    const Stopwatch watch;
    for (size_t q = 0; q < data.queries.rows; q += count) {
      ours->SearchTogether(data.queries, q,
                           static_cast<uint32_t>(std::min<size_t>(count, data.queries.rows - q)), options.k,
                           {.recall = recall}, index::Method::kCodeScan, found.data() + q * options.k);
    }
    const Times time = watch.Elapsed();
    qps.push_back(static_cast<double>(data.queries.rows) / time.processor);
    wall.push_back(static_cast<double>(data.queries.rows) / time.wall);
  }
  const double searches = static_cast<double>(data.queries.rows) * options.rounds;
  const Work work = ours->TakeWork();
  const double got = truth.Recall(found), distances = static_cast<double>(work.distances) / searches;
  std::printf(
      "asked for %.2f, %2u a call: recall %.4f, %6.0f qps, %.0f exact distances and %.1f MB a query\n",
      static_cast<double>(recall), count, got, Median(qps), distances,
      static_cast<double>(work.bytes) / searches / 1e6);
  return {{"asked", recall},
          {"queries_a_call", count},
          {"recall", got},
          {"qps", Median(qps)},
          {"qps_wall", Median(wall)},
          {"distances", distances},
          {"bytes", static_cast<double>(work.bytes) / searches}};
}

}  // namespace

Json MeasureScan(const Dataset& data, const Options& options) {
  const auto ours = OpenOurs(data, options);
  AskForHugePages();
  Json result{{"encode", MeasureEncoding(*ours, data, options.rounds)}};
  const Truth truth(data, options.k);
  // What is compared comes first: as many as are asked for by default, one query a call.
  for (float recall : {0.95f, 0.90f, 0.98f, 0.99f}) {
    for (uint32_t count : {1u, 16u}) {
      Json calls = MeasureCalls(data, options, truth, recall, count, ours.get());
      if (result.contains("calls")) {
        result["calls"].push_back(calls);
      } else {
        result.update(calls);
        result["calls"] = Json::array({calls});
      }
    }
  }
  return result;
}

}  // namespace longbow::bench
