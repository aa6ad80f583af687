#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "longbow/distance/kernels.h"

namespace longbow::distance {
namespace {

constexpr ElementType kFloating[] = {ElementType::kFloat16, ElementType::kFloat32, ElementType::kFloat64,
                                     ElementType::kComplex64, ElementType::kComplex128};

// The bits of a special value in each floating type's own width.
struct Special {
  uint16_t half;
  float single;
  double wide;
};

void Put(ElementType type, std::vector<std::byte>* bytes, size_t i, const Special& value) {
  const size_t width = ScalarBytes(type);
  const void* source = width == 2   ? static_cast<const void*>(&value.half)
                       : width == 4 ? static_cast<const void*>(&value.single)
                                    : &value.wide;
  std::memcpy(bytes->data() + 1 + i * width, source, width);  // one byte off every alignment
}

const Special kInfinity{0x7c00, INFINITY, INFINITY};
const Special kMinusInfinity{0xfc00, -INFINITY, -INFINITY};
const Special kNan{0x7e01, NAN, NAN};
const Special kLargest{0x7bff, std::numeric_limits<float>::max(), std::numeric_limits<double>::max()};
const Special kSmallest{0x8001, -std::numeric_limits<float>::denorm_min(),
                        -std::numeric_limits<double>::denorm_min()};
const Special kMinusZero{0x8000, -0.0f, -0.0};

TEST(AllFinite, FindsOneBadScalarAnywhere) {
  for (ElementType type : kFloating) {
    for (size_t count : {1u, 7u, 128u, 1024u, 3073u}) {
      std::vector<std::byte> bytes(1 + count * ScalarBytes(type));
      for (size_t i = 0; i < count; ++i) Put(type, &bytes, i, i % 2 == 0 ? kLargest : kSmallest);
      EXPECT_TRUE(AllFinite(type, bytes.data() + 1, count)) << ElementTypeName(type);
      for (const Special& bad : {kInfinity, kMinusInfinity, kNan}) {
        for (size_t at : {size_t{0}, count / 2, count - 1}) {
          std::vector<std::byte> spoiled = bytes;
          Put(type, &spoiled, at, bad);
          EXPECT_FALSE(AllFinite(type, spoiled.data() + 1, count)) << ElementTypeName(type) << " at " << at;
        }
      }
    }
  }
}

TEST(AllFinite, IntegersAlwaysAre) {
  const std::vector<std::byte> ones(64, std::byte{0xff});
  EXPECT_TRUE(AllFinite(ElementType::kInt64, ones.data(), 8));
  EXPECT_TRUE(AllFinite(ElementType::kUInt8, ones.data(), 64));
}

TEST(IsZero, SeesBothZerosAndTheSmallestNumber) {
  for (ElementType type : kFloating) {
    std::vector<std::byte> bytes(1 + 9 * ScalarBytes(type));
    for (size_t i = 0; i < 9; i += 2) Put(type, &bytes, i, kMinusZero);
    EXPECT_TRUE(IsZero(type, bytes.data() + 1, 9)) << ElementTypeName(type);
    Put(type, &bytes, 8, kSmallest);
    EXPECT_FALSE(IsZero(type, bytes.data() + 1, 9)) << ElementTypeName(type);
  }
  const int16_t integers[3] = {0, 0, -1};
  EXPECT_TRUE(IsZero(ElementType::kInt16, integers, 2));
  EXPECT_FALSE(IsZero(ElementType::kInt16, integers, 3));
}

TEST(ToDouble, HalvesConvertExactly) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const int exponent = half >> 10 & 0x1f;
    if (exponent == 0x1f) continue;
    const double mantissa = half & 0x3ff;
    const double magnitude =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    double got;
    ToDouble(ElementType::kFloat16, &half, 1, &got);
    ASSERT_EQ(got, (half & 0x8000) != 0 ? -magnitude : magnitude) << std::hex << bits;
  }
}

TEST(ToDouble, IntegersKeepTheirSign) {
  const int8_t small[2] = {-128, 127};
  const uint64_t large[1] = {std::numeric_limits<uint64_t>::max()};
  double out[2];
  ToDouble(ElementType::kInt8, small, 2, out);
  EXPECT_EQ(out[0], -128);
  EXPECT_EQ(out[1], 127);
  ToDouble(ElementType::kUInt64, large, 1, out);
  EXPECT_EQ(out[0], 0x1p64);
}

TEST(PrepareQuery, CosineQueriesHaveUnitLengthAtAnyScale) {
  for (double scale : {1e-300, 1e-30, 1.0, 1e30, 1e300}) {
    const std::vector<double> query{3 * scale, 0, -4 * scale};
    float narrow[3];
    ASSERT_TRUE(PrepareQuery(Metric::kCosine, ElementType::kInt8, query, narrow)) << scale;
    EXPECT_FLOAT_EQ(narrow[0], 0.6f);
    EXPECT_FLOAT_EQ(narrow[2], -0.8f);
    double wide[3];
    ASSERT_TRUE(PrepareQuery(Metric::kCosine, ElementType::kComplex128, query, wide)) << scale;
    EXPECT_DOUBLE_EQ(wide[0], 0.6);
  }
}

TEST(PrepareQuery, RefusesWhatHasNoMeaning) {
  double out[2];
  EXPECT_FALSE(PrepareQuery(Metric::kCosine, ElementType::kFloat32, std::vector<double>{0, -0.0}, out));
  EXPECT_TRUE(PrepareQuery(Metric::kL2, ElementType::kFloat32, std::vector<double>{0, 0}, out));
  for (Metric metric : {Metric::kL2, Metric::kCosine, Metric::kInnerProduct}) {
    EXPECT_FALSE(PrepareQuery(metric, ElementType::kFloat64, std::vector<double>{1, NAN}, out));
    EXPECT_FALSE(PrepareQuery(metric, ElementType::kFloat32, std::vector<double>{-INFINITY, 1}, out));
  }
  // Finite, but not in the precision that distances to float32 are taken in.
  EXPECT_FALSE(PrepareQuery(Metric::kL2, ElementType::kFloat32, std::vector<double>{1e39, 1}, out));
  EXPECT_TRUE(PrepareQuery(Metric::kL2, ElementType::kFloat64, std::vector<double>{1e39, 1}, out));
}

TEST(UserValues, DistanceAndScore) {
  EXPECT_EQ(UserDistance(Metric::kL2, 9), 3);
  EXPECT_EQ(UserScore(Metric::kL2, 9), 0.25f);
  EXPECT_EQ(UserDistance(Metric::kCosine, 0.25f), 0.25f);
  EXPECT_EQ(UserScore(Metric::kCosine, 0.25f), 0.75f);
  EXPECT_EQ(UserDistance(Metric::kInnerProduct, -7), -7);
  EXPECT_EQ(UserScore(Metric::kInnerProduct, -7), 7);
}

}  // namespace
}  // namespace longbow::distance
