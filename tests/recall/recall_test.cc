// Recall of walks over small sets of clustered vectors, by codec, dimension and nodes visited. One thread and
// fixed seeds, so the figures are the same everywhere; whoever changes them says so here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/memory_ledger.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {
namespace {

constexpr RowOrdinal kRows = 4000;
constexpr uint32_t kQueries = 200, kK = 10, kClusters = 60;
constexpr double kTolerance = 0.02;
constexpr double kLostByChurn = 0.005;

// Sums of twelve uniform numbers: near enough to normal, and the same with every standard library.
float Normal(std::mt19937_64& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += static_cast<double>(random() >> 11) * 0x1p-53;
  return static_cast<float>(sum);
}

void Scale(std::vector<float>& vector) {
  double square = 0;
  for (float x : vector) square += double{x} * double{x};
  for (float& x : vector) x = static_cast<float>(x / std::sqrt(square));
}

struct Clusters {
  RowOrdinal rows = kRows;
  uint32_t count = kClusters;
  uint32_t first = 0;  // of a thousand rows, those that are of the first cluster whatever is drawn
  uint64_t seed = 0;
  bool unit = false;       // at length 1
  uint32_t plane = 0;      // dimensions of the plane that a cluster's rows lie on; 0: all
  float query_length = 1;  // that queries are scaled by
};

// Live rows around clusters; queries are of any of them alike.
class Column {
 public:
  Column(uint32_t dim, std::string_view codec, distance::Metric metric, Clusters clusters = {})
      : store_(distance::ElementType::kFloat32, dim, &arena_, &ledger_),
        live_(clusters.rows),
        of_first_(clusters.rows),
        clusters_(clusters) {
    std::mt19937_64 random(dim + clusters.seed);
    std::vector<float> centres(size_t{clusters.count} * dim);
    for (float& x : centres) x = Normal(random);
    std::vector<float> plane(size_t{clusters.plane} * dim);
    for (float& x : plane) x = Normal(random);
    const auto draw = [&](uint64_t cluster, float* v) {
      const float* centre = centres.data() + cluster * dim;
      if (clusters.plane > 0) {
        std::copy_n(centre, dim, v);
        const float width = 0.1f + 0.05f * static_cast<float>(cluster % 8);
        for (uint32_t p = 0; p < clusters.plane; ++p) {
          const float along = width * Normal(random);
          for (uint32_t i = 0; i < dim; ++i) v[i] += along * plane[p * dim + i];
        }
        return;
      }
      for (uint32_t i = 0; i < dim; ++i) v[i] = centre[i] + 0.6f * Normal(random);
    };
    std::vector<float> vector(dim);
    Grow(clusters.rows);
    for (RowOrdinal row = 0; row < clusters.rows; ++row) {
      const bool first = clusters.first > 0 && random() % 1000 < clusters.first;
      const uint64_t cluster = first ? 0 : random() % clusters.count;
      draw(cluster, vector.data());
      if (clusters.unit) Scale(vector);
      std::memcpy(store_.MutableRow(row), vector.data(), store_.row_bytes());
      live_[row] = row;
      of_first_[row] = cluster == 0;
      cluster_of_.push_back(static_cast<uint32_t>(cluster));
    }
    centres_ = centres;
    for (uint32_t q = 0; q < kQueries; ++q) {
      query_clusters_.push_back(static_cast<uint32_t>(random() % clusters.count));
      draw(query_clusters_.back(), vector.data());
      std::vector<float>& query = queries_.emplace_back(dim);
      if (clusters.unit) Scale(vector);
      for (float& x : vector) x *= clusters.query_length;
      const std::vector<double> wide(vector.begin(), vector.end());
      EXPECT_TRUE(distance::PrepareQuery(metric, distance::ElementType::kFloat32, wide, query.data()));
    }
    IndexInput input;
    input.metric = metric;
    input.store = &store_;
    input.versions = &versions_;
    input.ledger = &ledger_;
    input.codec = codec;
    input.seed = 7;
    index_ = (*FindIndexType("graph").ValueOrDie())
                 .make(input)
                 .ValueOrDie();  // without builders, appending builds
    index_->RowsAppended(0, end_);
    AskExactly();
  }

  // A generation: deletes so many rows and appends their vectors again.
  void Replace(RowOrdinal count) {
    for (RowOrdinal i = 0; i < count; ++i) std::swap(live_[i], live_[i + random_() % (live_.size() - i)]);
    RemoveAndRestore(count);
  }
  // The rows of the first cluster, the others staying; how many.
  RowOrdinal ReplaceFirstCluster() {
    const auto end =
        std::partition(live_.begin(), live_.end(), [this](RowOrdinal row) { return of_first_[row]; });
    const auto count = static_cast<RowOrdinal>(end - live_.begin());
    RemoveAndRestore(count);
    return count;
  }

  // Every other row is visible no more; the index has not heard of it.
  void HideHalf() {
    for (size_t i = 0; i < live_.size(); i += 2) versions_.SetDied(live_[i], 1);
    AskExactly();
  }

  double Recall(Method method, uint32_t ef) { return Walk({.ef = ef}, method).recall; }
  struct Walked {
    double recall = 0, hops = 0;  // means
  };
  Walked Walk(Effort effort, Method method = Method::kWalk) {
    Walked walked;
    for (uint32_t q = 0; q < kQueries; ++q) {
      for (const Neighbor& n : Ask(q, method, effort))
        walked.recall += n.distance <= exact_[q].back().distance;
      walked.hops += static_cast<double>(hits_.work.hops);
    }
    return {walked.recall / (kQueries * kK), walked.hops / kQueries};
  }
  VectorIndex& index() { return *index_; }

  // How what is selected lies to the query.
  enum class Kind { kRandom, kNearest, kFarthest };
  // Of filters that `share` of the rows pass, each query's own.
  double FilteredRecall(Kind kind, double share, Method method) {
    double found = 0;
    for (uint32_t q = 0; q < kQueries; ++q) {
      const RowSelection selection = Select(kind, share, q);
      const std::vector<Neighbor> exact = Ask(q, Method::kExactScan, {}, &selection);
      for (const Neighbor& n : Ask(q, method, {}, &selection)) found += n.distance <= exact.back().distance;
    }
    return found / (kQueries * kK);
  }
  bool Offers(Method method, double share) const {
    SearchShape shape;
    shape.k = kK;
    shape.rows = live_.size();
    shape.has_selection = true;
    shape.selected = static_cast<uint64_t>(share * static_cast<double>(live_.size()));
    const auto methods = index_->Methods(shape);
    return std::any_of(methods.begin(), methods.end(),
                       [method](const MethodCost& cost) { return cost.method == method; });
  }

 private:
  // Rows drawn by chance, or the clusters nearest to or farthest from the query's own.
  RowSelection Select(Kind kind, double share, uint32_t query) {
    RowSelection selection(end_);
    if (kind == Kind::kRandom) {
      std::mt19937_64 random(query);
      for (RowOrdinal row : live_) {
        if (static_cast<double>(random() % 1000) < 1000 * share) selection.Add(row);
      }
      return selection;
    }
    const auto dim = static_cast<uint32_t>(store_.scalars());
    std::vector<std::pair<float, uint32_t>> order;
    for (uint32_t c = 0; c < clusters_.count; ++c) {
      float square = 0;
      for (uint32_t i = 0; i < dim; ++i) {
        const float apart = centres_[c * dim + i] - centres_[query_clusters_[query] * dim + i];
        square += apart * apart;
      }
      order.emplace_back(kind == Kind::kNearest ? square : -square, c);
    }
    std::sort(order.begin(), order.end());
    std::vector<bool> chosen(clusters_.count);
    for (size_t i = 0; static_cast<double>(i) < share * clusters_.count; ++i) chosen[order[i].second] = true;
    for (RowOrdinal row : live_) {
      if (chosen[cluster_of_[row]]) selection.Add(row);
    }
    return selection;
  }
  void RemoveAndRestore(RowOrdinal count) {
    const std::vector<RowOrdinal> gone(live_.begin(), live_.begin() + count);
    for (RowOrdinal row : gone) versions_.SetDied(row, 1);
    index_->Erase(gone);
    const RowOrdinal first = end_;
    Grow(first + count);
    for (RowOrdinal i = 0; i < count; ++i) {
      live_[i] = first + i;
      of_first_.push_back(of_first_[gone[i]]);
      std::memcpy(store_.MutableRow(live_[i]), store_.Row(gone[i]), store_.row_bytes());
    }
    index_->RowsAppended(first, end_);
  }
  void Grow(RowOrdinal end) {
    store_.Grow(end);
    versions_.Grow(end);
    for (; end_ < end; ++end_) versions_.SetBorn(end_, 1);
  }

  void AskExactly() {
    exact_.clear();
    for (uint32_t q = 0; q < kQueries; ++q) exact_.push_back(Ask(q, Method::kExactScan, {}));
  }
  std::vector<Neighbor> Ask(uint32_t query, Method method, Effort effort,
                            const RowSelection* selection = nullptr) {
    const auto scratch = index_->NewScratch();
    const uint32_t k[] = {kK};
    SearchSpec spec;
    spec.method = method;
    spec.effort = effort;
    spec.queries = reinterpret_cast<const std::byte*>(queries_[query].data());
    spec.k = k;
    spec.visibility = {&versions_, 1, end_};
    spec.rows = live_.size();
    spec.selection = selection;
    EXPECT_TRUE(index_->Search(spec, scratch.get(), &hits_).ok());
    return hits_.neighbors;
  }

  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  RowVersions versions_{&ledger_};
  VectorStore store_;
  RowOrdinal end_ = 0;
  std::vector<RowOrdinal> live_;  // a row to a vector
  std::vector<bool> of_first_;    // by row
  const Clusters clusters_;
  std::vector<uint32_t> cluster_of_;  // by row, of the first ones
  std::vector<float> centres_;
  std::vector<uint32_t> query_clusters_;
  std::mt19937_64 random_{11};
  std::vector<std::vector<float>> queries_;
  std::vector<std::vector<Neighbor>> exact_;
  std::unique_ptr<VectorIndex> index_;
  SearchHits hits_;
};

struct Record {
  uint32_t dim;
  distance::Metric metric;
  const char* codec;
  double at12, at24, at48;  // recall@10 of walks over so many nodes
};

constexpr Record kRecords[] = {{32, distance::Metric::kL2, "auto", 0.9865, 1, 1},
                               {32, distance::Metric::kL2, "f32", 0.9995, 1, 1},
                               {32, distance::Metric::kL2, "f16", 0.9995, 1, 1},
                               {32, distance::Metric::kL2, "sq8", 0.9995, 1, 1},
                               {200, distance::Metric::kL2, "auto", 0.7730, 0.9625, 1},
                               {200, distance::Metric::kCosine, "auto", 0.7785, 0.9615, 1},
                               {200, distance::Metric::kL2, "sq8", 0.9990, 1, 1},
                               {200, distance::Metric::kInnerProduct, "auto", 0.8515, 0.9965, 1},
                               {450, distance::Metric::kL2, "rabitq", 0.5375, 0.7560, 0.9810}};

class RecallTest : public testing::TestWithParam<Record> {};

TEST_P(RecallTest, IsWhatItWasRecordedToBe) {
  const Record& record = GetParam();
  Column column(record.dim, record.codec, record.metric);
  const double at12 = column.Recall(Method::kWalk, 12), at24 = column.Recall(Method::kWalk, 24),
               at48 = column.Recall(Method::kWalk, 48);
  std::printf("%u %s %s: %.4f, %.4f, %.4f\n", record.dim,
              std::string(distance::MetricName(record.metric)).c_str(), record.codec, at12, at24, at48);
  EXPECT_NEAR(at12, record.at12, kTolerance);
  EXPECT_NEAR(at24, record.at24, kTolerance);
  EXPECT_NEAR(at48, record.at48, kTolerance);
  const auto audit = column.index().Audit().ValueOrDie();
  EXPECT_EQ(audit.unreachable, 0);
  EXPECT_TRUE(audit.violations.empty()) << audit.violations.front();
}

INSTANTIATE_TEST_SUITE_P(SmallSets, RecallTest, testing::ValuesIn(kRecords), [](const auto& info) {
  return std::to_string(info.param.dim) + "_" + std::string(distance::MetricName(info.param.metric)) + "_" +
         info.param.codec;
});

// Of graphs large enough that what was measured on them counts.
struct AskedRecord {
  distance::Metric metric;
  double recall;  // where 0.99 is asked for
};

class AskedRecallTest : public testing::TestWithParam<AskedRecord> {};

TEST_P(AskedRecallTest, IsGivenWithFewerHopsThanAGivenLengthTakes) {
  const distance::Metric metric = GetParam().metric;
  Column column(64, "auto", metric,
                {.rows = 20500, .count = 30, .unit = metric != distance::Metric::kL2, .plane = 24});
  const Column::Walked asked = column.Walk({.recall = 0.99f});
  Column::Walked given;
  for (uint32_t ef = 12; given.recall < asked.recall && ef < 200; ef += 4) given = column.Walk({.ef = ef});
  std::printf("asked %.4f by %.1f hops; a given length takes %.1f\n", asked.recall, asked.hops, given.hops);
  EXPECT_NEAR(asked.recall, GetParam().recall, kTolerance);
  EXPECT_LT(asked.hops, 0.95 * given.hops);
  // Where much of what is near is not wanted, it says nothing on how far what is wanted lies.
  column.HideHalf();
  const Column::Walked half = column.Walk({.recall = 0.99f});
  std::printf("with half of the rows invisible %.4f by %.1f hops\n", half.recall, half.hops);
  EXPECT_GT(half.recall, 0.97);
}

INSTANTIATE_TEST_SUITE_P(Metrics, AskedRecallTest,
                         testing::Values(AskedRecord{distance::Metric::kL2, 0.9915},
                                         AskedRecord{distance::Metric::kInnerProduct, 0.99}),
                         [](const auto& info) {
                           return std::string(distance::MetricName(info.param.metric));
                         });

// Filters that let rows pass by chance, those nearest to the query, and those farthest from it, where a walk
// finds the query's neighbourhood and nothing in it.
TEST(FilteredRecallTest, IsKeptWhereverWhatPassesLies) {
  struct Filtered {
    Column::Kind kind;
    double share;
    double walk, filtered_walk;  // recall where 0.95 is asked for; 0: not offered
  };
  using enum Column::Kind;
  constexpr Filtered kRecorded[] = {{kRandom, 0.1, 0.9935, 0.9775},   {kNearest, 0.1, 0.9985, 0.9745},
                                    {kFarthest, 0.1, 0.9945, 0.9925}, {kRandom, 0.5, 0.9815, 0},
                                    {kNearest, 0.5, 0.9895, 0},       {kFarthest, 0.5, 0.9835, 0}};
  Column column(64, "auto", distance::Metric::kL2, {.rows = 20500, .count = 30, .plane = 24});
  for (const Filtered& recorded : kRecorded) {
    const std::string what = std::string(recorded.kind == kRandom    ? "random"
                                         : recorded.kind == kNearest ? "nearest"
                                                                     : "farthest") +
                             " " + std::to_string(recorded.share).substr(0, 3);
    EXPECT_EQ(column.Offers(Method::kFilteredWalk, recorded.share), recorded.filtered_walk > 0) << what;
    const double walk = column.FilteredRecall(recorded.kind, recorded.share, Method::kWalk);
    EXPECT_NEAR(walk, recorded.walk, kTolerance) << what;
    std::printf("%s: walk %.4f", what.c_str(), walk);
    if (recorded.filtered_walk > 0) {
      const double filtered = column.FilteredRecall(recorded.kind, recorded.share, Method::kFilteredWalk);
      EXPECT_NEAR(filtered, recorded.filtered_walk, kTolerance) << what;
      std::printf(", filtered walk %.4f", filtered);
    }
    const double scan = column.FilteredRecall(recorded.kind, recorded.share, Method::kCodeScan);
    EXPECT_GT(scan, 0.98) << what;
    std::printf(", scan of codes %.4f\n", scan);
  }
}

// The order by inner product is the same however long a query is.
TEST(InnerProductRecallTest, IsNoLessForShortQueries) {
  const auto recall = [](float length, Method method) {
    Column column(200, "auto", distance::Metric::kInnerProduct, {.query_length = length});
    return column.Recall(method, method == Method::kWalk ? 24 : 0);
  };
  for (const Method method : {Method::kWalk, Method::kCodeScan}) {
    const double usual = recall(1, method);
    for (const float length : {1e-2f, 1e-6f}) {
      const double shorter = recall(length, method);
      std::printf("%s, queries %g times as long: %.4f, else %.4f\n", std::string(MethodName(method)).c_str(),
                  double{length}, shorter, usual);
      EXPECT_GT(shorter, usual - kTolerance);
    }
  }
}

// What 8 bits a dimension lose against floats, at as many nodes visited.
TEST(Sq8RecallTest, LosesLessThanHalfAPointInManyDimensions) {
  const auto mean = [](const char* codec) {
    Column column(1536, codec, distance::Metric::kL2, {.rows = 2000, .count = 20, .unit = true});
    double sum = 0;
    for (uint32_t ef : {12, 16, 24, 36}) sum += column.Recall(Method::kWalk, ef) / 4;
    return sum;
  };
  const double floats = mean("f32"), bytes = mean("sq8");
  std::printf("f32 %.4f, sq8 %.4f\n", floats, bytes);
  EXPECT_GT(bytes, floats - 0.005);
  EXPECT_LT(floats, 0.9995) << "nothing was missed, so nothing is shown";
}

// Each vector has died and come back three times on average.
TEST(ChurnTest, GenerationsOfReplacedRowsCostNoRecall) {
  constexpr int kGenerations = 30;
  constexpr RowOrdinal kReplaced = kRows / 10;
  Column column(200, "auto", distance::Metric::kL2);
  const auto mean = [&] {  // over lengths at which some is missed: one alone errs by more than is allowed
    double sum = 0;
    for (uint32_t ef : {12, 14, 16, 18, 20, 22, 24, 28}) sum += column.Recall(Method::kWalk, ef) / 8;
    return sum;
  };
  const double fresh = mean();
  for (int generation = 0; generation < kGenerations; ++generation) column.Replace(kReplaced);
  const double churned = mean();
  std::printf("after churn %.4f, fresh %.4f\n", churned, fresh);
  EXPECT_GT(churned, fresh - kLostByChurn);
  const auto audit = column.index().Audit().ValueOrDie();
  EXPECT_EQ(audit.live, kRows);
  EXPECT_EQ(audit.unreachable, 0);
  EXPECT_TRUE(audit.violations.empty()) << audit.violations.front();
}

// Walks for other clusters' rows come by the one that was away, and must not end there.
TEST(ChurnTest, AClusterThatComesBackHoldsUpNoWalks) {
  constexpr uint64_t kSeeds = 6;  // some lose nothing, some two points, when nothing is done about it
  double fresh = 0, again = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Column column(128, "auto", distance::Metric::kL2,
                  {.rows = 20000, .count = 500, .first = 80, .seed = seed});
    const auto mean = [&] {
      double sum = 0;
      for (uint32_t ef : {16, 20, 24, 28, 32, 40, 48, 64}) sum += column.Recall(Method::kWalk, ef) / 8;
      return sum;
    };
    const double before = mean();
    const RowOrdinal replaced = column.ReplaceFirstCluster();
    const double after = mean();
    std::printf("seed %u, %u rows away and back: %.4f, fresh %.4f\n", static_cast<unsigned>(seed), replaced,
                after, before);
    fresh += before / kSeeds, again += after / kSeeds;
    EXPECT_EQ(column.index().Audit().ValueOrDie().unreachable, 0);
  }
  EXPECT_GT(again, fresh - kLostByChurn);
}

}  // namespace
}  // namespace longbow::index
