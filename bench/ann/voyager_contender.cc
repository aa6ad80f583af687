#include "ann/contender.h"

#if defined(LONGBOW_BENCH_VOYAGER)
#include <algorithm>
#include <fstream>

#include "TypedIndex.h"

namespace longbow::bench {
namespace {

constexpr size_t kLinks = 16, kBuildEf = 200;

class Voyager : public Contender {
 public:
  explicit Voyager(const ContenderInput& input) : input_(input) {}
  void Build(const Matrix& base, int threads) override {
    index_ = std::make_unique<TypedIndex<float>>(Space(), static_cast<int>(input_.dim), kLinks, kBuildEf, 1,
                                                 base.rows);
    OnThreads(threads, 0, base.rows, [&](size_t i, int) {
      index_->addItem(std::vector<float>(base.row(i), base.row(i) + base.dim), i);
    });
  }
  void Save(const std::string& path) const override { index_->saveIndex(path); }
  void Load(const std::string& path, const Matrix&) override {
    index_.reset(dynamic_cast<TypedIndex<float>*>(
        loadTypedIndexFromStream(std::make_shared<FileInputStream>(path)).release()));
    if (index_ == nullptr) Fail("voyager: cannot load " + path);
  }
  std::vector<Knob> Knobs() const override {
    std::vector<Knob> knobs;
    for (uint32_t ef : {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900})
      knobs.push_back({ef, 0});
    return knobs;
  }
  void Search(const Matrix& queries, uint32_t k, const Knob& knob, uint32_t* found) override {
    for (size_t q = 0; q < queries.rows; ++q, found += k) {
      const auto [ids, distances] = index_->query(
          std::vector<float>(queries.row(q), queries.row(q) + queries.dim), static_cast<int>(k), knob.effort);
      std::fill_n(found, k, kNoRow);
      std::transform(ids.begin(), ids.end(), found, [](auto id) { return static_cast<uint32_t>(id); });
    }
  }

 private:
  SpaceType Space() const {
    return input_.metric == distance::Metric::kL2 ? SpaceType::Euclidean : SpaceType::InnerProduct;
  }

  const ContenderInput input_;
  std::unique_ptr<TypedIndex<float>> index_;
};

std::unique_ptr<Contender> Make(const ContenderInput& input) { return std::make_unique<Voyager>(input); }

}  // namespace

std::vector<ContenderType> VoyagerContenders() {
  return {{"voyager", "voyager", "M 16, ef_construction 200, float32", Make}};
}

}  // namespace longbow::bench
#else
std::vector<longbow::bench::ContenderType> longbow::bench::VoyagerContenders() { return {}; }
#endif
