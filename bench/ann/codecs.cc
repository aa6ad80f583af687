#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "ann/exact.h"
#include "ann/longbow_contender.h"
#include "ann/machine.h"
#include "ann/measures.h"

namespace longbow::bench {
namespace {

constexpr std::array<uint32_t, 10> kEfs{12, 16, 24, 36, 54, 80, 120, 180, 270, 400};

struct Codec {
  std::string name;
  std::unique_ptr<LongbowIndex> ours;
  double build_rate = 0;                               // rows a processor second
  std::array<double, kEfs.size()> recall{};            // by ef
  std::array<std::vector<double>, kEfs.size()> qps{};  // of each round
};

Codec BuildOf(const Dataset& data, const Options& options, const std::string& name) {
  Codec codec;
  codec.name = name;
  codec.ours = std::make_unique<LongbowIndex>(InputOf(data), options.threads, options.graph,
                                              distance::ElementType::kFloat32, name);
  const Stopwatch watch(Stopwatch::Of::kProcess);
  codec.ours->Build(data.base, options.threads);
  codec.build_rate = static_cast<double>(data.base.rows) / watch.Elapsed().processor;
  return codec;
}

void Round(const Dataset& data, const Truth& truth, Codec* codec) {
  std::vector<uint32_t> found(data.queries.rows * truth.k());
  for (size_t i = 0; i < kEfs.size(); ++i) {
    const Stopwatch watch;
    codec->ours->Search(data.queries, truth.k(), Knob{kEfs[i], 0}, found.data());
    codec->qps[i].push_back(static_cast<double>(data.queries.rows) / watch.Elapsed().processor);
    codec->recall[i] = truth.Recall(found);
  }
}

// Between the two lengths around it; 0: the longest does not reach it.
double QpsAt(const Codec& codec, double recall) {
  for (size_t i = 0; i < kEfs.size(); ++i) {
    if (codec.recall[i] < recall) continue;
    const double here = std::log(Median(codec.qps[i]));
    if (i == 0 || codec.recall[i] == codec.recall[i - 1]) return std::exp(here);
    const double share = (recall - codec.recall[i - 1]) / (codec.recall[i] - codec.recall[i - 1]);
    return std::exp(std::log(Median(codec.qps[i - 1])) * (1 - share) + here * share);
  }
  return 0;
}

}  // namespace

Json MeasureCodecs(const Dataset& data, const Options& options) {
  std::vector<std::string> names = options.codecs;
  if (names.empty()) names = {"f32", "f16", "sq8", "rabitq", "auto"};
  std::vector<Codec> codecs;
  for (const std::string& name : names) codecs.push_back(BuildOf(data, options, name));
  AskForHugePages();
  const Truth truth(data, options.k);
  for (int round = 0; round < options.rounds; ++round) {
    for (Codec& codec : codecs) Round(data, truth, &codec);
  }
  // Recall lost is what the first codec finds more with as many nodes visited, at its best for that.
  Json all = Json::array();
  for (const Codec& codec : codecs) {
    Json one{{"codec", codec.name},
             {"rows_per_processor_s", codec.build_rate},
             {"bytes_a_row",
              static_cast<double>(codec.ours->index().memory_bytes()) / static_cast<double>(data.base.rows)}};
    std::printf("%-8s %6.0f rows/s built, %6.0f bytes a row;", codec.name.c_str(), codec.build_rate,
                one["bytes_a_row"].get<double>());
    for (double recall : kRecalls) {
      const double qps = QpsAt(codec, recall);
      one["at"].push_back({{"recall", recall}, {"qps", qps}});
      std::printf(" %.2f: %6.0f qps", recall, qps);
    }
    double lost = -1;
    for (size_t i = 0; i < kEfs.size(); ++i) {
      one["points"].push_back({{"ef", kEfs[i]}, {"recall", codec.recall[i]}, {"qps", Median(codec.qps[i])}});
      if (codecs[0].recall[i] >= kRecalls[0]) lost = std::max(lost, codecs[0].recall[i] - codec.recall[i]);
    }
    one["points_lost"] = 100 * lost;
    std::printf("; %.2f points of recall below %s, at most\n", 100 * lost, codecs[0].name.c_str());
    all.push_back(one);
  }
  std::printf("%10s", "recall, ef");
  for (uint32_t ef : kEfs) std::printf(" %6u", ef);
  for (const Codec& codec : codecs) {
    std::printf("\n%10s", codec.name.c_str());
    for (double recall : codec.recall) std::printf(" %.4f", recall);
  }
  std::printf("\n");
  return {{"codecs", all}};
}

}  // namespace longbow::bench
