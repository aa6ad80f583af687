#include "longbow/codec/rotation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace longbow::codec {
namespace {

TEST(Rotation, KeepsDistancesAndSpreadsEverySingleCoordinate) {
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal;
  for (size_t dim : {1u, 3u, 64u, 100u, 128u, 200u, 768u, 960u, 1536u, 3072u}) {
    const Rotation rotation(dim, 7, BestCodeKernels());
    const size_t n = rotation.padded_dim();
    ASSERT_EQ(n % kDimStep, 0u);
    std::vector<float> a(n), b(n);
    double before = 0, after = 0;
    for (size_t i = 0; i < dim; ++i) a[i] = normal(random), b[i] = normal(random);
    for (size_t i = 0; i < n; ++i) before += (a[i] - b[i]) * (a[i] - b[i]);
    rotation.Apply(a.data());
    rotation.Apply(b.data());
    for (size_t i = 0; i < n; ++i) after += (a[i] - b[i]) * (a[i] - b[i]);
    EXPECT_NEAR(after / before, 1, 1e-4) << dim;

    for (size_t at : {size_t{0}, dim / 2, dim - 1}) {
      std::vector<float> unit(n);
      unit[at] = 1;
      rotation.Apply(unit.data());
      float most = 0;
      for (float x : unit) most = std::max(most, std::abs(x));
      EXPECT_LT(most, 6 / std::sqrt(static_cast<float>(n))) << dim << " at " << at;
    }
  }
}

TEST(Rotation, IsDecidedByItsSeed) {
  const CodeKernels& k = BestCodeKernels();
  const auto rotated = [&](uint64_t seed) {
    std::vector<float> x(64, 0.0f);
    x[0] = 1, x[5] = 2;
    Rotation(64, seed, k).Apply(x.data());
    return x;
  };
  EXPECT_EQ(rotated(1), rotated(1));
  EXPECT_NE(rotated(1), rotated(2));
}

}  // namespace
}  // namespace longbow::codec
