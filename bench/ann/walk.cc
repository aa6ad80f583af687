#include <cstdio>

#include "ann/exact.h"
#include "ann/longbow_contender.h"
#include "ann/machine.h"
#include "ann/measures.h"

namespace longbow::bench {
namespace {

struct Seen {
  double recall, qps, hops, codes, distances, bytes;
};

Seen Look(const Dataset& data, const Options& options, const Truth& truth, index::Effort effort,
          LongbowIndex* ours) {
  std::vector<uint32_t> found(data.queries.rows * options.k);
  std::vector<double> seconds;
  ours->TakeWork();
  for (int round = 0; round < options.rounds; ++round) {
    const Stopwatch watch;
    for (size_t q = 0; q < data.queries.rows; ++q) {
      ours->Search(data.queries.vector(q), options.k, effort, index::Method::kWalk, nullptr, 0,
                   found.data() + q * options.k);
    }
    seconds.push_back(watch.Elapsed().processor);
  }
  const Work work = ours->TakeWork();
  const double queries = static_cast<double>(data.queries.rows), all = queries * options.rounds;
  return {truth.Recall(found),
          queries / Median(seconds),
          static_cast<double>(work.hops) / all,
          static_cast<double>(work.codes) / all,
          static_cast<double>(work.distances) / all,
          static_cast<double>(work.bytes) / all};
}

Json Said(const Seen& seen) {
  std::printf("%8.4f %9.0f %8.1f %9.0f %8.1f %9.1f\n", seen.recall, seen.qps, seen.hops, seen.codes,
              seen.distances, seen.bytes / 1e3);
  return {{"recall", seen.recall},       {"qps", seen.qps},    {"hops", seen.hops}, {"codes", seen.codes},
          {"distances", seen.distances}, {"bytes", seen.bytes}};
}

}  // namespace

Json MeasureWalk(const Dataset& data, const Options& options) {
  const auto ours = OpenOurs(data, options);
  const auto audit = ours->index().Audit().ValueOrDie();
  std::printf("%lld unreachable, %zu violations\n", static_cast<long long>(audit.unreachable),
              audit.violations.size());
  AskForHugePages();
  const Truth truth(data, options.k);
  std::vector<uint32_t> efs = options.efs;
  if (efs.empty()) efs = LongbowIndex::Lengths();
  Json points = Json::array(), asked = Json::array();
  std::printf("%12s %8s %9s %8s %9s %8s %9s\n", "", "recall", "qps", "hops", "codes", "full", "kB");
  for (uint32_t ef : efs) {
    std::printf("ef %9u ", ef);
    points.push_back(Said(Look(data, options, truth, {.ef = ef}, ours.get())));
    points.back()["ef"] = ef;
  }
  for (double recall : kRecalls) {
    std::printf("asked %6.2f ", recall);
    asked.push_back(Said(Look(data, options, truth, {.recall = static_cast<float>(recall)}, ours.get())));
    asked.back()["asked"] = recall;
  }
  return {{"unreachable", audit.unreachable}, {"points", points}, {"asked", asked}};
}

}  // namespace longbow::bench
