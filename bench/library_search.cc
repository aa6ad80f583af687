// What searches of a dataset cost without a network: CPU time a query of the index alone, and of the query
// engine around it, in batches on one thread.
//
// usage: library_search DATA_DIR DATASET QUERY_FILE DIM K BATCH SECONDS
//   DATA_DIR    of a server that was stopped
//   QUERY_FILE  float32 rows of DIM numbers, asked in turn
// Prints {"index_us", "engine_us", "queries"} as JSON, microseconds of CPU a query.
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <string>
#include <vector>

#include "longbow/distance/kernels.h"
#include "longbow/engine/engine.h"
#include "longbow/query/search.h"

namespace longbow::bench {
namespace {

struct Arguments {
  std::string directory, dataset, query_file;
  int dim = 0;
  uint32_t k = 0, batch = 0;
  double seconds = 0;
};

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::vector<float> ReadQueries(const Arguments& args) {
  std::ifstream file(args.query_file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<float> numbers(bytes.size() / sizeof(float));
  std::copy_n(bytes.data(), numbers.size() * sizeof(float), reinterpret_cast<char*>(numbers.data()));
  return numbers;
}

// Microseconds of CPU a query; `ask(n)` searches batch n.
double Measure(const Arguments& args, const std::function<void(size_t)>& ask) {
  for (size_t n = 0; n < 20; ++n) ask(n);
  size_t batches = 0;
  const double start = CpuSeconds();
  while (CpuSeconds() - start < args.seconds) ask(batches++);
  return (CpuSeconds() - start) * 1e6 / static_cast<double>(batches * args.batch);
}

double MeasureIndex(const Arguments& args, const engine::View& view, const std::vector<float>& queries) {
  const auto& column = view.schema()->vectors[0];
  const size_t dim = static_cast<size_t>(args.dim), stride = dim * sizeof(float);
  const size_t count = queries.size() / dim;
  std::vector<std::byte> prepared(count * stride);
  for (size_t i = 0; i < count; ++i) {
    const std::vector<double> query(queries.begin() + static_cast<std::ptrdiff_t>(i * dim),
                                    queries.begin() + static_cast<std::ptrdiff_t>((i + 1) * dim));
    if (!distance::PrepareQuery(column.metric, column.type, query, prepared.data() + i * stride))
      std::exit(1);
  }
  const index::VectorIndex& index = view.Index(0);
  index::SearchShape shape;
  shape.queries = args.batch;
  shape.k = args.k;
  shape.rows = static_cast<uint64_t>(view.live_rows());
  const std::vector<uint32_t> k(args.batch, args.k);
  index::SearchSpec spec;
  spec.method = index.Methods(shape).front().method;
  spec.query_stride = stride;
  spec.query_count = args.batch;
  spec.k = k;
  spec.visibility = view.visibility();
  const auto scratch = index.NewScratch();
  index::SearchHits hits;
  const size_t batches = count / args.batch;
  return Measure(args, [&](size_t n) {
    spec.queries = prepared.data() + n % batches * args.batch * stride;
    if (!index.Search(spec, scratch.get(), &hits).ok()) std::exit(1);
  });
}

double MeasureEngine(const Arguments& args, query::QueryEngine& query, const std::vector<float>& queries) {
  const auto type = arrow::fixed_size_list(arrow::float32(), args.dim);
  const size_t batches = queries.size() / static_cast<size_t>(args.dim) / args.batch;
  std::vector<query::SearchRequest> requests(batches);
  const auto all = arrow::Buffer::Wrap(queries);
  for (size_t n = 0; n < batches; ++n) {
    const int64_t bytes = int64_t{4} * args.dim * args.batch;
    const auto values = std::make_shared<arrow::FloatArray>(
        int64_t{args.dim} * args.batch, arrow::SliceBuffer(all, static_cast<int64_t>(n) * bytes, bytes));
    requests[n].dataset = args.dataset;
    requests[n].queries.array = std::make_shared<arrow::FixedSizeListArray>(type, args.batch, values);
    requests[n].k = {args.k};
    requests[n].number_queries = true;
  }
  return Measure(args, [&](size_t n) {
    if (!query.Search(requests[n % batches]).ok()) std::exit(1);
  });
}

int Run(const Arguments& args) {
  const auto queries = ReadQueries(args);
  MemoryLedger ledger(0, 0);
  SlabArena arena(&ledger);
  const auto files = MakePosixFileSystem(args.directory, 2).ValueOrDie();
  const auto random = MakeSeededRandom(7);
  const auto appliers = MakeThreadPool({}), searchers = MakeThreadPool({}),
             builders = MakeThreadPool({.threads = 2});
  const Environment environment{files.get(),    SystemClock(),   random.get(),
                                appliers.get(), searchers.get(), builders.get()};
  const auto engine = engine::Engine::Open(environment, &ledger, &arena, {}).ValueOrDie();
  std::promise<Status> indexed;
  engine->WhenIndexed(args.dataset, [&](Status status) { indexed.set_value(std::move(status)); });
  if (!indexed.get_future().get().ok()) return 1;
  query::QueryEngine query(engine.get(), environment, &ledger, query::SearchLimits{}, query::ScanOptions{});
  const auto view = engine->Pin(args.dataset).ValueOrDie();
  const double index_us = MeasureIndex(args, *view, queries);
  const double engine_us = MeasureEngine(args, query, queries);
  std::printf("{\"index_us\": %.3f, \"engine_us\": %.3f, \"queries\": %zu}\n", index_us, engine_us,
              queries.size() / static_cast<size_t>(args.dim));
  return 0;
}

}  // namespace
}  // namespace longbow::bench

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: library_search DATA_DIR DATASET QUERY_FILE DIM K BATCH SECONDS\n");
    return 2;
  }
  return longbow::bench::Run({argv[1], argv[2], argv[3], std::atoi(argv[4]),
                              static_cast<uint32_t>(std::atoi(argv[5])),
                              static_cast<uint32_t>(std::atoi(argv[6])), std::atof(argv[7])});
}
