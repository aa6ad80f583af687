// Microseconds a search of the flat index, k = 10, over 128-d float32 rows: one query a call, and queries a
// second in batches.
//
//   flat_bench [--rows 4700,200000] [--dim 128] [--rounds 7]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/index/vector_index.h"

namespace longbow::index {
namespace {

struct Options {
  std::vector<uint32_t> rows{4700, 200000};
  uint32_t dim = 128;
  int rounds = 7;
};

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--dim") options.dim = static_cast<uint32_t>(std::strtoul(argv[i + 1], nullptr, 10));
    if (flag == "--rounds") options.rounds = static_cast<int>(std::strtol(argv[i + 1], nullptr, 10));
    if (flag != "--rows") continue;
    options.rows.clear();
    for (char* at = argv[i + 1]; *at != '\0'; at += *at == ',' ? 1 : 0) {
      options.rows.push_back(static_cast<uint32_t>(std::strtoul(at, &at, 10)));
    }
  }
  return options;
}

class FlatColumn {
 public:
  FlatColumn(uint32_t rows, uint32_t dim)
      : rows_(rows), store_(distance::ElementType::kFloat32, dim, &arena_, nullptr) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    store_.Grow(rows);
    versions_.Grow(rows);
    std::vector<float> vector(dim);
    for (RowOrdinal row = 0; row < rows; ++row) {
      for (float& x : vector) x = normal(random);
      std::memcpy(store_.MutableRow(row), vector.data(), store_.row_bytes());
      versions_.SetBorn(row, 1);
    }
    queries_.resize(kQueries * dim);
    for (float& x : queries_) x = normal(random);
    IndexInput input;
    input.store = &store_;
    input.versions = &versions_;
    index_ = (*FindIndexType("flat").ValueOrDie()).make(input).ValueOrDie();
    index_->RowsAppended(0, rows);
    scratch_ = index_->NewScratch();
  }

  // Median over rounds of microseconds a query, in calls of `batch`; `selected_share` < 1 chooses rows at
  // random.
  double Micros(uint32_t batch, double selected_share, int rounds) {
    using Clock = std::chrono::steady_clock;
    RowSelection selection(rows_);
    std::mt19937 random(2);
    for (RowOrdinal row = 0; row < rows_; ++row) {
      if (random() < selected_share * 4294967296.0) selection.Add(row);
    }
    SearchSpec spec;
    const std::vector<uint32_t> k(batch, 10);
    spec.query_stride = store_.row_bytes();
    spec.query_count = batch;
    spec.k = k;
    spec.visibility = {&versions_, 1, rows_};
    if (selected_share < 1) {
      spec.method = Method::kSelectionScan;
      spec.selection = &selection;
    }
    std::vector<double> micros;
    for (int round = 0; round < rounds; ++round) {
      const auto start = Clock::now();
      uint32_t done = 0;
      do {
        spec.queries = reinterpret_cast<const std::byte*>(queries_.data() + done % kQueries * store_.dim());
        if (!index_->Search(spec, scratch_.get(), &hits_).ok()) std::abort();
        done += batch;
      } while (Clock::now() - start < std::chrono::milliseconds(100));
      micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count() / done);
    }
    std::nth_element(micros.begin(), micros.begin() + rounds / 2, micros.end());
    return micros[static_cast<size_t>(rounds / 2)];
  }

 private:
  static constexpr uint32_t kQueries = 1024;
  const uint32_t rows_;
  SlabArena arena_{nullptr};
  VectorStore store_;
  RowVersions versions_{nullptr};
  std::vector<float> queries_;
  std::unique_ptr<VectorIndex> index_;
  std::unique_ptr<SearchScratch> scratch_;
  SearchHits hits_;
};

int Run(const Options& options) {
  std::printf("%s, %u d float32, l2, k = 10\n",
              std::string(distance::SimdLevelName(distance::BestSimdLevel())).c_str(), options.dim);
  std::printf("%10s %10s %6s %12s %12s\n", "rows", "selected", "batch", "us a query", "queries/s");
  for (uint32_t rows : options.rows) {
    FlatColumn column(rows, options.dim);
    for (double share : {1.0, 0.5, 0.01}) {
      for (uint32_t batch : {1u, 32u, 256u}) {
        const double micros = column.Micros(batch, share, options.rounds);
        std::printf("%10u %9.0f%% %6u %12.2f %12.0f\n", rows, share * 100, batch, micros, 1e6 / micros);
        std::fflush(stdout);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace longbow::index

int main(int argc, char** argv) { return longbow::index::Run(longbow::index::Parse(argc, argv)); }
