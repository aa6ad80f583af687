// The graph index on a data set of numpy files, step by step: build rate, recall, hops, bytes and queries a
// second by ef, and, where hnswlib's headers were found at configuration, both in interleaved rounds.
//
//   graph_bench DIRECTORY [--json FILE] [--threads N] [--rounds N] [--ef 20,40,...]
//               [--peer] [--k N] [--keep DIRECTORY: the graph is loaded from there, or built and saved there]
//               [--codec auto|f32|f16|sq8|rabitq]
//               [--compare-codecs ROWS: instead of all else, recall of each codec on the first ROWS rows]
//               [--degree 32|64] [--bits 1..4] [--build-ef N] [--occlusion X] [--select 0.01,0.1,0.5]
//               [--churn GENERATIONS, of 2 %]
//               [--trickle ROWS replaced a second beside searches]
//               [--scan: code scans of all rows]
//               [--groups: each query within its own and within a far group of group.npy]
//
// DIRECTORY holds base.npy, queries.npy (float32) and gt_dist.npy (true distances, 100 a query, l2).
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sys/mman.h>

#include "longbow/base/executor.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/index/graph/graph_index.h"
#if defined(LONGBOW_HNSWLIB)
#include "hnswlib/hnswlib.h"
#endif

namespace longbow::index {
namespace {

struct Options {
  std::string directory, json, codec = "auto";
  int threads = 1;
  int rounds = 5;
  uint32_t k = 10;
  bool peer = false;
  std::string keep;
  GraphOptions graph;
  int churn = 0;
  bool groups = false;
  bool scan = false;
  uint32_t compare_rows = 0;
  double trickle = 0;
  double churn_share = 0.02;
  std::vector<double> selections;
  std::vector<uint32_t> ef{12, 16, 20, 28, 40, 56, 80, 112, 160, 224, 320};
};

[[noreturn]] void Fail(const std::string& problem) {
  std::fprintf(stderr, "graph_bench: %s; see the first lines of bench/graph_bench.cc\n", problem.c_str());
  std::exit(2);
}

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of this thread: what others do on a shared machine is left out as far as it can be.
double ThreadSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}
double ProcessSeconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

struct BuildTime {
  double wall = 0, processor = 0;
};

struct Matrix {
  size_t rows = 0, columns = 1;
  std::vector<float> values;
  const float* row(size_t i) const { return values.data() + i * columns; }
};

Matrix LoadNpy(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  char magic[10];
  if (!in.read(magic, 10)) Fail("cannot read " + path);
  std::string header(
      static_cast<uint8_t>(magic[8]) | static_cast<size_t>(static_cast<uint8_t>(magic[9])) << 8, ' ');
  in.read(header.data(), static_cast<std::streamsize>(header.size()));
  if (header.find("'<f4'") == std::string::npos) Fail(path + " does not hold float32");
  Matrix m;
  if (std::sscanf(header.c_str() + header.find("'shape': (") + 10, "%zu, %zu", &m.rows, &m.columns) < 1)
    Fail(path);
  m.values.resize(m.rows * m.columns);
  in.read(reinterpret_cast<char*>(m.values.data()),
          static_cast<std::streamsize>(m.values.size() * sizeof(float)));
  return m;
}

float SquaredDistance(const float* a, const float* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return static_cast<float>(sum);
}

std::vector<int16_t> LoadGroups(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  char magic[10];
  if (!in.read(magic, 10)) Fail("cannot read " + path);
  in.seekg(10 + (static_cast<uint8_t>(magic[8]) | static_cast<std::streamoff>(static_cast<uint8_t>(magic[9]))
                                                      << 8));
  std::vector<int16_t> groups;
  for (int16_t group; in.read(reinterpret_cast<char*>(&group), sizeof(group));) groups.push_back(group);
  return groups;
}

// Ties with the last true neighbour count as hits.
struct Truth {
  const Matrix& base;
  const Matrix& queries;
  std::vector<float> farthest;  // of the k, squared, a query

  double Recall(const std::vector<std::vector<uint32_t>>& found, uint32_t k) const {
    double hits = 0;
    for (size_t q = 0; q < found.size(); ++q) {
      for (uint32_t row : found[q]) {
        hits +=
            SquaredDistance(queries.row(q), base.row(row), base.columns) <= farthest[q] * (1 + 1e-5f) + 1e-7f;
      }
    }
    return hits / static_cast<double>(found.size() * k);
  }
};

struct Point {
  uint32_t ef = 0;
  double recall = 0, qps = 0, hops = 0, distances = 0, kilobytes = 0;
  std::vector<double> round_qps;
};

// Queries a second at a recall, by interpolation of log(qps) between the points around it; 0: not reached.
double QpsAt(const std::vector<Point>& points, double recall, size_t round) {
  for (size_t i = 1; i < points.size(); ++i) {
    if (points[i].recall < recall) continue;
    if (points[i - 1].recall >= recall) return points[0].round_qps[round];
    const double share = (recall - points[i - 1].recall) / (points[i].recall - points[i - 1].recall);
    return std::exp(std::log(points[i - 1].round_qps[round]) * (1 - share) +
                    std::log(points[i].round_qps[round]) * share);
  }
  return 0;
}

double Median(std::vector<double> x) {
  if (x.empty()) return 0;
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

class Ours {
 public:
  Ours(const Options& options, const Matrix& base)
      : options_(options),
        base_(base),
        store_(distance::ElementType::kFloat32, static_cast<uint32_t>(base.columns), &arena_, &ledger_) {
    builders_ = MakeThreadPool({.name = "builder", .threads = options.threads, .queue_limit = 4096});
    IndexInput input;
    input.store = &store_;
    input.versions = &versions_;
    input.builders = builders_.get();
    input.ledger = &ledger_;
    input.seed = 1;
    input.codec = options.codec;
    index_ = std::make_unique<GraphIndex>(input, options.graph);
    scratch_ = index_->NewScratch();
  }

  BuildTime Build() {
    const auto rows = static_cast<RowOrdinal>(base_.rows);
    end_ = rows;
    store_.Grow(rows);
    versions_.Grow(rows);
    for (RowOrdinal row = 0; row < rows; ++row) {
      std::memcpy(store_.MutableRow(row), base_.row(row), base_.columns * sizeof(float));
      versions_.SetBorn(row, 1);
    }
    std::unique_ptr<FileSystem> files;
    if (!options_.keep.empty()) files = MakePosixFileSystem(options_.keep, 1).ValueOrDie();
    if (files != nullptr && index_->Load(files.get(), "").ok() && index_->indexed_end() == rows) return {};
    const double start = Seconds(), processor = ProcessSeconds();
    index_->RowsAppended(0, rows);
    std::promise<void> indexed;
    index_->WhenIndexed(rows, [&](Status) { indexed.set_value(); });
    indexed.get_future().get();
    const BuildTime time{Seconds() - start, ProcessSeconds() - processor};
    if (files != nullptr) {
      const Status saved = index_->Save(files.get(), "");
      if (!saved.ok()) Fail(saved.ToString());
    }
    return time;
  }

  double RunRound(const Matrix& queries, uint32_t ef, std::vector<std::vector<uint32_t>>* found,
                  Point* point) {
    return RunRound(queries, Effort{.ef = ef}, Method::kWalk, nullptr, options_.k, found, point);
  }
  double RunRound(const Matrix& queries, Effort effort, Method method, const RowSelection* selection,
                  uint32_t wanted, std::vector<std::vector<uint32_t>>* found, Point* point) {
    SearchSpec spec;
    spec.method = method;
    spec.effort = effort;
    spec.selection = selection;
    if (selection != nullptr) spec.selected = static_cast<uint64_t>(selection->Count());
    spec.visibility = {&versions_, 1, end_};
    const uint32_t k[1] = {wanted};
    spec.k = k;
    found->resize(queries.rows);
    SearchWork work;
    const double start = ThreadSeconds();
    for (size_t q = 0; q < queries.rows; ++q) {
      spec.queries = reinterpret_cast<const std::byte*>(queries.row(q));
      if (!index_->Search(spec, scratch_.get(), &hits_).ok()) Fail("search failed");
      work += hits_.work;
      (*found)[q].clear();
      for (const Neighbor& n : hits_.neighbors)
        (*found)[q].push_back(static_cast<uint32_t>(n.row % base_.rows));
    }
    const double seconds = ThreadSeconds() - start;
    const auto count = static_cast<double>(queries.rows);
    point->hops = static_cast<double>(work.hops) / count;
    point->distances = static_cast<double>(work.distances) / count;
    point->kilobytes = static_cast<double>(work.bytes) / count / 1e3;
    return count / seconds;
  }

  // Takes the oldest rows out and appends their vectors again, `count` of them; waits until they are indexed.
  void Churn(size_t count) {
    std::vector<RowOrdinal> gone(count);
    for (RowOrdinal& row : gone) row = oldest_++;
    const RowOrdinal first = end_, end = first + static_cast<RowOrdinal>(count);
    store_.Grow(end);
    versions_.Grow(end);
    for (RowOrdinal row = first; row < end; ++row) {
      std::memcpy(store_.MutableRow(row), base_.row((row - first + gone[0]) % base_.rows),
                  base_.columns * sizeof(float));
      versions_.SetDied(row - first + gone[0], 1);
      versions_.SetBorn(row, 1);
    }
    index_->RowsAppended(first, end);
    end_ = end;
    index_->Erase(gone);
    std::promise<void> indexed;
    index_->WhenIndexed(end, [&](Status) { indexed.set_value(); });
    indexed.get_future().get();
  }

  VectorIndex& index() { return *index_; }

 private:
  const Options& options_;
  const Matrix& base_;
  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  RowVersions versions_{&ledger_};
  VectorStore store_;
  std::unique_ptr<Executor> builders_;
  std::unique_ptr<VectorIndex> index_;
  std::unique_ptr<SearchScratch> scratch_;
  SearchHits hits_;
  RowOrdinal oldest_ = 0;
  std::atomic<RowOrdinal> end_{0};
};

#if defined(LONGBOW_HNSWLIB)
class Peer {
 public:
  Peer(const Options& options, const Matrix& base)
      : options_(options), base_(base), space_(base.columns), graph_(&space_, base.rows, 16, 200) {
    AskForHugePages();
  }
  void AskForHugePages() {
    const uintptr_t page = 4096, at = reinterpret_cast<uintptr_t>(graph_.data_level0_memory_);
    const uintptr_t first = (at + page - 1) / page * page;
    madvise(reinterpret_cast<void*>(first), graph_.size_data_per_element_ * base_.rows - page, MADV_HUGEPAGE);
  }
  BuildTime Build() {
    const std::string kept = options_.keep + "/hnswlib";
    if (!options_.keep.empty() && std::ifstream(kept).good()) {
      graph_.loadIndex(kept, &space_);
      Recopy();
      return {};
    }
    const double start = Seconds(), processor = ProcessSeconds();
    graph_.addPoint(base_.row(0), 0);
    std::vector<std::thread> threads;
    std::atomic<size_t> next{1};
    for (int t = 0; t < options_.threads; ++t) {
      threads.emplace_back([&] {
        for (size_t i; (i = next.fetch_add(1)) < base_.rows;) graph_.addPoint(base_.row(i), i);
      });
    }
    for (std::thread& thread : threads) thread.join();
    const BuildTime time{Seconds() - start, ProcessSeconds() - processor};
    if (!options_.keep.empty()) graph_.saveIndex(kept);
    return time;
  }
  // Loading touched its memory before huge pages were asked for: the same bytes in memory that had them from
  // the start.
  void Recopy() {
    const size_t bytes = graph_.max_elements_ * graph_.size_data_per_element_, huge = size_t{2} << 20;
    char* fresh = static_cast<char*>(std::aligned_alloc(huge, (bytes + huge - 1) / huge * huge));
    madvise(fresh, bytes, MADV_HUGEPAGE);
    std::memcpy(fresh, graph_.data_level0_memory_, bytes);
    std::free(graph_.data_level0_memory_);
    graph_.data_level0_memory_ = fresh;
  }
  double RunRound(const Matrix& queries, uint32_t ef, std::vector<std::vector<uint32_t>>* found, Point*) {
    graph_.setEf(ef);
    found->resize(queries.rows);
    const double start = ThreadSeconds();
    for (size_t q = 0; q < queries.rows; ++q) {
      auto hits = graph_.searchKnn(queries.row(q), options_.k);
      (*found)[q].clear();
      for (; !hits.empty(); hits.pop()) (*found)[q].push_back(static_cast<uint32_t>(hits.top().second));
    }
    return static_cast<double>(queries.rows) / (ThreadSeconds() - start);
  }

 private:
  const Options& options_;
  const Matrix& base_;
  hnswlib::L2Space space_;
  hnswlib::HierarchicalNSW<float> graph_;
};
#endif

template <typename Searcher>
void Round(const Options& options, Searcher& searcher, const Matrix& queries, const Truth& truth,
           std::vector<Point>* points) {
  std::vector<std::vector<uint32_t>> found;
  points->resize(options.ef.size());
  for (size_t i = 0; i < options.ef.size(); ++i) {
    Point& point = (*points)[i];
    point.ef = options.ef[i];
    point.round_qps.push_back(searcher.RunRound(queries, point.ef, &found, &point));
    if (point.round_qps.size() == 1) point.recall = truth.Recall(found, options.k);
  }
}

void Print(const char* name, const std::vector<Point>& points) {
  std::printf("%-8s %5s %8s %9s %8s %8s %9s\n", name, "ef", "recall", "qps", "hops", "exact", "kB");
  for (const Point& p : points) {
    std::printf("%-8s %5u %8.4f %9.0f %8.1f %8.1f %9.1f\n", "", p.ef, p.recall, Median(p.round_qps), p.hops,
                p.distances, p.kilobytes);
  }
}

void WritePoints(std::ofstream& file, const std::vector<Point>& points) {
  file << "[";
  for (const Point& p : points) {
    file << (&p == points.data() ? "" : ", ") << "{\"ef\": " << p.ef << ", \"recall\": " << p.recall
         << ", \"qps\": " << Median(p.round_qps) << ", \"hops\": " << p.hops << ", \"exact\": " << p.distances
         << ", \"kilobytes\": " << p.kilobytes << "}";
  }
  file << "]";
}

// Ways of searching a random share of the rows, beside walking over all and filtering the hits afterwards.
void MeasureSelection(const Options& options, Ours& ours, const Matrix& queries, double share, size_t rows) {
  RowSelection selection(static_cast<RowOrdinal>(rows));
  uint64_t state = 1, chosen = 0;
  for (RowOrdinal row = 0; row < rows; ++row) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    if (static_cast<double>(state >> 33) < share * 2147483648.0) selection.Add(row), ++chosen;
  }
  std::vector<std::vector<uint32_t>> exact, found;
  Point point;
  const double exact_qps =
      ours.RunRound(queries, {}, Method::kSelectionScan, &selection, options.k, &exact, &point);
  std::printf("selection of %.4f: scan %.0f qps\n", share, exact_qps);
  const auto recall = [&] {
    double hits = 0, wanted = 0;
    for (size_t q = 0; q < exact.size(); ++q) {
      for (uint32_t row : found[q])
        hits += std::find(exact[q].begin(), exact[q].end(), row) != exact[q].end();
      wanted += static_cast<double>(exact[q].size());
    }
    return hits / wanted;
  };
  for (Method method : {Method::kWalk, Method::kFilteredWalk}) {
    for (uint32_t ef : {24u, 32u, 40u, 48u, 64u}) {
      const double qps =
          ours.RunRound(queries, Effort{.ef = ef}, method, &selection, options.k, &found, &point);
      std::printf("  %-14s ef %4u: recall %.4f, %.1f hops, %.1f exact, %.0f qps\n",
                  std::string(MethodName(method)).c_str(), ef, recall(), point.hops, point.distances, qps);
    }
  }
  for (double more :
       {1.0, 1.5, 2.0, 3.0}) {  // after the fact: k / share hits and some more, of which the selected stay
    const auto wanted = static_cast<uint32_t>(more * options.k / share);
    if (wanted > 20000) break;
    const double qps = ours.RunRound(queries, Effort{.ef = wanted + wanted / 4}, Method::kWalk, nullptr,
                                     wanted, &found, &point);
    for (auto& rows_found : found) {
      std::erase_if(rows_found, [&](uint32_t row) { return !selection.Contains(row); });
      if (rows_found.size() > options.k) rows_found.resize(options.k);
    }
    std::printf("  filtered after %4.1f k / share: recall %.4f, %.0f qps\n", more, recall(), qps);
  }
}

// Scans of the codes of all rows, and what it takes to ask which way is cheapest.
void MeasureScan(const Options& options, Ours& ours, const Matrix& queries, const Truth& truth) {
  std::vector<std::vector<uint32_t>> found;
  std::vector<double> micros, asking;
  Point point;
  SearchShape shape;
  shape.k = options.k;
  shape.rows = truth.base.rows;
  for (int round = 0; round < std::max(options.rounds, 5); ++round) {
    micros.push_back(1e6 / ours.RunRound(queries, {}, Method::kCodeScan, nullptr, options.k, &found, &point));
    const double start = ThreadSeconds();
    for (int i = 0; i < 1000; ++i) {
      if (ours.index().Methods(shape).empty()) Fail("no methods");
    }
    asking.push_back((ThreadSeconds() - start) * 1e3);
  }
  std::printf("code scan: recall %.4f, %.2f us a query, %.0f qps, %.1f exact; choosing %.2f us\n",
              truth.Recall(found, options.k), Median(micros), 1e6 / Median(micros), point.distances,
              Median(asking));
}

// Each query among the rows of one group: its own (near it) or the one farthest away.
void MeasureGroups(const Options& options, Ours& ours, const Matrix& queries) {
  const auto groups = LoadGroups(options.directory + "/group.npy");
  for (const char* name : {"query_group", "query_far_group"}) {
    const auto wanted = LoadGroups(options.directory + "/" + name + ".npy");
    std::vector<std::unique_ptr<RowSelection>> selections(32);
    for (int16_t g = 0; g < 32; ++g) {
      selections[g] = std::make_unique<RowSelection>(static_cast<RowOrdinal>(groups.size()));
      for (RowOrdinal row = 0; row < groups.size(); ++row) {
        if (groups[row] == g) selections[g]->Add(row);
      }
    }
    for (Method method : {Method::kSelectionScan, Method::kWalk, Method::kFilteredWalk}) {
      double hits = 0, wanted_hits = 0, seconds = 0, hops = 0, distances = 0;
      for (size_t q = 0; q < queries.rows; ++q) {
        Matrix one{1, queries.columns, {queries.row(q), queries.row(q) + queries.columns}};
        std::vector<std::vector<uint32_t>> exact, found;
        Point point;
        const RowSelection* selection = selections[static_cast<size_t>(wanted[q])].get();
        ours.RunRound(one, {}, Method::kSelectionScan, selection, options.k, &exact, &point);
        seconds +=
            1 / ours.RunRound(one, Effort{.recall = 0.95f}, method, selection, options.k, &found, &point);
        hops += point.hops, distances += point.distances;
        for (uint32_t row : found[0])
          hits += std::find(exact[0].begin(), exact[0].end(), row) != exact[0].end();
        wanted_hits += static_cast<double>(exact[0].size());
      }
      const auto count = static_cast<double>(queries.rows);
      std::printf("%-16s %-14s recall %.4f, %.1f hops, %.1f exact, %.0f qps\n", name,
                  std::string(MethodName(method)).c_str(), hits / wanted_hits, hops / count,
                  distances / count, count / seconds);
    }
  }
}

// Queries a second while rows are appended at a steady rate, as a share of those before.
void MeasureTrickle(const Options& options, Ours& ours, const Matrix& queries) {
  std::vector<std::vector<uint32_t>> found;
  std::vector<double> before, during;
  for (int round = 0; round < 5; ++round) {
    Point point;
    before.push_back(ours.RunRound(queries, 40, &found, &point));
  }
  std::atomic<bool> done{false};
  std::atomic<int64_t> replaced{0};
  const double start = Seconds();
  std::thread writer([&] {
    constexpr size_t kAtOnce = 50;
    while (!done.load()) {
      ours.Churn(kAtOnce);
      replaced.fetch_add(kAtOnce);
      const double due = static_cast<double>(replaced.load()) / options.trickle;
      std::this_thread::sleep_for(std::chrono::duration<double>(std::max(0.0, due - (Seconds() - start))));
    }
  });
  while (Seconds() - start < 8) {
    Point point;
    during.push_back(ours.RunRound(queries, 40, &found, &point));
  }
  done.store(true);
  writer.join();
  std::printf("replacing %.0f rows/s: %.0f qps, before %.0f, ratio %.2f\n",
              static_cast<double>(replaced.load()) / (Seconds() - start), Median(during), Median(before),
              Median(during) / Median(before));
}

// Generations of deletes and inserts of `share` of the rows; the rows, and so the truth, stay the same.
void MeasureChurn(const Options& options, Ours& ours, const Matrix& queries, const Truth& truth,
                  size_t rows) {
  const auto count = static_cast<size_t>(options.churn_share * static_cast<double>(rows));
  const auto print = [&](int generation) {
    std::printf("generation %3d:", generation);
    for (uint32_t ef : {20u, 40u, 80u, 160u}) {
      std::vector<std::vector<uint32_t>> found;
      Point point;
      ours.RunRound(queries, ef, &found, &point);
      std::printf("  ef %u %.4f", ef, truth.Recall(found, options.k));
    }
    const auto audit = ours.index().Audit().ValueOrDie();
    std::printf("; %lld unreachable, %zu violations, %.1f MB\n", static_cast<long long>(audit.unreachable),
                audit.violations.size(), static_cast<double>(ours.index().memory_bytes()) / 1e6);
    std::fflush(stdout);
  };
  print(0);
  double seconds = 0;
  for (int generation = 1; generation <= options.churn; ++generation) {
    const double start = Seconds();
    ours.Churn(count);
    seconds += Seconds() - start;
    if (generation % 25 == 0 || generation == options.churn) print(generation);
  }
  std::printf("%.0f rows replaced a second\n", static_cast<double>(count) * options.churn / seconds);
}

// Recall of walks over graphs of the same rows with each codec, after the exact rescore; the truth is an
// exact scan's.
void CompareCodecs(Options options, Matrix base, const Matrix& queries) {
  base.rows = std::min<size_t>(base.rows, options.compare_rows);
  base.values.resize(base.rows * base.columns);
  options.keep.clear();
  std::printf("%zu rows of %zu dimensions, %zu queries\n%-8s %10s %12s", base.rows, base.columns,
              queries.rows, "codec", "rows/s", "bytes a row");
  const std::vector<uint32_t> efs{20, 40, 80, 160};
  for (uint32_t ef : efs) std::printf("    ef %-4u      qps", ef);
  std::printf("\n");
  for (const char* codec : {"f32", "f16", "sq8", "rabitq"}) {
    options.codec = codec;
    Ours ours(options, base);
    const BuildTime time = ours.Build();
    Truth truth{base, queries, {}};
    std::vector<std::vector<uint32_t>> exact, found;
    Point point;
    ours.RunRound(queries, {}, Method::kExactScan, nullptr, options.k, &exact, &point);
    for (size_t q = 0; q < exact.size(); ++q)
      truth.farthest.push_back(SquaredDistance(queries.row(q), base.row(exact[q].back()), base.columns));
    const auto rows = static_cast<double>(base.rows);
    std::printf("%-8s %10.0f %12.0f", codec, rows / time.processor,
                static_cast<double>(ours.index().memory_bytes()) / rows);
    for (uint32_t ef : efs) {
      const double qps = ours.RunRound(queries, ef, &found, &point);
      std::printf("   %.4f %8.0f", truth.Recall(found, options.k), qps);
    }
    std::printf("\n");
    std::fflush(stdout);
  }
}

int Run(const Options& options) {
  Matrix base = LoadNpy(options.directory + "/base.npy");
  const Matrix queries = LoadNpy(options.directory + "/queries.npy");
  if (options.compare_rows > 0) {
    CompareCodecs(options, std::move(base), queries);
    return 0;
  }
  const Matrix true_distances = LoadNpy(options.directory + "/gt_dist.npy");
  Truth truth{base, queries, {}};
  for (size_t q = 0; q < queries.rows; ++q) {
    const float d = true_distances.row(q)[options.k - 1];
    truth.farthest.push_back(d);
  }
  std::printf("%s: %zu rows of %zu dimensions, %zu queries, %d threads building\n", options.directory.c_str(),
              base.rows, base.columns, queries.rows, options.threads);
  Ours ours(options, base);
  const BuildTime time = ours.Build();
  const auto rows = static_cast<double>(base.rows);
  const double rate = time.wall > 0 ? rows / time.wall : 0,
               cpu_rate = time.wall > 0 ? rows / time.processor : 0;
  const auto audit = ours.index().Audit().ValueOrDie();
  std::printf(
      "built in %.1f s: %.0f rows/s, %.0f a processor second; %.0f bytes a row beyond the vectors; %lld "
      "unreachable, %zu violations\n",
      time.wall, rate, cpu_rate,
      static_cast<double>(ours.index().memory_bytes()) / static_cast<double>(base.rows),
      static_cast<long long>(audit.unreachable), audit.violations.size());
  std::fflush(stdout);
  std::vector<Point> points, peer_points;
  double peer_rate = 0;
#if defined(LONGBOW_HNSWLIB)
  std::unique_ptr<Peer> peer;
  if (options.peer) {
    peer = std::make_unique<Peer>(options, base);
    const BuildTime peer_time = peer->Build();
    peer_rate = peer_time.wall > 0 ? rows / peer_time.wall : 0;
    std::printf("hnswlib built at %.0f rows/s, %.0f a processor second; ours %.2f x, %.2f x\n", peer_rate,
                rows / peer_time.processor, rate / peer_rate, peer_time.processor / time.processor);
    std::fflush(stdout);
  }
#endif
  for (int round = 0; round < options.rounds; ++round) {
    Round(options, ours, queries, truth, &points);
#if defined(LONGBOW_HNSWLIB)
    if (peer != nullptr) Round(options, *peer, queries, truth, &peer_points);
#endif
  }
  Print("graph", points);
  if (!peer_points.empty()) Print("hnswlib", peer_points);
  std::string ratios;
  for (double recall : {0.90, 0.95, 0.99}) {
    std::vector<double> ours_qps, peer_qps, ratio;
    for (size_t r = 0; r < static_cast<size_t>(options.rounds); ++r) {
      ours_qps.push_back(QpsAt(points, recall, r));
      if (peer_points.empty()) continue;
      peer_qps.push_back(QpsAt(peer_points, recall, r));
      ratio.push_back(ours_qps.back() / peer_qps.back());
    }
    std::printf("recall %.2f: %8.0f qps", recall, Median(ours_qps));
    if (!ratio.empty()) std::printf(", hnswlib %8.0f, ratio %.2f", Median(peer_qps), Median(ratio));
    std::printf("\n");
    ratios += (ratios.empty() ? "" : ", ") + std::string("{\"recall\": ") + std::to_string(recall) +
              ", \"qps\": " + std::to_string(Median(ours_qps)) +
              ", \"ratio\": " + std::to_string(Median(ratio)) + "}";
  }
  for (float recall : {0.90f, 0.95f, 0.99f}) {
    std::vector<std::vector<uint32_t>> found;
    Point point;
    const double qps =
        ours.RunRound(queries, Effort{.recall = recall}, Method::kWalk, nullptr, options.k, &found, &point);
    std::printf("asked for recall %.2f: got %.4f with %.1f hops, %.0f qps\n", static_cast<double>(recall),
                truth.Recall(found, options.k), point.hops, qps);
  }
  if (options.scan) MeasureScan(options, ours, queries, truth);
  if (options.trickle > 0) MeasureTrickle(options, ours, queries);
  if (options.churn > 0) MeasureChurn(options, ours, queries, truth, base.rows);
  if (options.groups) MeasureGroups(options, ours, queries);
  for (double share : options.selections) MeasureSelection(options, ours, queries, share, base.rows);
  if (!options.json.empty()) {
    std::ofstream file(options.json);
    file << "{\"benchmark\": \"graph\", \"rows\": " << base.rows << ", \"dim\": " << base.columns
         << ", \"threads\": " << options.threads << ", \"rows_per_s\": " << rate
         << ", \"peer_rows_per_s\": " << peer_rate << ", \"bytes_a_row\": "
         << static_cast<double>(ours.index().memory_bytes()) / static_cast<double>(base.rows) << ", \"at\": ["
         << ratios << "], \"graph\": ";
    WritePoints(file, points);
    file << ", \"hnswlib\": ";
    WritePoints(file, peer_points);
    file << "}\n";
    if (!file.flush()) Fail("cannot write " + options.json);
  }
  return 0;
}

uint32_t Number(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0)
    Fail("not a number: " + std::string(text));
  return value;
}

Options Parse(int argc, char** argv) {
  if (argc < 2) Fail("no directory");
  Options options;
  options.directory = argv[1];
  for (int i = 2; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const auto value = [&]() -> std::string_view {
      if (i + 1 == argc) Fail("no value for " + std::string(flag));
      return argv[++i];
    };
    if (flag == "--json")
      options.json = value();
    else if (flag == "--threads")
      options.threads = static_cast<int>(Number(value()));
    else if (flag == "--rounds")
      options.rounds = static_cast<int>(Number(value()));
    else if (flag == "--k")
      options.k = Number(value());
    else if (flag == "--churn")
      options.churn = static_cast<int>(Number(value()));
    else if (flag == "--trickle")
      options.trickle = Number(value());
    else if (flag == "--codec")
      options.codec = value();
    else if (flag == "--compare-codecs")
      options.compare_rows = Number(value());
    else if (flag == "--scan")
      options.scan = true;
    else if (flag == "--groups")
      options.groups = true;
    else if (flag == "--peer")
      options.peer = true;
    else if (flag == "--select") {
      for (std::string_view list = value(); !list.empty();) {
        const size_t comma = std::min(list.find(','), list.size());
        options.selections.push_back(std::stod(std::string(list.substr(0, comma))));
        list.remove_prefix(std::min(list.size(), comma + 1));
      }
    } else if (flag == "--degree")
      options.graph.degree = Number(value());
    else if (flag == "--bits")
      options.graph.bits = Number(value());
    else if (flag == "--build-ef")
      options.graph.link.ef = Number(value());
    else if (flag == "--occlusion")
      options.graph.link.occlusion = std::stof(std::string(value()));
    else if (flag == "--keep")
      options.keep = value();
    else if (flag == "--ef") {
      options.ef.clear();
      for (std::string_view list = value(); !list.empty();) {
        const size_t comma = std::min(list.find(','), list.size());
        options.ef.push_back(Number(list.substr(0, comma)));
        list.remove_prefix(std::min(list.size(), comma + 1));
      }
    } else
      Fail("unknown option " + std::string(flag));
  }
  return options;
}

}  // namespace
}  // namespace longbow::index

int main(int argc, char** argv) { return longbow::index::Run(longbow::index::Parse(argc, argv)); }
