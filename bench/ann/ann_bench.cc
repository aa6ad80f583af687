// Our index beside others, and what only ours can do. `make bench-ann` runs it over all data sets; by hand:
//
//   ann_bench contenders
//   ann_bench build       DIRECTORY --indexes-at DIR --contenders NAME [--threads 2]
//   ann_bench build-rates DIRECTORY [--contenders NAME,...] [--rows 30000] [--rounds 3]
//   ann_bench search      DIRECTORY --indexes-at DIR --contenders NAME,... [--rounds 7] [--k 10]
//   ann_bench walk|inserts|churn|scan|filters|codecs DIRECTORY [--rows N] [--rounds 7] [--threads 2]
//   [--generations 100]
//             [--ef 20,40,...: of walk] [--methods all] [--shares 0.01,0.1] [--kind uncorrelated: of filters]
//             [--codecs f32,sq8: of codecs] [--degree 32|64] [--bits 1..4]
//             [--build-ef N] [--occlusion X]
//
// all with [--json FILE]. DIRECTORY is what ann_dataset writes, or other vectors as ann/dataset.h says.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string_view>
#include <thread>

#include "ann/machine.h"
#include "ann/measures.h"
#include "longbow/codec/code_kernels.h"

namespace longbow::bench {

ContenderType FindContender(const std::string& name) {
  std::string known;
  for (const ContenderType& type : AllContenders()) {
    if (type.name == name) return type;
    known += " " + type.name;
  }
  Fail("no contender " + name + "; there are:" + known);
}

namespace {

using Measure = Json (*)(const Dataset&, const Options&);
const std::map<std::string_view, Measure> kMeasures{
    {"build", MeasureBuild},     {"build-rates", MeasureBuildRates},
    {"search", MeasureSearch},   {"inserts", MeasureInserts},
    {"churn", MeasureChurn},     {"scan", MeasureScan},
    {"filters", MeasureFilters}, {"walk", MeasureWalk},
    {"codecs", MeasureCodecs}};

int Number(const char* text) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*end != 0 || value <= 0) Fail(std::string("expected a number above 0, given ") + text);
  return static_cast<int>(value);
}

std::vector<std::string> Split(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    parts.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(list.size(), comma + 1));
  }
  return parts;
}

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 2; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (!flag.starts_with("--")) {
      options.directory = flag;
      continue;
    }
    if (i + 1 == argc) Fail("no value for " + std::string(flag));
    const char* value = argv[++i];
    if (flag == "--indexes-at")
      options.indexes_at = value;
    else if (flag == "--json")
      options.json = value;
    else if (flag == "--rows")
      options.rows = static_cast<size_t>(Number(value));
    else if (flag == "--threads")
      options.threads = Number(value);
    else if (flag == "--rounds")
      options.rounds = Number(value);
    else if (flag == "--generations")
      options.generations = Number(value);
    else if (flag == "--k")
      options.k = static_cast<uint32_t>(Number(value));
    else if (flag == "--degree")
      options.graph.degree = static_cast<uint32_t>(Number(value));
    else if (flag == "--bits")
      options.graph.bits = static_cast<uint32_t>(Number(value));
    else if (flag == "--build-ef")
      options.graph.link.ef = options.graph.link.renewal_ef = static_cast<uint32_t>(Number(value));
    else if (flag == "--occlusion")
      options.graph.link.occlusion = std::strtof(value, nullptr);
    else if (flag == "--kind")
      options.kind = value;
    else if (flag == "--methods" && std::string_view(value) == "all")
      options.all_methods = true;
    else if (flag == "--codecs")
      options.codecs = Split(value);
    else if (flag == "--contenders") {
      options.contenders = Split(value);
    } else if (flag == "--shares") {
      for (const std::string& share : Split(value))
        options.shares.push_back(std::strtod(share.c_str(), nullptr));
    } else if (flag == "--ef") {
      for (const std::string& ef : Split(value))
        options.efs.push_back(static_cast<uint32_t>(Number(ef.c_str())));
    } else {
      Fail("unknown option " + std::string(flag) + "; see the first lines of bench/ann/ann_bench.cc");
    }
  }
  return options;
}

int Run(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "contenders") {
    for (const ContenderType& type : AllContenders())
      std::printf("%s\t%s\t%s\n", type.name.c_str(), type.family.c_str(), type.settings.c_str());
    return 0;
  }
  const auto measure = kMeasures.find(command);
  const Options options = Parse(argc, argv);
  if (measure == kMeasures.end() || options.directory.empty())
    Fail("expected a command and a directory; see the first lines of bench/ann/ann_bench.cc");
  const Dataset data = LoadDataset(options.directory, options.rows);
  const double share = static_cast<double>(data.base.bytes()) / static_cast<double>(LastLevelCacheBytes());
  std::printf("%s: %zu x %zu %s, %zu queries, %.1f x the last-level cache\n", data.name.c_str(),
              data.base.rows, data.base.dim, std::string(distance::MetricName(data.metric)).c_str(),
              data.queries.rows, share);
  Json result{{"measure", command},
              {"set", data.name},
              {"rows", data.base.rows},
              {"dim", data.base.dim},
              {"metric", distance::MetricName(data.metric)},
              {"queries", data.queries.rows},
              {"times_last_level_cache", share},
              {"processor", ProcessorName()},
              {"simd", codec::BestCodeKernels().name},
              {"cores", std::thread::hardware_concurrency()}};
  result.update(measure->second(data, options));
  if (options.json.empty()) return 0;
  std::ofstream out(options.json);
  out << result.dump(1) << '\n';
  if (!out.flush()) Fail("cannot write " + options.json);
  return 0;
}

}  // namespace
}  // namespace longbow::bench

int main(int argc, char** argv) { return longbow::bench::Run(argc, argv); }
