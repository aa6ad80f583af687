#include <algorithm>
#include <array>
#include <cstdio>
#include <numeric>
#include <random>

#include "ann/exact.h"
#include "ann/longbow_contender.h"
#include "ann/machine.h"
#include "ann/measures.h"

namespace longbow::bench {
namespace {

constexpr int kFreshBuilds = 3;
constexpr double kReplaced = 0.02, kRepeated = 0.05;
constexpr double kRecall = 0.95;  // ef is what a fresh build needs for this
constexpr std::array<double, 7> kLengths{0.65, 0.75, 0.85, 1.0, 1.15, 1.3, 1.5};  // of it, looked at

struct Seen {
  double recall, hops, codes;  // of a query
};

Seen LookAt(LongbowIndex* ours, const Dataset& data, const Truth& truth, uint32_t ef) {
  std::vector<uint32_t> found(data.queries.rows * truth.k());
  ours->TakeWork();
  ours->Search(data.queries, truth.k(), Knob{ef, 0}, found.data());
  const Work work = ours->TakeWork();
  const auto queries = static_cast<double>(data.queries.rows);
  return {truth.Recall(found), static_cast<double>(work.hops) / queries,
          static_cast<double>(work.codes) / queries};
}

// The mean over some lengths around `ef`: at one alone, two builds differ by more than what is looked for.
Seen Look(LongbowIndex* ours, const Dataset& data, const Truth& truth, uint32_t ef) {
  Seen mean{};
  for (double times : kLengths) {
    const Seen seen = LookAt(ours, data, truth, static_cast<uint32_t>(times * ef));
    mean.recall += seen.recall / kLengths.size();
    mean.hops += seen.hops / kLengths.size();
    mean.codes += seen.codes / kLengths.size();
  }
  return mean;
}

int64_t Unreachable(LongbowIndex* ours) {
  ours->WaitForMaintenance();
  const auto audit = ours->index().Audit().ValueOrDie();
  for (const std::string& violation : audit.violations) std::printf("  violation: %s\n", violation.c_str());
  return audit.unreachable;
}

std::unique_ptr<LongbowIndex> Fresh(const Dataset& data, const Matrix& base, std::span<const uint32_t> order,
                                    const Options& options) {
  auto ours = std::make_unique<LongbowIndex>(InputOf(data), options.threads, options.graph);
  ours->Append(base, order);
  return ours;
}

// The mean over some builds: two differ by as much as what is looked for.
Seen LookAtFresh(const Dataset& data, std::span<const uint32_t> order, const Truth& truth, uint32_t ef,
                 const Options& options) {
  Seen mean{};
  for (int build = 0; build < kFreshBuilds; ++build) {
    const auto fresh = Fresh(data, data.base, order, options);
    fresh->WaitForMaintenance();
    const Seen seen = Look(fresh.get(), data, truth, ef);
    mean.recall += seen.recall / kFreshBuilds;
    mean.hops += seen.hops / kFreshBuilds;
    mean.codes += seen.codes / kFreshBuilds;
  }
  return mean;
}

std::vector<uint32_t> AllRows(const Dataset& data) {
  std::vector<uint32_t> rows(data.base.rows);
  std::iota(rows.begin(), rows.end(), 0u);
  return rows;
}

Json Compared(const char* name, const Seen& now, const Seen& fresh, int64_t unreachable) {
  std::printf("%-34s recall %.4f, fresh build %.4f, %+.2f points; codes %.0f, fresh %.0f; %lld unreachable\n",
              name, now.recall, fresh.recall, 100 * (now.recall - fresh.recall), now.codes, fresh.codes,
              static_cast<long long>(unreachable));
  std::fflush(stdout);
  return {{"case", name},
          {"recall", now.recall},
          {"fresh_recall", fresh.recall},
          {"points_below_fresh", 100 * (fresh.recall - now.recall)},
          {"hops", now.hops},
          {"fresh_hops", fresh.hops},
          {"codes", now.codes},
          {"fresh_codes", fresh.codes},
          {"unreachable", unreachable}};
}

// Deletes random rows and appends their vectors again, generation after generation.
void Replace(LongbowIndex* ours, const Dataset& data, int generations) {
  std::mt19937_64 random(1);
  std::vector<uint32_t> sources = AllRows(data);
  std::vector<RowOrdinal> row_of(sources.begin(), sources.end());
  const auto count = static_cast<size_t>(kReplaced * static_cast<double>(data.base.rows));
  for (int generation = 0; generation < generations; ++generation) {
    for (size_t i = 0; i < count; ++i) std::swap(sources[i], sources[i + random() % (sources.size() - i)]);
    const std::span<const uint32_t> chosen(sources.data(), count);
    std::vector<RowOrdinal> gone;
    for (uint32_t source : chosen) gone.push_back(row_of[source]);
    ours->Erase(gone);
    RowOrdinal row = ours->end();
    for (uint32_t source : chosen) row_of[source] = row++;
    ours->Append(data.base, chosen);
  }
}

// One row in 20 becomes equal to another.
Dataset WithRepeats(const Dataset& data) {
  Dataset repeated = data;
  std::mt19937_64 random(2);
  const auto count = static_cast<size_t>(kRepeated * static_cast<double>(data.base.rows));
  for (size_t i = 0; i < count; ++i) {
    const size_t from = random() % data.base.rows, to = random() % data.base.rows;
    std::copy_n(data.base.row(from), data.base.dim, repeated.base.values.data() + to * data.base.dim);
  }
  repeated.neighbors.clear();
  for (auto& found : ExactSearch(data.metric, repeated.base).NearestOfMany(data.queries, Dataset::kTruth)) {
    found.resize(Dataset::kTruth, kNoRow);
    repeated.neighbors.insert(repeated.neighbors.end(), found.begin(), found.end());
  }
  return repeated;
}

}  // namespace

Json MeasureChurn(const Dataset& data, const Options& options) {
  const Truth truth(data, options.k);
  const std::vector<uint32_t> all = AllRows(data);
  Json cases = Json::array();
  auto ours = Fresh(data, data.base, all, options);
  uint32_t ef = 0;
  ours->WaitForMaintenance();
  for (const uint32_t length : LongbowIndex::Lengths()) {
    ef = length;
    if (LookAt(ours.get(), data, truth, ef).recall >= kRecall) break;
  }
  const Seen fresh = LookAtFresh(data, all, truth, ef, options);
  std::printf("fresh builds: recall %.4f around ef %u\n", fresh.recall, ef);

  const Stopwatch watch(Stopwatch::Of::kProcess);
  Replace(ours.get(), data, options.generations);
  const double replaced = kReplaced * static_cast<double>(data.base.rows) * options.generations;
  std::printf("%.0f rows replaced a second\n", replaced / watch.Elapsed().wall);
  const int64_t unreachable = Unreachable(ours.get());
  cases.push_back(
      Compared("100 generations of 2 % replaced", Look(ours.get(), data, truth, ef), fresh, unreachable));
  cases.back()["generations"] = options.generations;

  if (data.cluster.empty()) {
    std::printf("no cluster.npy: no cluster deleted, no sorted inserts\n");
  } else {
    std::vector<uint32_t> kept, gone;
    for (uint32_t row : all) (data.cluster[row] == 0 ? gone : kept).push_back(row);
    ours = Fresh(data, data.base, all, options);
    ours->Erase(gone);
    int64_t lost = Unreachable(ours.get());
    std::vector<std::vector<uint32_t>> neighbors(data.queries.rows);
    const ExactSearch exact(data.metric, data.base);
    Parallel(data.queries.rows,
             [&](size_t q) { neighbors[q] = exact.NearestAmong(data.queries.vector(q), kept, options.k); });
    const Truth truth_of_kept(data, neighbors, options.k);
    cases.push_back(Compared("a whole cluster deleted", Look(ours.get(), data, truth_of_kept, ef),
                             LookAtFresh(data, kept, truth_of_kept, ef, options), lost));
    ours->Append(data.base, gone);
    lost = Unreachable(ours.get());
    cases.push_back(Compared("and inserted again", Look(ours.get(), data, truth, ef), fresh, lost));

    std::vector<uint32_t> sorted = all;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&](uint32_t a, uint32_t b) { return data.cluster[a] < data.cluster[b]; });
    ours = Fresh(data, data.base, sorted, options);
    lost = Unreachable(ours.get());
    cases.push_back(Compared("inserts sorted by cluster", Look(ours.get(), data, truth, ef), fresh, lost));
  }

  const Dataset repeated = WithRepeats(data);
  const Truth truth_of_repeated(repeated, options.k);
  ours = Fresh(repeated, repeated.base, all, options);
  const int64_t lost = Unreachable(ours.get());
  cases.push_back(
      Compared("5 % exact duplicates", Look(ours.get(), repeated, truth_of_repeated, ef), fresh, lost));
  return {{"ef", ef}, {"cases", cases}};
}

}  // namespace longbow::bench
