// Makes vectors that behave like normalised embeddings, and the true neighbours of the queries.
//
//   ann_dataset DIRECTORY --rows N --dim D [--metric l2|cosine|ip] [--queries 1000] [--extra 10000] [--seed
//   1]
//
// Embeddings are clustered, and near a point they vary in far fewer directions than they have dimensions;
// uniform noise does neither, and graphs, codes and stopping rules that work on one fail on the other. So: a
// mixture of Gaussian clusters of unequal weight and width in a latent space of 64 or 96 dimensions, led into
// `dim` dimensions by a random map whose directions get weaker, around a common mean, with a little noise in
// every dimension, at unit length (under ip: of varying length). One row in 200 equals another row and one in
// 100 nearly does.
//
// The same arguments give the same bytes on the same machine; rows are made in blocks, so a larger set begins
// with the rows of a smaller one. Prints the local intrinsic dimension (real embeddings: about 15 to 30) and
// the relative contrast (1.5 to 2.5).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>
#include <string_view>

#include "ann/dataset.h"
#include "ann/exact.h"

namespace longbow::bench {
namespace {

constexpr size_t kBlock = 4096, kClusters = 3000;
constexpr double kWeightPower = -0.7, kScalePower = -0.35;  // of the i-th cluster, of the i-th direction
constexpr double kMeanLength = 0.6, kNoise = 0.6, kWidth = 0.8, kWidthSpread = 0.5, kLengthSpread = 0.25;
constexpr size_t kEqualOneIn = 200, kNearlyEqualOneIn = 100;
constexpr float kNearlyEqual = 1e-3f;

enum Stream : uint64_t { kModel, kBase, kQueries, kExtra };

// Numbers that depend on nothing but the key, by Marsaglia's polar method.
class Noise {
 public:
  Noise(uint64_t seed, uint64_t stream, uint64_t block)
      : bits_((seed * 1000003 + stream) * 1000003 + block) {}
  double Uniform() { return static_cast<double>(bits_() >> 11) * 0x1p-53; }
  size_t Below(size_t n) { return static_cast<size_t>(Uniform() * static_cast<double>(n)); }
  double Normal() {
    if (kept_) {
      kept_ = false;
      return other_;
    }
    double x, y, square;
    do {
      x = 2 * Uniform() - 1, y = 2 * Uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square == 0);
    const double factor = std::sqrt(-2 * std::log(square) / square);
    other_ = y * factor;
    kept_ = true;
    return x * factor;
  }

 private:
  std::mt19937_64 bits_;
  double other_ = 0;
  bool kept_ = false;
};

class Mixture {
 public:
  Mixture(size_t dim, uint64_t seed, distance::Metric metric)
      : dim_(dim), latent_(std::min<size_t>(dim, dim <= 256 ? 64 : 96)), seed_(seed), metric_(metric) {
    Noise noise(seed, kModel, dim);
    const double root = std::sqrt(static_cast<double>(dim));
    for (size_t i = 0; i < latent_; ++i) {
      const double scale = std::pow(static_cast<double>(i + 1), kScalePower) / root;
      for (size_t j = 0; j < dim; ++j) directions_.push_back(static_cast<float>(noise.Normal() * scale));
    }
    for (size_t j = 0; j < dim; ++j) mean_.push_back(static_cast<float>(noise.Normal() * kMeanLength / root));
    double sum = 0;
    for (size_t c = 0; c < kClusters; ++c) {
      for (size_t i = 0; i < latent_; ++i) centres_.push_back(static_cast<float>(noise.Normal()));
      widths_.push_back(static_cast<float>(kWidth * std::exp(kWidthSpread * noise.Normal())));
      cumulated_.push_back(sum += std::pow(static_cast<double>(c + 1), kWeightPower));
    }
  }

  Matrix Make(Stream stream, size_t rows, std::vector<int32_t>* cluster) const {
    Matrix matrix{rows, dim_, std::vector<float>(rows * dim_)};
    cluster->resize(rows);
    Parallel((rows + kBlock - 1) / kBlock, [&](size_t block) {
      const size_t first = block * kBlock;
      // A block is always made whole, so that its rows do not depend on where the set ends.
      std::vector<float> values(kBlock * dim_);
      std::vector<int32_t> clusters(kBlock);
      MakeBlock(stream, block, &values, &clusters);
      const size_t count = std::min(kBlock, rows - first);
      std::copy_n(values.begin(), count * dim_,
                  matrix.values.begin() + static_cast<std::ptrdiff_t>(first * dim_));
      std::copy_n(clusters.begin(), count, cluster->begin() + static_cast<std::ptrdiff_t>(first));
    });
    return matrix;
  }

 private:
  void MakeBlock(Stream stream, size_t block, std::vector<float>* values,
                 std::vector<int32_t>* clusters) const {
    Noise noise(seed_, stream, block);
    for (size_t i = 0; i < kBlock; ++i) (*clusters)[i] = MakeRow(&noise, values->data() + i * dim_);
    if (stream != kBase) return;
    const auto copy = [&](float deviation) {
      const size_t from = noise.Below(kBlock), to = noise.Below(kBlock);
      const auto scale = deviation / std::sqrt(static_cast<float>(dim_));
      for (size_t j = 0; j < dim_; ++j) {
        (*values)[to * dim_ + j] =
            (*values)[from * dim_ + j] + (deviation == 0 ? 0 : scale * static_cast<float>(noise.Normal()));
      }
      (*clusters)[to] = (*clusters)[from];
    };
    for (size_t i = 0; i < kBlock / kNearlyEqualOneIn; ++i) copy(kNearlyEqual);
    for (size_t i = 0; i < kBlock / kEqualOneIn; ++i) copy(0);
  }

  int32_t MakeRow(Noise* noise, float* row) const {
    const auto chosen =
        std::lower_bound(cumulated_.begin(), cumulated_.end(), noise->Uniform() * cumulated_.back());
    const auto c = static_cast<size_t>(chosen - cumulated_.begin());
    const double deviation = kNoise / std::sqrt(static_cast<double>(dim_));
    for (size_t j = 0; j < dim_; ++j) row[j] = mean_[j] + static_cast<float>(deviation * noise->Normal());
    for (size_t i = 0; i < latent_; ++i) {
      const float z = centres_[c * latent_ + i] + widths_[c] * static_cast<float>(noise->Normal());
      const float* direction = directions_.data() + i * dim_;
      for (size_t j = 0; j < dim_; ++j) row[j] += z * direction[j];
    }
    double square = 0;
    for (size_t j = 0; j < dim_; ++j) square += double{row[j]} * row[j];
    double length = 1 / std::sqrt(square);
    if (metric_ == distance::Metric::kInnerProduct) length *= std::exp(kLengthSpread * noise->Normal());
    for (size_t j = 0; j < dim_; ++j) row[j] = static_cast<float>(row[j] * length);
    return static_cast<int32_t>(c);
  }

  const size_t dim_, latent_;
  const uint64_t seed_;
  const distance::Metric metric_;
  std::vector<float> directions_, mean_, centres_, widths_;
  std::vector<double> cumulated_;
};

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

// Maximum-likelihood estimate over the true neighbours, and mean distance over that of the 10th neighbour.
void PrintNature(const Dataset& data) {
  if (data.metric == distance::Metric::kInnerProduct) return;
  std::vector<double> dimensions, contrasts;
  for (size_t q = 0; q < data.queries.rows; ++q) {
    std::vector<double> r;
    for (uint32_t i = 0; i < Dataset::kTruth; ++i) {
      const uint32_t row = data.neighbors[q * Dataset::kTruth + i];
      if (row == kNoRow) break;
      r.push_back(std::sqrt(std::max(
          0.0, ExactDistance(distance::Metric::kL2, data.queries.vector(q), data.base.vector(row)))));
    }
    double logs = 0, far = 0;
    for (double x : r) logs += x > 0 ? std::log(x / r.back()) : 0;
    if (logs < 0) dimensions.push_back(-static_cast<double>(r.size() - 1) / logs);
    constexpr size_t kSample = 100;
    for (size_t i = 0; i < kSample; ++i) {
      far += std::sqrt(ExactDistance(distance::Metric::kL2, data.queries.vector(q),
                                     data.base.vector(i * data.base.rows / kSample)));
    }
    if (r.size() > 9 && r[9] > 0) contrasts.push_back(far / kSample / r[9]);
  }
  std::printf("  local intrinsic dimension %.1f, relative contrast %.2f\n", Median(dimensions),
              Median(contrasts));
}

int Run(int argc, char** argv) {
  std::string directory, metric_name = "l2";
  size_t rows = 0, dim = 0, queries = 1000, extra = 10000;
  uint64_t seed = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (!flag.starts_with("--")) {
      directory = flag;
      continue;
    }
    if (i + 1 == argc) Fail("no value for " + std::string(flag));
    const char* value = argv[++i];
    const auto number = [&] { return static_cast<size_t>(std::strtoull(value, nullptr, 10)); };
    if (flag == "--rows")
      rows = number();
    else if (flag == "--dim")
      dim = number();
    else if (flag == "--queries")
      queries = number();
    else if (flag == "--extra")
      extra = number();
    else if (flag == "--seed")
      seed = number();
    else if (flag == "--metric")
      metric_name = value;
    else
      Fail("unknown option " + std::string(flag) + "; see the first lines of bench/ann/make_dataset.cc");
  }
  const auto metric = distance::MetricFromName(metric_name);
  if (directory.empty() || rows == 0 || dim == 0 || !metric.has_value())
    Fail("expected a directory, --rows and --dim; see the first lines of bench/ann/make_dataset.cc");
  std::filesystem::create_directories(directory);
  {
    const Mixture mixture(dim, seed, *metric);
    std::vector<int32_t> cluster, unused;
    WriteNpy(directory + "/base.npy", mixture.Make(kBase, rows, &cluster));
    WriteNpy(directory + "/cluster.npy", cluster, 1);
    WriteNpy(directory + "/queries.npy", mixture.Make(kQueries, queries, &unused));
    if (extra > 0) WriteNpy(directory + "/extra.npy", mixture.Make(kExtra, extra, &unused));
    std::ofstream meta(directory + "/meta.json");
    meta << "{\"n\": " << rows << ", \"dim\": " << dim << ", \"metric\": \"" << distance::MetricName(*metric)
         << "\", \"queries\": " << queries << ", \"seed\": " << seed << "}\n";
  }
  const Dataset data = LoadDataset(directory);
  std::printf("%s: %zu x %zu, %s, %zu queries\n", directory.c_str(), rows, dim, metric_name.c_str(), queries);
  PrintNature(data);
  return 0;
}

}  // namespace
}  // namespace longbow::bench

int main(int argc, char** argv) { return longbow::bench::Run(argc, argv); }
