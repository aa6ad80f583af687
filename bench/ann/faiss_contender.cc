// FAISS is called with all queries at once, which is how it is fastest.
#include "ann/contender.h"

#if defined(LONGBOW_BENCH_FAISS)
#include <algorithm>
#include <cmath>

#include <omp.h>

#include "faiss/IndexFlat.h"
#include "faiss/IndexHNSW.h"
#include "faiss/IndexIVFPQFastScan.h"
#include "faiss/IndexRefine.h"
#include "faiss/index_io.h"

// Of OpenBLAS, whose threads are not those of OpenMP; null with another BLAS.
extern "C" void openblas_set_num_threads(int) __attribute__((weak));

namespace longbow::bench {
namespace {

constexpr int kLinks = 32, kBuildEf = 200;

void SetThreads(int threads) {
  omp_set_num_threads(threads);
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(threads);
}

class Faiss : public Contender {
 public:
  explicit Faiss(const ContenderInput& input)
      : input_(input),
        metric_(input.metric == distance::Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT) {}
  void Build(const Matrix& base, int threads) override {
    SetThreads(threads);
    index_ = Empty();
    const auto rows = static_cast<faiss::idx_t>(base.rows);
    index_->train(rows, base.values.data());
    index_->add(rows, base.values.data());
    SetThreads(1);
  }
  void Save(const std::string& path) const override { faiss::write_index(index_.get(), path.c_str()); }
  void Load(const std::string& path, const Matrix&) override {
    SetThreads(1);
    index_.reset(faiss::read_index(path.c_str()));
  }
  void Search(const Matrix& queries, uint32_t k, const Knob& knob, uint32_t* found) override {
    labels_.resize(queries.rows * k);
    distances_.resize(labels_.size());
    SearchWith(knob, static_cast<faiss::idx_t>(queries.rows), queries.values.data(), k);
    for (size_t i = 0; i < labels_.size(); ++i)
      found[i] = labels_[i] < 0 ? kNoRow : static_cast<uint32_t>(labels_[i]);
  }

 protected:
  virtual std::unique_ptr<faiss::Index> Empty() const = 0;
  virtual void SearchWith(const Knob& knob, faiss::idx_t count, const float* queries, faiss::idx_t k) = 0;
  void SearchWith(const faiss::SearchParameters& parameters, faiss::idx_t count, const float* queries,
                  faiss::idx_t k) {
    index_->search(count, queries, k, distances_.data(), labels_.data(), &parameters);
  }
  int dim() const { return static_cast<int>(input_.dim); }

  const ContenderInput input_;
  const faiss::MetricType metric_;
  std::unique_ptr<faiss::Index> index_;

 private:
  std::vector<faiss::idx_t> labels_;
  std::vector<float> distances_;
};

class FaissHnsw : public Faiss {
 public:
  using Faiss::Faiss;
  std::vector<Knob> Knobs() const override {
    std::vector<Knob> knobs;
    for (uint32_t ef : {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640}) knobs.push_back({ef, 0});
    return knobs;
  }

 protected:
  std::unique_ptr<faiss::Index> Empty() const override {
    auto index = std::make_unique<faiss::IndexHNSWFlat>(dim(), kLinks, metric_);
    index->hnsw.efConstruction = kBuildEf;
    return index;
  }
  void SearchWith(const Knob& knob, faiss::idx_t count, const float* queries, faiss::idx_t k) override {
    faiss::SearchParametersHNSW parameters;
    parameters.efSearch = static_cast<int>(knob.effort);
    Faiss::SearchWith(parameters, count, queries, k);
  }
};

// An approximate index, and float32 rows by which the best `rescore` times k are put in order.
class FaissRefined : public Faiss {
 public:
  using Faiss::Faiss;

 protected:
  std::unique_ptr<faiss::Index> Refined(std::unique_ptr<faiss::Index> index) const {
    auto rows = std::make_unique<faiss::IndexFlat>(dim(), metric_);
    auto refined = std::make_unique<faiss::IndexRefine>(index.release(), rows.release());
    refined->own_fields = refined->own_refine_index = true;
    return refined;
  }
  void SearchRefined(faiss::SearchParameters* base, const Knob& knob, faiss::idx_t count,
                     const float* queries, faiss::idx_t k) {
    faiss::IndexRefineSearchParameters parameters;
    parameters.k_factor = static_cast<float>(knob.rescore);
    parameters.base_index_params = base;
    Faiss::SearchWith(parameters, count, queries, k);
  }
};

class FaissHnswSq8 : public FaissRefined {
 public:
  using FaissRefined::FaissRefined;
  std::vector<Knob> Knobs() const override {
    std::vector<Knob> knobs;
    for (uint32_t ef : {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640})
      knobs.push_back({ef, ef < 20 ? 1u : 2u});
    return knobs;
  }

 protected:
  std::unique_ptr<faiss::Index> Empty() const override {
    auto index =
        std::make_unique<faiss::IndexHNSWSQ>(dim(), faiss::ScalarQuantizer::QT_8bit, kLinks, metric_);
    index->hnsw.efConstruction = kBuildEf;
    return Refined(std::move(index));
  }
  void SearchWith(const Knob& knob, faiss::idx_t count, const float* queries, faiss::idx_t k) override {
    faiss::SearchParametersHNSW parameters;
    parameters.efSearch = static_cast<int>(knob.effort);
    SearchRefined(&parameters, knob, count, queries, k);
  }
};

class FaissIvfPq : public FaissRefined {
 public:
  using FaissRefined::FaissRefined;
  std::vector<Knob> Knobs() const override {
    std::vector<Knob> knobs;
    for (uint32_t probes : {4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256}) {
      for (uint32_t rescore : {4, 10, 25, 60}) {
        if (probes <= Lists()) knobs.push_back({probes, rescore});
      }
    }
    return knobs;
  }

 protected:
  std::unique_ptr<faiss::Index> Empty() const override {
    auto quantizer = std::make_unique<faiss::IndexFlat>(dim(), metric_);
    // Two dimensions a 4-bit code up to 256 dimensions, then four, then eight: what keeps the recall of the
    // codes.
    const size_t step = dim() <= 256 ? 2 : dim() <= 1024 ? 4 : 8;
    auto index = std::make_unique<faiss::IndexIVFPQFastScan>(quantizer.release(), input_.dim, Lists(),
                                                             input_.dim / step, 4, metric_);
    index->own_fields = true;
    return Refined(std::move(index));
  }
  void SearchWith(const Knob& knob, faiss::idx_t count, const float* queries, faiss::idx_t k) override {
    faiss::SearchParametersIVF parameters;
    parameters.nprobe = knob.effort;
    SearchRefined(&parameters, knob, count, queries, k);
  }

 private:
  size_t Lists() const {
    return std::max<size_t>(16, static_cast<size_t>(2 * std::sqrt(static_cast<double>(input_.rows))));
  }
};

template <typename T>
std::unique_ptr<Contender> Make(const ContenderInput& input) {
  return std::make_unique<T>(input);
}

}  // namespace

std::vector<ContenderType> FaissContenders() {
  return {{"faiss-hnsw", "faiss-hnsw", "M 32, efConstruction 200, float32", Make<FaissHnsw>},
          {"faiss-hnsw-sq8", "faiss-hnsw-sq8", "M 32, efConstruction 200, 8 bits, rescored by float32",
           Make<FaissHnswSq8>},
          {"faiss-ivfpq", "faiss-ivfpq", "2 sqrt(rows) lists, 4-bit FastScan, rescored by float32",
           Make<FaissIvfPq>}};
}

}  // namespace longbow::bench
#else
std::vector<longbow::bench::ContenderType> longbow::bench::FaissContenders() { return {}; }
#endif
