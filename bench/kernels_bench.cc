// Nanoseconds a distance, by element type, dimension, level and shape of the call, beside the row bytes that
// pass.
//
//   kernels_bench [--json FILE] [--metric l2|cosine|ip] [--types float32,uint8,...|all] [--dims 128,768,...]
//                 [--milliseconds N a case]
//
// rows   one query against rows that lie one behind the other, in cache (256 KiB) and in memory (256 MiB)
// gather one query against rows anywhere in memory
// tile   32 queries against rows in cache; `x rows` is how much faster a distance is than one query at a time
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/distance/kernels.h"

namespace longbow::distance {
namespace {

constexpr size_t kCacheBytes = 256 << 10, kMemoryBytes = 256 << 20, kTileQueries = 32;

struct Options {
  std::string json;
  Metric metric = Metric::kL2;
  std::vector<ElementType> types{ElementType::kFloat32, ElementType::kFloat16, ElementType::kUInt8,
                                 ElementType::kInt8, ElementType::kFloat64};
  std::vector<size_t> dims{128, 256, 384, 512, 768, 1024, 1536, 3072};
  int milliseconds = 40;
};

struct Timing {
  double nanos = 0;      // a distance
  double gigabytes = 0;  // a second, of rows read
};

struct Line {
  SimdLevel level;
  ElementType type;
  size_t dim;
  Timing rows_cache, rows_memory, gather_memory, tile_cache;
};

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(text.size(), comma + 1));
  }
  return parts;
}

[[noreturn]] void Usage(const std::string& problem) {
  std::fprintf(stderr, "kernels_bench: %s; see the first lines of bench/kernels_bench.cc\n", problem.c_str());
  std::exit(2);
}

size_t Number(const std::string& text) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0) Usage("not a number: " + text);
  return value;
}

std::vector<ElementType> Types(const std::string& text) {
  std::vector<ElementType> types;
  if (text == "all") {
    for (int i = 0; i < kElementTypes; ++i) types.push_back(static_cast<ElementType>(i));
    return types;
  }
  for (const std::string& name : Split(text)) {
    const auto type = ElementTypeFromName(name);
    if (!type) Usage("unknown element type " + name);
    types.push_back(*type);
  }
  return types;
}

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (i + 1 == argc) Usage("value missing after " + std::string(flag));
    const std::string value = argv[i + 1];
    if (flag == "--json") {
      options.json = value;
    } else if (flag == "--metric") {
      const auto metric = MetricFromName(value);
      if (!metric) Usage("unknown metric " + value);
      options.metric = *metric;
    } else if (flag == "--types") {
      options.types = Types(value);
    } else if (flag == "--dims") {
      options.dims.clear();
      for (const std::string& dim : Split(value)) options.dims.push_back(Number(dim));
    } else if (flag == "--milliseconds") {
      options.milliseconds = static_cast<int>(Number(value));
    } else {
      Usage("unknown flag " + std::string(flag));
    }
  }
  return options;
}

// The median of five spans of calls, each a fifth of the time.
template <typename Call>
double NanosACall(int milliseconds, Call&& call) {
  using Clock = std::chrono::steady_clock;
  call();
  std::vector<double> spans;
  for (int span = 0; span < 5; ++span) {
    const auto start = Clock::now();
    const auto end = start + std::chrono::microseconds(milliseconds * 200);
    int64_t calls = 0;
    auto now = start;
    do {
      call();
      ++calls;
      now = Clock::now();
    } while (now < end);
    spans.push_back(std::chrono::duration<double, std::nano>(now - start).count() /
                    static_cast<double>(calls));
  }
  std::nth_element(spans.begin(), spans.begin() + 2, spans.end());
  return spans[2];
}

// Rows of finite values of any type, at both sizes.
class Rows {
 public:
  Rows() : bytes_(kMemoryBytes + 64) {
    data_ = bytes_.data() + (64 - reinterpret_cast<uintptr_t>(bytes_.data()) % 64) % 64;
  }
  void Fill(ElementType type) {
    const size_t width = ScalarBytes(type);
    std::mt19937_64 random(1);
    const size_t scalars = kMemoryBytes / width;
    constexpr size_t kPattern = 1 << 16;
    for (size_t i = 0; i < std::min(kPattern, scalars); ++i) Put(type, random, data_ + i * width);
    for (size_t at = kPattern * width; at < kMemoryBytes; at += kPattern * width) {
      std::memcpy(data_ + at, data_, std::min(kPattern * width, kMemoryBytes - at));
    }
  }
  const std::byte* data() const { return data_; }

 private:
  static void Put(ElementType type, std::mt19937_64& random, std::byte* at) {
    const uint64_t bits = random();
    const double unit = static_cast<double>(bits >> 11) * 0x1p-53 - 0.5;
    if (type == ElementType::kFloat64 || type == ElementType::kComplex128) {
      std::memcpy(at, &unit, 8);
    } else if (type == ElementType::kFloat32 || type == ElementType::kComplex64) {
      const auto single = static_cast<float>(unit);
      std::memcpy(at, &single, 4);
    } else if (type == ElementType::kFloat16) {
      const auto half = static_cast<uint16_t>((bits & 0x83ff) | 0x3800);
      std::memcpy(at, &half, 2);
    } else {
      std::memcpy(at, &bits, ScalarBytes(type));
    }
  }
  std::vector<std::byte> bytes_;
  std::byte* data_;
};

Line Measure(const Options& options, SimdLevel level, ElementType type, size_t dim, const Rows& all) {
  const size_t scalars = dim * static_cast<size_t>(ScalarsPerElement(type)),
               row_bytes = scalars * ScalarBytes(type);
  const size_t query_bytes = scalars * (QueryTypeOf(type) == QueryType::kFloat32 ? 4 : 8);
  std::vector<std::byte> queries(kTileQueries * query_bytes);
  std::vector<double> values(scalars);
  for (size_t q = 0; q < kTileQueries; ++q) {
    ToDouble(type, all.data() + (q + 1) * 97 * ScalarBytes(type), scalars, values.data());
    PrepareQuery(options.metric, type, values, queries.data() + q * query_bytes);
  }
  const auto& kernels = Kernels(options.metric, type, level);
  const size_t cached = std::max<size_t>(8, kCacheBytes / row_bytes), stored = kMemoryBytes / row_bytes;
  constexpr size_t kBatch = 1024;
  std::vector<float> out(std::max(kBatch, kTileQueries * cached));
  std::vector<const std::byte*> row_at(stored);
  std::vector<size_t> order(stored);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(2));
  for (size_t i = 0; i < stored; ++i) row_at[i] = all.data() + order[i] * row_bytes;

  const auto timing = [&](double nanos, size_t rows, size_t query_count) {
    return Timing{nanos / static_cast<double>(rows * query_count),
                  static_cast<double>(rows * row_bytes) / nanos};
  };
  Line line{level, type, dim, {}, {}, {}, {}};
  line.rows_cache = timing(
      NanosACall(options.milliseconds,
                 [&] { kernels.rows(queries.data(), all.data(), row_bytes, cached, scalars, out.data()); }),
      cached, 1);
  line.tile_cache = timing(NanosACall(options.milliseconds,
                                      [&] {
                                        kernels.tile(queries.data(), query_bytes, kTileQueries, all.data(),
                                                     row_bytes, cached, scalars, out.data());
                                      }),
                           cached, kTileQueries);
  size_t at = 0;
  const size_t batch = std::min(kBatch, stored);
  const auto advance = [&] { at = at + 2 * batch <= stored ? at + batch : 0; };
  line.rows_memory = timing(NanosACall(options.milliseconds,
                                       [&] {
                                         kernels.rows(queries.data(), all.data() + at * row_bytes, row_bytes,
                                                      batch, scalars, out.data());
                                         advance();
                                       }),
                            batch, 1);
  line.gather_memory =
      timing(NanosACall(options.milliseconds,
                        [&] {
                          kernels.gather(queries.data(), row_at.data() + at, batch, scalars, out.data());
                          advance();
                        }),
             batch, 1);
  return line;
}

void Print(const Line& line) {
  std::printf("%-8s %-10s %5zu | %8.1f %6.1f | %8.1f %6.1f | %8.1f %6.1f | %8.2f %6.2f\n",
              std::string(SimdLevelName(line.level)).c_str(), std::string(ElementTypeName(line.type)).c_str(),
              line.dim, line.rows_cache.nanos, line.rows_cache.gigabytes, line.rows_memory.nanos,
              line.rows_memory.gigabytes, line.gather_memory.nanos, line.gather_memory.gigabytes,
              line.tile_cache.nanos, line.rows_cache.nanos / line.tile_cache.nanos);
  std::fflush(stdout);
}

void WriteJson(const Options& options, const std::vector<Line>& lines) {
  std::ofstream file(options.json);
  const auto timing = [&](const char* name, const Timing& t, const char* end) {
    file << '"' << name << "\": {\"ns\": " << t.nanos << ", \"gb_per_s\": " << t.gigabytes << "}" << end;
  };
  file << "{\"benchmark\": \"kernels\", \"metric\": \"" << MetricName(options.metric)
       << "\", \"tile_queries\": " << kTileQueries << ", \"lines\": [\n";
  for (const Line& line : lines) {
    file << "  {\"level\": \"" << SimdLevelName(line.level) << "\", \"type\": \""
         << ElementTypeName(line.type) << "\", \"dim\": " << line.dim << ", ";
    timing("rows_cache", line.rows_cache, ", ");
    timing("rows_memory", line.rows_memory, ", ");
    timing("gather_memory", line.gather_memory, ", ");
    timing("tile_cache", line.tile_cache, &line == &lines.back() ? "}\n" : "},\n");
  }
  file << "]}\n";
  if (!file.flush()) Usage("cannot write " + options.json);
}

int Run(const Options& options) {
  std::printf("metric %s; ns a distance and GB/s of rows; tile: 32 queries\n",
              std::string(MetricName(options.metric)).c_str());
  std::printf("%-8s %-10s %5s | %8s %6s | %8s %6s | %8s %6s | %8s %6s\n", "level", "type", "dim", "cached",
              "GB/s", "memory", "GB/s", "gather", "GB/s", "tile", "x rows");
  Rows rows;
  std::vector<Line> lines;
  for (ElementType type : options.types) {
    rows.Fill(type);
    for (SimdLevel level : {SimdLevel::kScalar, SimdLevel::kNeon, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
      if (!Supported(level)) continue;
      for (size_t dim : options.dims) {
        lines.push_back(Measure(options, level, type, dim, rows));
        Print(lines.back());
      }
    }
  }
  if (!options.json.empty()) WriteJson(options, lines);
  return 0;
}

}  // namespace
}  // namespace longbow::distance

int main(int argc, char** argv) { return longbow::distance::Run(longbow::distance::Parse(argc, argv)); }
