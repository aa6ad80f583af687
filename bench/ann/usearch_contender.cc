#include "ann/contender.h"

#if defined(LONGBOW_BENCH_USEARCH)
#include <algorithm>

#include "numkong/numkong.h"

// USearch asks its kernel library by this function, whose definition is in a part of that library which is
// not shipped with USearch: here it gives the kernels that the compiler's flags chose.
inline void nk_find_kernel_punned(nk_kernel_kind_t kind, nk_dtype_t type, nk_capability_t,
                                  nk_kernel_punned_t* kernel, nk_capability_t* capability) {
  const bool dot = kind == nk_kernel_dot_k;
  *capability = nk_cap_serial_k;
  *kernel = nullptr;
  if (!dot && kind != nk_kernel_sqeuclidean_k) return;
  if (type == nk_f32_k)
    *kernel = dot ? reinterpret_cast<nk_kernel_punned_t>(&nk_dot_f32)
                  : reinterpret_cast<nk_kernel_punned_t>(&nk_sqeuclidean_f32);
  else if (type == nk_f16_k)
    *kernel = dot ? reinterpret_cast<nk_kernel_punned_t>(&nk_dot_f16)
                  : reinterpret_cast<nk_kernel_punned_t>(&nk_sqeuclidean_f16);
}

#include "usearch/index_dense.hpp"

namespace longbow::bench {
namespace {

namespace us = unum::usearch;

constexpr size_t kBuildEf = 200;

template <us::scalar_kind_t kScalar, size_t kLinks>
class Usearch : public Contender {
 public:
  explicit Usearch(const ContenderInput& input) : input_(input) {}
  void Build(const Matrix& base, int threads) override {
    index_ = Empty();
    if (!index_.try_reserve(us::index_limits_t(base.rows, static_cast<size_t>(threads))))
      Fail("usearch: no memory");
    OnThreads(threads, 0, base.rows, [&](size_t i, int thread) {
      if (!index_.add(i, base.row(i), static_cast<size_t>(thread))) Fail("usearch: add failed");
    });
  }
  void Save(const std::string& path) const override {
    if (!const_cast<us::index_dense_t&>(index_).save(path.c_str())) Fail("usearch: cannot save " + path);
  }
  void Load(const std::string& path, const Matrix&) override {
    index_ = Empty();
    if (!index_.load(path.c_str())) Fail("usearch: cannot load " + path);
    index_.try_reserve(us::index_limits_t(index_.size(), 1));
  }
  std::vector<Knob> Knobs() const override {
    std::vector<Knob> knobs;
    for (uint32_t ef : {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900})
      knobs.push_back({ef, 0});
    return knobs;
  }
  void Search(const Matrix& queries, uint32_t k, const Knob& knob, uint32_t* found) override {
    index_.change_expansion_search(knob.effort);
    for (size_t q = 0; q < queries.rows; ++q, found += k) {
      const auto hits = index_.search(queries.row(q), k, 0);
      std::fill_n(found, k, kNoRow);
      for (size_t i = 0; i < hits.size(); ++i) found[i] = static_cast<uint32_t>(hits[i].member.key);
    }
  }

 private:
  us::index_dense_t Empty() const {
    us::index_dense_config_t config(kLinks, kBuildEf, 64);
    config.enable_key_lookups = false;
    const auto metric =
        input_.metric == distance::Metric::kL2 ? us::metric_kind_t::l2sq_k : us::metric_kind_t::ip_k;
    auto made = us::index_dense_t::make(us::metric_punned_t(input_.dim, metric, kScalar), config);
    if (!made) Fail("usearch: cannot make an index");
    return std::move(made.index);
  }

  const ContenderInput input_;
  us::index_dense_t index_;
};

template <us::scalar_kind_t kScalar, size_t kLinks>
std::unique_ptr<Contender> Make(const ContenderInput& input) {
  return std::make_unique<Usearch<kScalar, kLinks>>(input);
}

}  // namespace

std::vector<ContenderType> UsearchContenders() {
  return {{"usearch-f32", "usearch", "connectivity 16, expansion_add 200, float32",
           Make<us::scalar_kind_t::f32_k, 16>},
          {"usearch-f16", "usearch", "connectivity 16, expansion_add 200, float16",
           Make<us::scalar_kind_t::f16_k, 16>}};
}

}  // namespace longbow::bench
#else
std::vector<longbow::bench::ContenderType> longbow::bench::UsearchContenders() { return {}; }
#endif
