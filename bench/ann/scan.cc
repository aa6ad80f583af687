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

}  // namespace

Json MeasureScan(const Dataset& data, const Options& options) {
  const auto owned = OpenOurs(data, options);
  LongbowIndex& ours = *owned;
  AskForHugePages();
  const Json encoding = MeasureEncoding(ours, data, options.rounds);
  const Truth truth(data, options.k);
  std::vector<uint32_t> found(data.queries.rows * options.k);
  std::vector<double> qps, wall;
  ours.TakeWork();
  for (int round = 0; round < options.rounds; ++round) {
    const Stopwatch watch;
    for (size_t q = 0; q < data.queries.rows; ++q) {
      ours.Search(data.queries.vector(q), options.k, index::Effort{}, index::Method::kCodeScan, nullptr, 0,
                  found.data() + q * options.k);
    }
    const Times time = watch.Elapsed();
    qps.push_back(static_cast<double>(data.queries.rows) / time.processor);
    wall.push_back(static_cast<double>(data.queries.rows) / time.wall);
  }
  const double searches = static_cast<double>(data.queries.rows) * options.rounds;
  const Work work = ours.TakeWork();
  const double recall = truth.Recall(found);
  std::printf("scan of codes: recall %.4f, %.0f qps, %.0f exact distances a query\n", recall, Median(qps),
              static_cast<double>(work.distances) / searches);
  return {{"encode", encoding},
          {"recall", recall},
          {"qps", Median(qps)},
          {"qps_wall", Median(wall)},
          {"distances", static_cast<double>(work.distances) / searches},
          {"bytes", static_cast<double>(work.bytes) / searches}};
}

}  // namespace longbow::bench
