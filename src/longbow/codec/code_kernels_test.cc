#include "longbow/codec/code_kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace longbow::codec {
namespace {

constexpr size_t kDims[] = {64, 128, 192, 256, 384, 768, 1024, 1088, 1536, 3072, 32768};

class CodeKernelsTest : public testing::Test {
 protected:
  std::vector<float> Normal(size_t n) {
    std::vector<float> x(n);
    for (float& v : x) v = normal_(random_);
    return x;
  }
  const uint64_t seed_ = std::random_device{}();
  testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937_64 random_{seed_};
  std::normal_distribution<float> normal_;
};

TEST_F(CodeKernelsTest, TheTransformIsItsOwnInverseAndKeepsLengths) {
  for (const CodeKernels* k : RunnableCodeKernels()) {
    for (size_t n = 64; n <= 32768; n *= 2) {
      const auto x = Normal(n);
      auto y = x;
      k->hadamard(y.data(), n);
      double before = 0, after = 0;
      for (size_t i = 0; i < n; ++i) before += x[i] * x[i], after += y[i] * y[i];
      EXPECT_NEAR(after / before, 1, 1e-5) << k->name << " " << n;
      EXPECT_GT(std::abs(y[3] - x[3]) + std::abs(y[40] - x[40]), 1e-4);
      k->hadamard(y.data(), n);
      for (size_t i = 0; i < n; ++i) ASSERT_NEAR(x[i], y[i], 1e-4) << k->name << " " << n << " at " << i;
    }
  }
}

TEST_F(CodeKernelsTest, TheTransformOfAUnitVectorHasEqualCoordinates) {
  for (const CodeKernels* k : RunnableCodeKernels()) {
    std::vector<float> x(128);
    x[77] = 1;
    k->hadamard(x.data(), 128);
    for (size_t i = 0; i < 128; ++i) {
      const float sign = std::popcount(i & 77) % 2 == 0 ? 1 : -1;
      ASSERT_NEAR(x[i], sign / std::sqrt(128.0f), 1e-6) << k->name;
    }
  }
}

TEST_F(CodeKernelsTest, CodesAreNearWhatTheyStandForAndTheirFactorsTrue) {
  for (const CodeKernels* k : RunnableCodeKernels()) {
    for (size_t n : kDims) {
      const auto x = Normal(n);
      float largest = 0;
      for (float v : x) largest = std::max(largest, std::abs(v));
      for (const VectorCode way : {VectorCode::kSq8, VectorCode::kFloat16, VectorCode::kFloat32}) {
        SCOPED_TRACE(testing::Message() << k->name << " " << n << " " << ScalarBytes(way));
        const VectorCodeKernels& kernels = k->of(way);
        std::vector<std::byte> code(n * ScalarBytes(way));
        std::vector<float> decoded(n);
        const CodeFactors factors = kernels.encode(x.data(), n, code.data());
        kernels.decode(code.data(), factors.scale, n, decoded.data());
        double square = 0;
        int32_t sum = 0;
        for (size_t i = 0; i < n; ++i) {
          ASSERT_NEAR(decoded[i], x[i], largest * StepOf(way) * 0.501);
          square += double{decoded[i]} * decoded[i];
          sum += static_cast<int8_t>(code[i]);
        }
        if (way == VectorCode::kSq8) {
          EXPECT_EQ(sum, factors.sum);
        }
        EXPECT_NEAR(factors.square / square, 1, 1e-5);
        // Equal codes are at no distance, to the last bit.
        EXPECT_EQ(SquaredDistance(factors, factors, kernels.dot(code.data(), code.data(), factors.sum, n)),
                  0);
        // A vector of zeros has a code, too.
        const std::vector<float> zero(n);
        EXPECT_EQ(kernels.encode(zero.data(), n, code.data()).square, 0);
      }
    }
  }
}

TEST_F(CodeKernelsTest, DistancesOfCodesAreThoseOfWhatTheyStandFor) {
  for (const CodeKernels* k : RunnableCodeKernels()) {
    for (size_t n : kDims) {
      const auto x = Normal(n), y = Normal(n);
      for (const VectorCode way : {VectorCode::kSq8, VectorCode::kFloat16, VectorCode::kFloat32}) {
        const VectorCodeKernels& kernels = k->of(way);
        std::vector<std::byte> a(n * ScalarBytes(way)), b(a.size());
        std::vector<float> u(n), v(n);
        const CodeFactors of_a = kernels.encode(x.data(), n, a.data()),
                          of_b = kernels.encode(y.data(), n, b.data());
        kernels.decode(a.data(), of_a.scale, n, u.data());
        kernels.decode(b.data(), of_b.scale, n, v.data());
        double expected = 0;
        for (size_t i = 0; i < n; ++i) expected += (double{u[i]} - v[i]) * (double{u[i]} - v[i]);
        const float got = SquaredDistance(of_a, of_b, kernels.dot(a.data(), b.data(), of_b.sum, n));
        EXPECT_NEAR(got / expected, 1, 1e-4) << k->name << " " << n << " " << ScalarBytes(way);
        const CodeKernels& scalar = **RunnableCodeKernels().begin();
        EXPECT_EQ(scalar.of(way).dot(a.data(), b.data(), of_b.sum, n),
                  kernels.dot(a.data(), b.data(), of_b.sum, n));
      }
    }
  }
}

// Finite components whose steps are none: sums of a rotation overflow, inverses of tiny steps do.
TEST_F(CodeKernelsTest, TheLargestAndSmallestNumbersHaveCodesLikeAnyOther) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const CodeKernels* k : RunnableCodeKernels()) {
    for (const float huge :
         {1e-45f, 1e-39f, 1e-37f, 3.4e38f, kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<float> x(64, huge);
      x[1] = -huge, x[2] = 0;
      std::vector<std::byte> code(x.size());
      const CodeFactors sq8 = k->of(VectorCode::kSq8).encode(x.data(), x.size(), code.data());
      EXPECT_TRUE(std::isfinite(sq8.scale) && sq8.scale > 0) << k->name << " " << huge;
      for (const std::byte c : code) EXPECT_GE(static_cast<int8_t>(c), -127) << k->name << " " << huge;
      if (huge > 1e30f) {
        EXPECT_EQ(static_cast<int8_t>(code[0]), 127) << k->name << " " << huge;
      }
      std::vector<uint8_t> table(TableBytes(x.size()));
      const NeighborTable t = k->make_table(x.data(), x.size(), table.data());
      EXPECT_TRUE(std::isfinite(t.step) && t.step > 0 && std::isfinite(t.offset)) << k->name << " " << huge;
      for (const uint8_t entry : table) ASSERT_LE(entry, 127) << k->name << " " << huge;
      for (uint32_t bits : {1u, 2u, 4u}) {
        std::vector<uint8_t> block(BlockBytes(x.size(), bits));
        const std::vector<float> origin(x.size());
        k->encode_neighbor(origin.data(), x.data(), x.size(), bits, 0, block.data());
        // The scalar kernels' bytes: what is no number is the highest level everywhere.
        std::vector<uint8_t> expected(block.size());
        const CodeKernels& scalar = **RunnableCodeKernels().begin();
        scalar.encode_neighbor(origin.data(), x.data(), x.size(), bits, 0, expected.data());
        EXPECT_EQ(block, expected) << k->name << " " << huge;
      }
    }
  }
}

TEST_F(CodeKernelsTest, ProductsOfCodesAreExact) {
  for (const CodeKernels* k : RunnableCodeKernels()) {
    for (size_t n : kDims) {
      std::vector<int8_t> a(n), b(n);
      int32_t sum_b = 0, expected = 0;
      for (size_t i = 0; i < n; ++i) {
        a[i] = static_cast<int8_t>(static_cast<int>(random_() % 255) - 127);
        b[i] = static_cast<int8_t>(static_cast<int>(random_() % 255) - 127);
        if (random_() % 3 == 0) a[i] = b[i] = 127;
        sum_b += b[i], expected += a[i] * b[i];
      }
      const float got = k->of(VectorCode::kSq8)
                            .dot(reinterpret_cast<const std::byte*>(a.data()),
                                 reinterpret_cast<const std::byte*>(b.data()), sum_b, n);
      EXPECT_EQ(got, static_cast<float>(expected)) << k->name << " " << n;
    }
  }
}

// Every level writes the same bytes and numbers as the scalar one: a file may move between machines.
TEST_F(CodeKernelsTest, AllLevelsAgreeToTheLastBit) {
  const CodeKernels& scalar = **RunnableCodeKernels().begin();
  for (const CodeKernels* k : RunnableCodeKernels()) {
    for (size_t n : kDims) {
      const auto q = Normal(n), from = Normal(n);
      std::vector<uint8_t> table(TableBytes(n)), table2(TableBytes(n));
      const NeighborTable t = scalar.make_table(q.data(), n, table.data());
      const NeighborTable t2 = k->make_table(q.data(), n, table2.data());
      ASSERT_EQ(table, table2) << k->name << " " << n;
      ASSERT_EQ(t.step, t2.step);
      ASSERT_EQ(t.offset, t2.offset);
      for (uint32_t bits = 1; bits <= kMaxBits; ++bits) {
        std::vector<uint8_t> block(BlockBytes(n, bits)), block2(BlockBytes(n, bits));
        float constants[kBlock], slopes[kBlock], more[kBlock];
        alignas(64) float out[kBlock], out2[kBlock];
        for (uint32_t i = 0; i < kBlock; ++i) {
          const auto to = Normal(n);
          const auto f = scalar.encode_neighbor(from.data(), to.data(), n, bits, i, block.data());
          const auto g = k->encode_neighbor(from.data(), to.data(), n, bits, i, block2.data());
          ASSERT_EQ(f.constant, g.constant) << k->name << " " << n << " " << bits;
          ASSERT_EQ(f.slope, g.slope);
          ASSERT_EQ(f.square, g.square);
          constants[i] = f.constant, slopes[i] = f.slope, more[i] = f.square;
        }
        ASSERT_EQ(block, block2) << k->name << " " << n << " " << bits;
        for (const float* added : {static_cast<const float*>(nullptr), static_cast<const float*>(more)}) {
          const EstimateTerms terms{3.0f, constants, slopes, added, -0.5f};
          scalar.estimate(block.data(), bits, n, t, terms, 0, out);
          const float limit = out[7];
          const uint32_t near = scalar.estimate(block.data(), bits, n, t, terms, limit, out);
          const uint32_t near2 = k->estimate(block.data(), bits, n, t, terms, limit, out2);
          for (uint32_t i = 0; i < kBlock; ++i) {
            ASSERT_EQ(out[i], out2[i]) << k->name << " " << n << " " << bits;
            ASSERT_EQ(near >> i & 1, out[i] <= limit ? 1u : 0u);
          }
          ASSERT_EQ(k->not_above(out, limit), near);
          ASSERT_EQ(near, near2) << k->name << " " << n << " " << bits;
        }
      }
    }
  }
}

// What is nearer than the limit by more than the table rounds off is near, what is farther by more is not;
// all levels agree in between.
TEST_F(CodeKernelsTest, WhatMayBeNearIsToldFromTotalsThatStayAt255) {
  constexpr uint32_t kBlocks = 3;
  const CodeKernels& scalar = **RunnableCodeKernels().begin();
  for (size_t n : {64u, 128u, 192u, 768u, 1024u}) {
    for (uint32_t bits = 1; bits <= 2; ++bits) {
      const auto q = Normal(n), centre = Normal(n);
      float all = 0, base = 0;
      for (size_t i = 0; i < n; ++i) {
        all += std::abs(q[i]);
        base += (q[i] - centre[i]) * (q[i] - centre[i]);
      }
      const size_t floats = 3 * kBlock, stride = floats * sizeof(float) + BlockBytes(n, bits);
      std::vector<float> memory(kBlocks * stride / sizeof(float));
      std::vector<float> estimates;
      std::vector<uint8_t> table(TableBytes(n));
      const NeighborTable exact = scalar.make_table(q.data(), n, table.data());
      for (uint32_t b = 0; b < kBlocks; ++b) {
        float* const block = memory.data() + b * stride / sizeof(float);
        auto* const codes = reinterpret_cast<uint8_t*>(block + floats);
        for (uint32_t i = 0; i < kBlock; ++i) {
          auto row = Normal(n);
          const float share = static_cast<float>(i) / kBlock;
          for (size_t j = 0; j < n; ++j)
            row[j] = centre[j] + share * (q[j] - centre[j]) + (1 - share) * row[j];
          const auto f = scalar.encode_neighbor(centre.data(), row.data(), n, bits, i, codes);
          block[i] = f.constant, block[kBlock + i] = f.slope, block[2 * kBlock + i] = -1 / f.slope;
        }
        alignas(64) float out[kBlock];
        scalar.estimate(codes, bits, n, exact, {base, block, block + kBlock}, 0, out);
        estimates.insert(estimates.end(), out, out + kBlock);
      }
      // A vector that is not there, and one that is the centre.
      memory[5] = std::numeric_limits<float>::infinity(), memory[2 * kBlock + 5] = 1;
      memory[6] = 0, memory[2 * kBlock + 6] = 1e30f;
      for (const float share : {0.1f, 0.5f, 1.0f}) {
        const float step = share * all * static_cast<float>((1u << bits) - 1) / 200, limit = estimates[20];
        std::vector<uint8_t> entries(ScanTableBytes(n, bits)), entries2(entries.size());
        ScanTable t = scalar.make_scan_table(q.data(), n, bits, all, step, entries.data());
        t.base = base;
        uint32_t near[kBlocks];
        const auto* first = reinterpret_cast<const uint8_t*>(memory.data() + floats);
        const ScanBlocks blocks{first, memory.data(), memory.data() + 2 * kBlock, stride, kBlocks};
        const ScanQuery one{&t, limit, near};
        scalar.near(blocks, bits, n, &one, 1);
        for (const CodeKernels* k : RunnableCodeKernels()) {
          SCOPED_TRACE(testing::Message() << k->name << " " << n << " " << bits << " " << share);
          ScanTable t2 = k->make_scan_table(q.data(), n, bits, all, step, entries2.data());
          ASSERT_EQ(entries, entries2);
          ASSERT_EQ(t.most, t2.most);
          t2.base = base;
          // As many queries together as there are ways to take them, with limits of their own.
          constexpr size_t kQueries = 7;
          uint32_t near2[kQueries][kBlocks];
          std::vector<ScanQuery> queries;
          for (size_t j = 0; j < kQueries; ++j)
            queries.push_back({&t2, j % 2 == 0 ? limit : -std::numeric_limits<float>::max(), near2[j]});
          k->near(blocks, bits, n, queries.data(), kQueries);
          for (uint32_t b = 0; b < kBlocks; ++b) {
            for (size_t j = 0; j < kQueries; ++j)
              ASSERT_EQ(near2[j][b], j % 2 == 0 ? near[b] : 0u) << b << " " << j;
          }
        }
        EXPECT_EQ(near[0] >> 5 & 1, 0u);
        EXPECT_EQ(near[0] >> 6 & 1, base <= limit ? 1u : 0u);
        const float off =
            step * (0.5f * static_cast<float>(bits * n) / 4 + 2) +
            exact.step * 0.5f * static_cast<float>(n) / 4 * static_cast<float>((1u << bits) - 1);
        int told = 0;
        for (uint32_t i = 7; i < kBlocks * kBlock; ++i) {
          const float slope = memory[i / kBlock * stride / sizeof(float) + kBlock + i % kBlock];
          const float inverse = memory[i / kBlock * stride / sizeof(float) + 2 * kBlock + i % kBlock];
          const float constant = memory[i / kBlock * stride / sizeof(float) + i % kBlock];
          // Where a total this large is near, all are.
          const float most = (t.most + (limit - base - constant) * inverse) / step;
          const bool is_near = (near[i / kBlock] >> (i % kBlock) & 1) != 0;
          if (most >= 255) {
            EXPECT_TRUE(is_near);
          } else if (std::abs(estimates[i] - limit) > -slope * off) {
            EXPECT_EQ(is_near, estimates[i] < limit) << i << " " << estimates[i] << " " << limit;
            ++told;
          }
        }
        if (share == 0.5f && n <= 256) {  // the most that many entries may round is much
          EXPECT_GT(told, 10) << n << " " << bits;
        }
      }
    }
  }
}

TEST_F(CodeKernelsTest, CodesOfVectorsAndTheTransformAgreeToTheLastBit) {
  const CodeKernels& scalar = **RunnableCodeKernels().begin();
  for (const CodeKernels* k : RunnableCodeKernels()) {
    for (size_t n : kDims) {
      const auto x = Normal(n), y = Normal(n);
      for (const VectorCode way : {VectorCode::kSq8, VectorCode::kFloat16, VectorCode::kFloat32}) {
        SCOPED_TRACE(testing::Message() << k->name << " " << n << " " << ScalarBytes(way));
        std::vector<std::byte> code(n * ScalarBytes(way)), code2(code.size());
        const CodeFactors f = scalar.of(way).encode(x.data(), n, code.data());
        const CodeFactors g = k->of(way).encode(x.data(), n, code2.data());
        ASSERT_EQ(code, code2);
        ASSERT_EQ(f.scale, g.scale);
        ASSERT_EQ(f.sum, g.sum);
        ASSERT_EQ(f.square, g.square);
        std::vector<float> decoded(n), decoded2(n);
        scalar.of(way).decode(code.data(), f.scale, n, decoded.data());
        k->of(way).decode(code.data(), f.scale, n, decoded2.data());
        ASSERT_EQ(decoded, decoded2);
      }
      auto rotated = x, rotated2 = x;
      scalar.multiply(rotated.data(), y.data(), n);
      k->multiply(rotated2.data(), y.data(), n);
      scalar.hadamard(rotated.data(), std::bit_floor(n));
      k->hadamard(rotated2.data(), std::bit_floor(n));
      ASSERT_EQ(rotated, rotated2) << k->name << " " << n;
    }
  }
}

// The estimate's error falls with the root of the dimension and with each bit as RaBitQ's does.
TEST_F(CodeKernelsTest, EstimatesAreUnbiasedAndAsNearAsTheirBitsAllow) {
  const CodeKernels& k = BestCodeKernels();
  const float allowed[kMaxBits + 1] = {0, 1.0f, 0.5f, 0.28f,
                                       0.17f};  // deviation of <q - v, r> in |q - v||r|/sqrt(n)
  for (size_t n : {128u, 768u, 1536u}) {
    for (uint32_t bits = 1; bits <= kMaxBits; ++bits) {
      std::vector<uint8_t> table(TableBytes(n)), block(BlockBytes(n, bits));
      double error = 0, error2 = 0;
      int count = 0;
      for (int round = 0; round < 10; ++round) {
        const auto q = Normal(n), v = Normal(n);
        const NeighborTable t = k.make_table(q.data(), n, table.data());
        float constants[kBlock], slopes[kBlock], expected[kBlock];
        alignas(64) float out[kBlock];
        float base = 0;
        for (size_t i = 0; i < n; ++i) base += (q[i] - v[i]) * (q[i] - v[i]);
        double lengths[kBlock];
        for (uint32_t j = 0; j < kBlock; ++j) {
          auto u = Normal(n);
          for (size_t i = 0; i < n; ++i) u[i] = v[i] + 0.5f * u[i] + 0.2f * (q[i] - v[i]);
          const auto f = k.encode_neighbor(v.data(), u.data(), n, bits, j, block.data());
          constants[j] = f.constant, slopes[j] = f.slope;
          double d = 0;
          for (size_t i = 0; i < n; ++i) d += (q[i] - u[i]) * (q[i] - u[i]);
          expected[j] = static_cast<float>(d);
          lengths[j] = std::sqrt(double{f.square} * base / static_cast<double>(n));
        }
        k.estimate(block.data(), bits, n, t, {base, constants, slopes}, 0, out);
        for (uint32_t j = 0; j < kBlock; ++j) {
          const double e = (out[j] - expected[j]) / (2 * lengths[j]);
          error += e, error2 += e * e, ++count;
        }
      }
      EXPECT_LT(std::sqrt(error2 / count), allowed[bits]) << n << " " << bits;
      EXPECT_LT(std::abs(error / count), allowed[bits] * 0.3) << n << " " << bits;
    }
  }
}

}  // namespace
}  // namespace longbow::codec
