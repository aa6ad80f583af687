#include <algorithm>
#include <atomic>
#include <cstdio>
#include <numeric>
#include <thread>

#include "ann/longbow_contender.h"
#include "ann/machine.h"
#include "ann/measures.h"

namespace longbow::bench {
namespace {

constexpr size_t kMostRows = 100000;
constexpr double kRowsASecond = 1000;
constexpr size_t kRowsAtOnce = 50;
constexpr double kWindowSeconds = 2;  // of searches with, and of searches without inserts
constexpr uint32_t kEf = 40;

// Queries a second by the clock on the wall, for so long.
double SearchFor(double seconds, LongbowIndex* ours, const Dataset& data, uint32_t k) {
  std::vector<uint32_t> found(k);
  size_t searches = 0;
  const Stopwatch watch;
  while (searches % 64 != 0 || watch.Elapsed().wall < seconds) {
    ours->Search(data.queries.vector(searches % data.queries.rows), k, index::Effort{.ef = kEf},
                 index::Method::kWalk, nullptr, 0, found.data());
    ++searches;
  }
  return static_cast<double>(searches) / watch.Elapsed().wall;
}

// Appends rows of `extra` from `*next` on at a steady rate until told to stop.
void InsertSteadily(LongbowIndex* ours, const Matrix& extra, size_t* next, const std::atomic<bool>& stop) {
  const Stopwatch watch;
  for (size_t inserted = 0; !stop.load();) {
    const double due = static_cast<double>(inserted) / kRowsASecond - watch.Elapsed().wall;
    if (due > 0) std::this_thread::sleep_for(std::chrono::duration<double>(due));
    std::vector<uint32_t> rows(kRowsAtOnce);
    for (uint32_t& row : rows) row = static_cast<uint32_t>((*next)++ % extra.rows);
    ours->Append(extra, rows, false);
    inserted += kRowsAtOnce;
  }
}

}  // namespace

Json MeasureInserts(const Dataset& data, const Options& options) {
  if (data.extra.rows < 2 * static_cast<size_t>(kRowsASecond))
    Fail("inserts need extra.npy, rows of the same kind");
  const size_t rows = std::min(data.base.rows, kMostRows);
  Matrix base{rows,
              data.base.dim,
              {data.base.values.begin(),
               data.base.values.begin() + static_cast<std::ptrdiff_t>(rows * data.base.dim)}};
  LongbowIndex ours(InputOf(data), 1, options.graph);  // one builder: what one core does
  ours.Build(base, 1);
  AskForHugePages();

  // Half of the extra rows at once: what a core links a second. The rest trickle in beside searches.
  const size_t burst = data.extra.rows / 2;
  std::vector<double> rates, processor_rates;
  const size_t parts = 5, part = burst / parts;
  for (size_t i = 0; i < parts; ++i) {
    std::vector<uint32_t> part_rows(part);
    std::iota(part_rows.begin(), part_rows.end(), static_cast<uint32_t>(i * part));
    const Stopwatch watch(Stopwatch::Of::kProcess);
    ours.Append(data.extra, part_rows);
    const Times time = watch.Elapsed();
    rates.push_back(static_cast<double>(part) / time.wall);
    processor_rates.push_back(static_cast<double>(part) / time.processor);
  }
  std::printf("into %zu rows: %.0f rows/s a core, %.0f a processor second\n", rows, Median(rates),
              Median(processor_rates));

  std::vector<double> kept;
  size_t next = burst;
  SearchFor(kWindowSeconds / 4, &ours, data, options.k);
  double before = SearchFor(kWindowSeconds, &ours, data, options.k), during = 0;
  for (int round = 0; round < options.rounds; ++round) {
    std::atomic<bool> stop{false};
    std::thread writer([&] { InsertSteadily(&ours, data.extra, &next, stop); });
    during = SearchFor(kWindowSeconds, &ours, data, options.k);
    stop.store(true);
    writer.join();
    ours.WaitIndexed();
    const double after = SearchFor(kWindowSeconds, &ours, data, options.k);
    kept.push_back(during / ((before + after) / 2));
    before = after;
  }
  std::printf("beside %.0f inserts/s: %.0f qps at ef %u, alone %.0f; %.0f %% kept\n", kRowsASecond, during,
              kEf, before, 100 * Median(kept));
  return {{"graph_rows", rows},
          {"rows_per_s_core", Median(rates)},
          {"rows_per_processor_s", Median(processor_rates)},
          {"inserts_per_s", kRowsASecond},
          {"qps_kept", Median(kept)},
          {"ef", kEf},
          {"qps_alone", before}};
}

}  // namespace longbow::bench
