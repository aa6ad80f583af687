#include "longbow/distance/kernels.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace longbow::distance {
namespace {

constexpr SimdLevel kLevels[] = {SimdLevel::kScalar, SimdLevel::kNeon, SimdLevel::kAvx2, SimdLevel::kAvx512};

std::vector<SimdLevel> LevelsHere() {
  std::vector<SimdLevel> levels;
  for (SimdLevel level : kLevels) {
    if (Supported(level)) levels.push_back(level);
  }
  return levels;
}

// Memory that faults when a byte before or behind it is touched, in every build.
class FencedBytes {
 public:
  explicit FencedBytes(size_t size) : size_(size) {
    page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    inner_ = (size + page_ - 1) / page_ * page_ + page_;
    base_ = static_cast<std::byte*>(
        mmap(nullptr, inner_ + 2 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_, page_, PROT_NONE);
    mprotect(base_ + page_ + inner_, page_, PROT_NONE);
  }
  ~FencedBytes() { munmap(base_, inner_ + 2 * page_); }
  FencedBytes(const FencedBytes&) = delete;
  FencedBytes& operator=(const FencedBytes&) = delete;

  std::byte* AtStart(const std::vector<std::byte>& content) { return Place(base_ + page_, content); }
  std::byte* AtEnd(const std::vector<std::byte>& content) {
    return Place(base_ + page_ + inner_ - content.size(), content);
  }

 private:
  std::byte* Place(std::byte* where, const std::vector<std::byte>& content) {
    EXPECT_LE(content.size(), size_);
    if (!content.empty()) std::memcpy(where, content.data(), content.size());
    return where;
  }
  size_t size_, page_, inner_;
  std::byte* base_;
};

uint16_t ToHalf(double value) {  // truncates; only normal numbers and zero are asked for
  if (value == 0) return 0;
  int exponent;
  const double fraction = std::frexp(std::abs(value), &exponent);
  if (exponent < -13) return 0;
  const auto mantissa = static_cast<uint16_t>(std::ldexp(fraction, 11));
  return static_cast<uint16_t>((value < 0 ? 0x8000 : 0) | (exponent + 14) << 10 | (mantissa & 0x3ff));
}

template <typename T>
void PutAs(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof(T));
}

// Floating types: normally distributed; integers: over their whole range.
void PutRandom(ElementType type, std::mt19937_64& random, std::byte* at) {
  const double normal = std::normal_distribution<double>()(random);
  switch (type) {
    case ElementType::kFloat16:
      return PutAs(at, ToHalf(normal));
    case ElementType::kFloat32:
    case ElementType::kComplex64:
      return PutAs(at, static_cast<float>(normal));
    case ElementType::kFloat64:
    case ElementType::kComplex128:
      return PutAs(at, normal);
    default:
      const uint64_t bits = random();
      std::memcpy(at, &bits, ScalarBytes(type));
  }
}

std::vector<std::byte> RandomRows(ElementType type, std::mt19937_64& random, size_t scalars) {
  std::vector<std::byte> rows(scalars * ScalarBytes(type));
  for (size_t i = 0; i < scalars; ++i) PutRandom(type, random, rows.data() + i * ScalarBytes(type));
  return rows;
}

size_t QueryScalarBytes(ElementType type) { return QueryTypeOf(type) == QueryType::kFloat32 ? 4 : 8; }

// A query drawn like a row of the type, prepared.
std::vector<std::byte> RandomQuery(Metric metric, ElementType type, std::mt19937_64& random, size_t scalars) {
  std::vector<std::byte> prepared(scalars * QueryScalarBytes(type));
  std::vector<double> values(scalars);
  const std::vector<std::byte> row = RandomRows(type, random, scalars);
  ToDouble(type, row.data(), scalars, values.data());
  if (metric == Metric::kCosine && IsZero(type, row.data(), scalars) && scalars > 0) values[0] = 1;
  if (!PrepareQuery(metric, type, values, prepared.data()) && scalars > 0) ADD_FAILURE() << "query refused";
  return prepared;
}

struct Expected {
  double distance;
  double tolerance;
};

// The obvious loop, over the very values that the kernel sees.
Expected Reference(Metric metric, ElementType type, const std::byte* query, const std::byte* row,
                   size_t scalars) {
  std::vector<double> q(scalars), r(scalars);
  const bool narrow = QueryTypeOf(type) == QueryType::kFloat32;
  ToDouble(narrow ? ElementType::kFloat32 : ElementType::kFloat64, query, scalars, q.data());
  ToDouble(type, row, scalars, r.data());
  long double squares = 0, dot = 0, magnitude = 0, norm = 0;
  for (size_t i = 0; i < scalars; ++i) {
    const long double a = q[i], b = r[i];
    squares += (a - b) * (a - b);
    dot += a * b;
    magnitude += std::abs(a * b);
    norm += b * b;
  }
  const double unit = std::numeric_limits<float>::epsilon();
  const double sums = (narrow ? unit : std::numeric_limits<double>::epsilon()) * (8 + 2 * std::sqrt(scalars));
  const double least = std::numeric_limits<float>::denorm_min() * (1 + static_cast<double>(scalars));
  switch (metric) {
    case Metric::kL2:
      return {static_cast<double>(squares), static_cast<double>(squares) * (sums + unit) + least};
    case Metric::kInnerProduct:
      return {static_cast<double>(-dot),
              static_cast<double>(magnitude) * sums + std::abs(double(dot)) * unit + least};
    case Metric::kCosine: {
      if (norm == 0) return {1, 0};
      const long double length = std::sqrt(norm);
      const double cosine = static_cast<double>(dot / length);
      return {1 - cosine, static_cast<double>(magnitude / length) * 2 * sums + unit + least};
    }
  }
  return {};
}

std::string Case(Metric metric, ElementType type, SimdLevel level, size_t scalars) {
  return std::string(MetricName(metric)) + " " + std::string(ElementTypeName(type)) + " " +
         std::string(SimdLevelName(level)) + " scalars=" + std::to_string(scalars);
}

void ExpectNear(const Expected& expected, float got, const std::string& what) {
  if (std::isinf(expected.distance) || std::abs(expected.distance) > std::numeric_limits<float>::max()) {
    EXPECT_EQ(got, expected.distance > 0 ? INFINITY : -INFINITY) << what;
    return;
  }
  EXPECT_LE(std::abs(got - expected.distance), expected.tolerance)
      << what << " expected " << expected.distance << " got " << got;
}

class EveryMetricAndType : public testing::TestWithParam<std::tuple<int, int>> {
 protected:
  Metric metric() const { return static_cast<Metric>(std::get<0>(GetParam())); }
  ElementType type() const { return static_cast<ElementType>(std::get<1>(GetParam())); }
};

std::string ParamName(const testing::TestParamInfo<std::tuple<int, int>>& info) {
  return std::string(MetricName(static_cast<Metric>(std::get<0>(info.param)))) + "_" +
         std::string(ElementTypeName(static_cast<ElementType>(std::get<1>(info.param))));
}

INSTANTIATE_TEST_SUITE_P(Kernels, EveryMetricAndType,
                         testing::Combine(testing::Range(0, kMetrics), testing::Range(0, kElementTypes)),
                         ParamName);

TEST_P(EveryMetricAndType, EveryLevelAgreesWithTheObviousLoopAtEveryLength) {
  std::mt19937_64 random(20240229);
  std::vector<size_t> lengths(301);
  for (size_t i = 0; i < lengths.size(); ++i) lengths[i] = i;
  lengths.insert(lengths.end(), {384, 512, 768, 1024, 1536, 3072});
  for (size_t scalars : lengths) {
    const size_t rows = scalars <= 300 ? 1 + scalars * 7 % 14 : 9;
    const size_t row_bytes = scalars * ScalarBytes(type());
    const auto query = RandomQuery(metric(), type(), random, scalars);
    const auto row_data = RandomRows(type(), random, rows * scalars);
    std::vector<Expected> expected(rows);
    for (size_t i = 0; i < rows; ++i) {
      expected[i] = Reference(metric(), type(), query.data(), row_data.data() + i * row_bytes, scalars);
    }
    // Off every alignment.
    std::vector<std::byte> query_at(query.size() + 1), rows_at(row_data.size() + 3);
    std::copy(query.begin(), query.end(), query_at.begin() + 1);
    std::copy(row_data.begin(), row_data.end(), rows_at.begin() + 3);
    for (SimdLevel level : LevelsHere()) {
      std::vector<float> out(rows, NAN);
      Kernels(metric(), type(), level)
          .rows(query_at.data() + 1, rows_at.data() + 3, row_bytes, rows, scalars, out.data());
      for (size_t i = 0; i < rows; ++i)
        ExpectNear(expected[i], out[i], Case(metric(), type(), level, scalars));
      if (HasFailure()) return;
    }
  }
}

TEST_P(EveryMetricAndType, NoByteOutsideRowAndQueryIsRead) {
  std::mt19937_64 random(7);
  FencedBytes row_memory(1 << 14), query_memory(1 << 14);
  for (SimdLevel level : LevelsHere()) {
    for (size_t scalars = 1; scalars <= 70; ++scalars) {
      const auto query = RandomQuery(metric(), type(), random, scalars);
      const auto row = RandomRows(type(), random, scalars);
      const Expected expected = Reference(metric(), type(), query.data(), row.data(), scalars);
      const auto& kernels = Kernels(metric(), type(), level);
      for (bool at_end : {false, true}) {
        const std::byte* q = at_end ? query_memory.AtEnd(query) : query_memory.AtStart(query);
        const std::byte* r = at_end ? row_memory.AtEnd(row) : row_memory.AtStart(row);
        float rows_out, gather_out, tile_out;
        kernels.rows(q, r, row.size(), 1, scalars, &rows_out);
        kernels.gather(q, &r, 1, scalars, &gather_out);
        kernels.tile(q, query.size(), 1, r, row.size(), 1, scalars, &tile_out);
        ExpectNear(expected, rows_out, Case(metric(), type(), level, scalars));
        EXPECT_EQ(gather_out, rows_out);
        EXPECT_EQ(tile_out, rows_out);
      }
    }
  }
}

TEST_P(EveryMetricAndType, TileAndGatherEqualRowsToTheLastBit) {
  std::mt19937_64 random(11);
  for (SimdLevel level : LevelsHere()) {
    const auto& kernels = Kernels(metric(), type(), level);
    for (size_t scalars : {1u, 5u, 16u, 33u, 128u, 200u}) {
      const size_t row_bytes = scalars * ScalarBytes(type());
      for (size_t rows : {1u, 3u, 4u, 7u, 8u, 13u, 21u}) {
        const auto data = RandomRows(type(), random, rows * scalars);
        std::vector<const std::byte*> row_at(rows);
        for (size_t i = 0; i < rows; ++i) row_at[i] = data.data() + (i * 5 % rows) * row_bytes;
        for (size_t queries : {1u, 2u, 3u, 4u, 5u, 9u}) {
          const size_t query_bytes = scalars * QueryScalarBytes(type());
          std::vector<std::byte> all;
          for (size_t q = 0; q < queries; ++q) {
            const auto query = RandomQuery(metric(), type(), random, scalars);
            all.insert(all.end(), query.begin(), query.end());
          }
          std::vector<float> tile(queries * rows, NAN), one(rows, NAN), gathered(rows, NAN);
          kernels.tile(all.data(), query_bytes, queries, data.data(), row_bytes, rows, scalars, tile.data());
          for (size_t q = 0; q < queries; ++q) {
            const std::byte* query = all.data() + q * query_bytes;
            kernels.rows(query, data.data(), row_bytes, rows, scalars, one.data());
            kernels.gather(query, row_at.data(), rows, scalars, gathered.data());
            for (size_t i = 0; i < rows; ++i) {
              ASSERT_EQ(tile[q * rows + i], one[i])
                  << Case(metric(), type(), level, scalars) << " rows=" << rows;
              ASSERT_EQ(gathered[i], one[i * 5 % rows])
                  << Case(metric(), type(), level, scalars) << " rows=" << rows;
            }
          }
        }
      }
    }
  }
}

TEST(KernelFuzz, LevelsAgree) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 2000 && !testing::Test::HasFailure(); ++round) {
    const auto metric = static_cast<Metric>(random() % kMetrics);
    const auto type = static_cast<ElementType>(random() % kElementTypes);
    const size_t scalars = 1 + random() % (round % 10 == 0 ? 4096 : 400);
    const size_t rows = 1 + random() % 20, offset = random() % 9, gap = random() % 5;
    const size_t row_bytes = scalars * ScalarBytes(type) + gap;
    const auto query = RandomQuery(metric, type, random, scalars);
    std::vector<std::byte> data(offset + rows * row_bytes, std::byte{0xff});
    for (size_t i = 0; i < rows; ++i) {
      const auto row = RandomRows(type, random, scalars);
      std::copy(row.begin(), row.end(), data.begin() + static_cast<ptrdiff_t>(offset + i * row_bytes));
    }
    std::vector<float> scalar(rows), other(rows);
    Kernels(metric, type, SimdLevel::kScalar)
        .rows(query.data(), data.data() + offset, row_bytes, rows, scalars, scalar.data());
    for (SimdLevel level : LevelsHere()) {
      Kernels(metric, type, level)
          .rows(query.data(), data.data() + offset, row_bytes, rows, scalars, other.data());
      for (size_t i = 0; i < rows; ++i) {
        const std::byte* row = data.data() + offset + i * row_bytes;
        const Expected expected = Reference(metric, type, query.data(), row, scalars);
        EXPECT_TRUE(scalar[i] == other[i] || std::abs(scalar[i] - other[i]) <= 2 * expected.tolerance)
            << Case(metric, type, level, scalars) << " round " << round << ": scalar " << scalar[i]
            << " this " << other[i];
      }
    }
  }
}

// u8 and i8 sums of squares below 2^24 are exact at every level: 258 dimensions of the widest difference.
TEST(Kernels, ByteSquaresAreExact) {
  std::mt19937_64 random(3);
  for (SimdLevel level : LevelsHere()) {
    for (ElementType type : {ElementType::kUInt8, ElementType::kInt8}) {
      for (size_t scalars : {1u, 100u, 128u, 258u}) {
        for (int round = 0; round < 50; ++round) {
          auto row = RandomRows(type, random, scalars), query_row = RandomRows(type, random, scalars);
          if (round == 0) {  // as far apart as can be
            const int low = type == ElementType::kUInt8 ? 0 : -128;
            std::fill(row.begin(), row.end(), static_cast<std::byte>(low));
            std::fill(query_row.begin(), query_row.end(), static_cast<std::byte>(low + 255));
          }
          std::vector<double> q(scalars), r(scalars);
          ToDouble(type, query_row.data(), scalars, q.data());
          ToDouble(type, row.data(), scalars, r.data());
          int64_t exact = 0;
          for (size_t i = 0; i < scalars; ++i) exact += static_cast<int64_t>((q[i] - r[i]) * (q[i] - r[i]));
          std::vector<float> query(scalars);
          ASSERT_TRUE(PrepareQuery(Metric::kL2, type, q, query.data()));
          float got;
          Kernels(Metric::kL2, type, level).rows(query.data(), row.data(), row.size(), 1, scalars, &got);
          ASSERT_EQ(static_cast<int64_t>(got), exact) << Case(Metric::kL2, type, level, scalars);
        }
      }
    }
  }
}

template <typename T>
float Distance(Metric metric, ElementType type, SimdLevel level, const std::vector<double>& query,
               const std::vector<T>& row) {
  std::vector<double> prepared(query.size());  // room for either precision
  EXPECT_TRUE(PrepareQuery(metric, type, query, prepared.data()));
  float out = NAN;
  Kernels(metric, type, level)
      .rows(prepared.data(), reinterpret_cast<const std::byte*>(row.data()), row.size() * sizeof(T), 1,
            row.size(), &out);
  return out;
}

TEST(KernelExtremes, CosineHoldsAtEveryScale) {
  for (SimdLevel level : LevelsHere()) {
    for (float scale : {1e-44f, 1e-38f, 1e-30f, 1e-15f, 1e15f, 1e25f, 3e37f}) {
      const std::vector<float> row{3 * scale, 4 * scale, 0, 0, 0};
      const double unit = scale < 1e-40f ? 0.1 : 1e-6;  // a subnormal keeps few bits
      EXPECT_NEAR(Distance(Metric::kCosine, ElementType::kFloat32, level, {3, 4, 0, 0, 0}, row), 0, unit)
          << scale;
      EXPECT_NEAR(Distance(Metric::kCosine, ElementType::kFloat32, level, {-4, 3, 0, 0, 0}, row), 1, unit)
          << scale;
      EXPECT_NEAR(Distance(Metric::kCosine, ElementType::kFloat32, level, {-3, -4, 0, 0, 0}, row), 2, unit)
          << scale;
    }
    for (double scale : {1e-300, 1e-160, 1e160, 3e307}) {
      const std::vector<double> row{3 * scale, 4 * scale, 0, 0, 0};
      EXPECT_NEAR(Distance(Metric::kCosine, ElementType::kFloat64, level, {3, 4, 0, 0, 0}, row), 0, 1e-6)
          << scale;
      EXPECT_NEAR(Distance(Metric::kCosine, ElementType::kFloat64, level, {-4, 3, 0, 0, 0}, row), 1, 1e-6)
          << scale;
    }
  }
}

TEST(KernelExtremes, ADotProductThatFitsIsFoundThoughItsTermsDoNot) {
  for (SimdLevel level : LevelsHere()) {
    std::vector<double> query(40, 0.0);
    std::vector<float> row(40, 0.0f);
    query[0] = 1e30, row[0] = 1e30f;
    query[1] = -1e30, row[1] = 1e30f;
    query[20] = 2, row[20] = 3;
    EXPECT_NEAR(Distance(Metric::kInnerProduct, ElementType::kFloat32, level, query, row), -6, 1e-3);
    row[1] = 0;
    EXPECT_EQ(Distance(Metric::kInnerProduct, ElementType::kFloat32, level, query, row), -INFINITY);
    row[0] = -row[0];
    EXPECT_EQ(Distance(Metric::kInnerProduct, ElementType::kFloat32, level, query, row), INFINITY);
    std::vector<double> wide{1e200, -1e200, 2}, wide_row{1e200, 1e200, 3};
    EXPECT_EQ(Distance(Metric::kInnerProduct, ElementType::kFloat64, level, wide, wide_row), -6);
  }
}

TEST(KernelExtremes, SquaresThatFitDoNotOverflowAndTinyOnesDoNotGrow) {
  for (SimdLevel level : LevelsHere()) {
    const std::vector<float> far{1.3e19f, -1.3e19f};
    EXPECT_FLOAT_EQ(Distance(Metric::kL2, ElementType::kFloat32, level, {0, 0}, far), 2 * 1.3e19f * 1.3e19f);
    EXPECT_EQ(Distance(Metric::kL2, ElementType::kFloat32, level, {3e38, 0}, std::vector<float>{-3e38f, 0}),
              INFINITY);
    EXPECT_EQ(Distance(Metric::kL2, ElementType::kFloat64, level, {1e308, 0}, std::vector<double>{-1e308, 0}),
              INFINITY);
    const std::vector<float> near(17, 1e-20f);
    EXPECT_NEAR(Distance(Metric::kL2, ElementType::kFloat32, level, std::vector<double>(17, 0.0), near),
                17e-40, 1e-43);
    const std::vector<double> tiny(9, 1e-310);
    EXPECT_EQ(Distance(Metric::kL2, ElementType::kFloat64, level, std::vector<double>(9, 0.0), tiny), 0);
  }
}

TEST(KernelExtremes, ARowOfLengthZeroIsAtARightAngle) {
  for (SimdLevel level : LevelsHere()) {
    EXPECT_EQ(Distance(Metric::kCosine, ElementType::kFloat32, level, {1, 2, 3}, std::vector<float>(3)), 1);
    EXPECT_EQ(Distance(Metric::kCosine, ElementType::kInt64, level, {1, 2, 3}, std::vector<int64_t>(3)), 1);
  }
}

TEST(KernelExtremes, WideIntegersConvertWithOneRounding) {
  std::mt19937_64 random(5);
  for (SimdLevel level : LevelsHere()) {
    for (int round = 0; round < 200; ++round) {
      const uint64_t bits = round == 0   ? ~uint64_t{0}
                            : round == 1 ? uint64_t{1} << 63
                                         : random() >> random() % 64;
      const std::vector<double> one{1, 0, 0, 0};
      const std::vector<uint64_t> u{bits, 0, 0, 0};
      const std::vector<int64_t> s{static_cast<int64_t>(bits), 0, 0, 0};
      EXPECT_EQ(Distance(Metric::kInnerProduct, ElementType::kUInt64, level, one, u),
                -static_cast<float>(double(bits)));
      EXPECT_EQ(Distance(Metric::kInnerProduct, ElementType::kInt64, level, one, s),
                -static_cast<float>(static_cast<double>(static_cast<int64_t>(bits))));
    }
  }
}

TEST(Dispatch, ALevelThatIsNotHereFallsBackToScalar) {
  const auto& scalar = Kernels(Metric::kL2, ElementType::kFloat32, SimdLevel::kScalar);
  for (SimdLevel level : kLevels) {
    const auto& kernels = Kernels(Metric::kL2, ElementType::kFloat32, level);
    EXPECT_EQ(&kernels == &scalar, level == SimdLevel::kScalar || !Supported(level)) << SimdLevelName(level);
  }
  EXPECT_TRUE(Supported(BestSimdLevel()));
}

}  // namespace
}  // namespace longbow::distance
