#include <cstdio>
#include <filesystem>

#include "ann/longbow_contender.h"
#include "ann/machine.h"
#include "ann/measures.h"

namespace longbow::bench {

std::unique_ptr<LongbowIndex> OpenOurs(const Dataset& data, const Options& options) {
  auto ours = std::make_unique<LongbowIndex>(InputOf(data), options.threads, options.graph);
  const std::string kept = options.indexes_at + "/longbow";
  if (!options.indexes_at.empty() && std::filesystem::exists(kept)) {
    ours->Load(kept, data.base);
    return ours;
  }
  const Stopwatch watch(Stopwatch::Of::kProcess);
  ours->Build(data.base, options.threads);
  const Times time = watch.Elapsed();
  const auto rows = static_cast<double>(data.base.rows);
  std::printf(
      "built: %.0f rows/s by %d threads, %.0f a processor second; %.0f bytes a row beyond the vectors\n",
      rows / time.wall, options.threads, rows / time.processor,
      static_cast<double>(ours->index().memory_bytes()) / rows);
  return ours;
}

Json MeasureBuild(const Dataset& data, const Options& options) {
  if (options.contenders.size() != 1 || options.indexes_at.empty())
    Fail("build takes one contender and --indexes-at");
  const ContenderType type = FindContender(options.contenders[0]);
  const MemoryUsed before = ReadMemoryUsed();
  const auto contender = type.make(InputOf(data));
  const Stopwatch watch(Stopwatch::Of::kProcess);
  contender->Build(data.base, options.threads);
  const Times time = watch.Elapsed();
  const MemoryUsed after = ReadMemoryUsed();
  const std::string path = options.indexes_at + "/" + type.name;
  contender->Save(path + ".part");
  std::filesystem::rename(path + ".part", path);  // so that what is there is whole
  const auto rows = static_cast<double>(data.base.rows);
  const double bytes = static_cast<double>(after.anonymous - before.anonymous) / rows;
  const double raw = static_cast<double>(data.base.dim * sizeof(float));
  std::printf(
      "%-16s built by %d threads in %.1f s, %.1f processor seconds: %.0f rows/s; %.0f bytes a row, %.2f x "
      "raw\n",
      type.name.c_str(), options.threads, time.wall, time.processor, rows / time.wall, bytes, bytes / raw);
  Json result{
      {"contender", type.name},         {"family", type.family}, {"settings", type.settings},
      {"threads", options.threads},     {"seconds", time.wall},  {"processor_seconds", time.processor},
      {"rows_per_s", rows / time.wall}, {"bytes_a_row", bytes},  {"times_raw", bytes / raw}};
  if (const auto* ours = dynamic_cast<const LongbowIndex*>(contender.get()); ours != nullptr) {
    result["vector_bytes_a_row"] = static_cast<double>(ours->store().bytes()) / rows;
    result["index_bytes_a_row"] = static_cast<double>(ours->index().memory_bytes()) / rows;
  }
  return result;
}

Json MeasureBuildRates(const Dataset& data, const Options& options) {
  auto names = options.contenders;
  if (names.empty()) names = {"longbow", "hnswlib-16"};
  struct Rate {
    std::vector<double> wall, processor;
  };
  std::vector<std::array<Rate, 2>> rates(names.size());
  const auto rows = static_cast<double>(data.base.rows);
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < names.size(); ++i) {
      for (int threads : {1, 2}) {
        const auto contender = FindContender(names[i]).make(InputOf(data));
        const Stopwatch watch(Stopwatch::Of::kProcess);
        contender->Build(data.base, threads);
        const Times time = watch.Elapsed();
        Rate& rate = rates[i][static_cast<size_t>(threads - 1)];
        rate.wall.push_back(rows / time.wall);
        rate.processor.push_back(rows / time.processor);
      }
    }
  }
  Json contenders = Json::array();
  for (size_t i = 0; i < names.size(); ++i) {
    std::vector<double> scaling, over, processor_over;
    for (size_t round = 0; round < rates[i][0].wall.size(); ++round) {
      scaling.push_back(rates[i][1].wall[round] / rates[i][0].wall[round]);
      over.push_back(rates[0][1].wall[round] / rates[i][1].wall[round]);
      processor_over.push_back(rates[0][1].processor[round] / rates[i][1].processor[round]);
    }
    const Rate& two = rates[i][1];
    std::printf(
        "%-16s %7.0f rows/s by 2 threads, %.2f x 1 thread; %s is %.2f x that (%.2f x by processor time)\n",
        names[i].c_str(), Median(two.wall), Median(scaling), names[0].c_str(), Median(over),
        Median(processor_over));
    contenders.push_back({{"contender", names[i]},
                          {"rows_per_s_1_thread", Median(rates[i][0].wall)},
                          {"rows_per_s_2_threads", Median(two.wall)},
                          {"rows_per_processor_s", Median(two.processor)},
                          {"two_over_one", Median(scaling)},
                          {"first_over_this", Median(over)},
                          {"first_over_this_processor", Median(processor_over)}});
  }
  return {{"rounds", options.rounds}, {"contenders", contenders}};
}

}  // namespace longbow::bench
