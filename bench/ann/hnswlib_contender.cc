#include <optional>

#include "ann/contender.h"

#if defined(LONGBOW_BENCH_HNSWLIB)
#include "hnswlib/hnswlib.h"

namespace longbow::bench {
namespace {

constexpr size_t kBuildEf = 200;

template <size_t kLinks>
class Hnswlib : public Contender {
 public:
  explicit Hnswlib(const ContenderInput& input) : input_(input) {
    if (input.metric == distance::Metric::kL2)
      space_ = std::make_unique<hnswlib::L2Space>(input.dim);
    else
      space_ = std::make_unique<hnswlib::InnerProductSpace>(input.dim);
  }
  void Build(const Matrix& base, int threads) override {
    graph_ = std::make_unique<Graph>(space_.get(), base.rows, kLinks, kBuildEf);
    graph_->addPoint(base.row(0), 0);
    OnThreads(threads, 1, base.rows, [&](size_t i, int) { graph_->addPoint(base.row(i), i); });
  }
  void Save(const std::string& path) const override { graph_->saveIndex(path); }
  void Load(const std::string& path, const Matrix&) override {
    graph_ = std::make_unique<Graph>(space_.get(), path);
  }
  std::vector<Knob> Knobs() const override {
    std::vector<Knob> knobs;
    for (uint32_t ef : {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900})
      knobs.push_back({ef, 0});
    return knobs;
  }
  void Search(const Matrix& queries, uint32_t k, const Knob& knob, uint32_t* found) override {
    graph_->setEf(knob.effort);
    for (size_t q = 0; q < queries.rows; ++q, found += k) {
      auto hits = graph_->searchKnn(queries.row(q), k);
      std::fill_n(found, k, kNoRow);
      for (size_t i = hits.size(); i-- > 0; hits.pop()) found[i] = static_cast<uint32_t>(hits.top().second);
    }
  }

 private:
  using Graph = hnswlib::HierarchicalNSW<float>;
  const ContenderInput input_;
  std::unique_ptr<hnswlib::SpaceInterface<float>> space_;
  std::unique_ptr<Graph> graph_;
};

template <size_t kLinks>
std::unique_ptr<Contender> Make(const ContenderInput& input) {
  return std::make_unique<Hnswlib<kLinks>>(input);
}

}  // namespace

std::vector<ContenderType> HnswlibContenders() {
  return {{"hnswlib-16", "hnswlib", "M 16, efConstruction 200, float32", Make<16>},
          {"hnswlib-32", "hnswlib", "M 32, efConstruction 200, float32", Make<32>}};
}

}  // namespace longbow::bench
#else
std::vector<longbow::bench::ContenderType> longbow::bench::HnswlibContenders() { return {}; }
#endif
