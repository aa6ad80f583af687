#include "longbow/index/graph/graph_index.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "longbow/base/crc32c.h"
#include "longbow/index/graph/graph_file.h"

namespace longbow::index {
namespace {

constexpr uint32_t kDim = 32, kClusters = 20, kK = 10;

// A column of clustered vectors that rows are appended to and taken from, with one thread of builders.
class World {
 public:
  explicit World(uint64_t seed, int threads = 1)
      : random_(seed),
        builders_(MakeThreadPool({.name = "builder", .threads = threads, .queue_limit = 4096})) {
    centres_.resize(kClusters * kDim);
    for (float& x : centres_) x = 2 * normal_(random_);
    index_ = MakeIndex();
  }

  IndexInput Input() {
    IndexInput input;
    input.store = &store_;
    input.versions = &versions_;
    input.builders = builders_.get();
    input.ledger = &ledger_;
    input.seed = 3;
    return input;
  }
  std::unique_ptr<GraphIndex> MakeIndex() { return std::make_unique<GraphIndex>(Input()); }

  std::vector<float> Draw(uint32_t cluster) {
    std::vector<float> v(kDim);
    for (uint32_t i = 0; i < kDim; ++i) v[i] = centres_[cluster * kDim + i] + normal_(random_);
    return v;
  }
  uint32_t AnyCluster() { return static_cast<uint32_t>(random_() % kClusters); }

  RowOrdinal Append(const std::vector<std::vector<float>>& vectors) {
    const RowOrdinal first = end_;
    end_ += static_cast<RowOrdinal>(vectors.size());
    store_.Grow(end_);
    versions_.Grow(end_);
    for (size_t i = 0; i < vectors.size(); ++i) {
      std::memcpy(store_.MutableRow(first + static_cast<RowOrdinal>(i)), vectors[i].data(),
                  kDim * sizeof(float));
      versions_.SetBorn(first + static_cast<RowOrdinal>(i), 1);
    }
    index_->RowsAppended(first, end_);
    return first;
  }
  void AppendAny(int count) {
    std::vector<std::vector<float>> vectors;
    for (int i = 0; i < count; ++i) vectors.push_back(Draw(AnyCluster()));
    Append(vectors);
  }
  void Erase(const std::vector<RowOrdinal>& rows) {
    for (RowOrdinal row : rows) versions_.SetDied(row, 1);
    index_->Erase(rows);
  }
  void WaitIndexed() {
    std::promise<Status> indexed;
    index_->WhenIndexed(end_, [&](Status status) { indexed.set_value(status); });
    ASSERT_TRUE(indexed.get_future().get().ok());
  }
  void Wait() {
    WaitIndexed();
    builders_->WaitUntil([this] { return Gauge("maintaining") == 0; });
  }
  // Also until the builder, if there is one alone, has ended the turns in which it may find maintenance due.
  void Settle() {
    for (int turn = 0; turn < 4; ++turn) {
      WaitIndexed();
      std::promise<void> passed;
      builders_->Post([&] { passed.set_value(); });
      passed.get_future().wait();
    }
    Wait();
  }
  double Gauge(std::string_view name) const {
    for (const IndexGauge& gauge : index_->Gauges()) {
      if (gauge.name == name) return gauge.value;
    }
    return -1;
  }
  std::vector<RowOrdinal> Search(const VectorIndex& index, const std::vector<float>& query, Method method,
                                 uint32_t ef = 0, const RowSelection* selection = nullptr,
                                 SearchWork* work = nullptr) {
    auto scratch = index.NewScratch();
    SearchSpec spec;
    spec.method = method;
    spec.effort.ef = ef;
    spec.queries = reinterpret_cast<const std::byte*>(query.data());
    const uint32_t k[] = {kK};
    spec.k = k;
    spec.visibility = {&versions_, 1, end_};
    spec.selection = selection;
    SearchHits hits;
    EXPECT_TRUE(index.Search(spec, scratch.get(), &hits).ok());
    if (work != nullptr) *work += hits.work;
    std::vector<RowOrdinal> rows;
    for (const Neighbor& n : hits.neighbors) rows.push_back(n.row);
    return rows;
  }
  // Hops of a search on average, where one in `every` of the live rows is selected.
  double FilteredHops(const std::vector<RowOrdinal>& live, size_t every, Method method, uint32_t ef) {
    RowSelection selection(end_);
    for (size_t i = 0; i < live.size(); i += every) selection.Add(live[i]);
    auto scratch = index_->NewScratch();
    const uint32_t k[] = {kK};
    SearchSpec spec;
    spec.method = method;
    spec.effort.ef = ef;
    spec.k = k;
    spec.visibility = {&versions_, 1, end_};
    spec.rows = live.size();
    spec.selection = &selection;
    SearchHits hits;
    int64_t hops = 0;
    constexpr int kQueries = 100;
    for (int i = 0; i < kQueries; ++i) {
      const auto query = Draw(AnyCluster());
      spec.queries = reinterpret_cast<const std::byte*>(query.data());
      EXPECT_TRUE(index_->Search(spec, scratch.get(), &hits).ok());
      EXPECT_EQ(hits.neighbors.size(), kK);
      hops += hits.work.hops;
    }
    return static_cast<double>(hops) / kQueries;
  }
  double Recall(const VectorIndex& index, uint32_t ef, int queries = 100) {
    double found = 0, wanted = 0;
    for (int i = 0; i < queries; ++i) {
      const auto query = Draw(AnyCluster());
      const auto exact = Search(index, query, Method::kExactScan),
                 walked = Search(index, query, Method::kWalk, ef);
      for (RowOrdinal row : walked) found += std::find(exact.begin(), exact.end(), row) != exact.end();
      wanted += static_cast<double>(exact.size());
    }
    return found / wanted;
  }
  // A world of these rows alone, built at once.
  std::unique_ptr<World> Fresh(const std::vector<RowOrdinal>& rows) {
    auto fresh = std::make_unique<World>(random_());
    fresh->centres_ = centres_;
    std::vector<std::vector<float>> vectors;
    for (RowOrdinal row : rows) {
      std::vector<float>& v = vectors.emplace_back(kDim);
      std::memcpy(v.data(), store_.Row(row), kDim * sizeof(float));
    }
    fresh->Append(vectors);
    fresh->Wait();
    return fresh;
  }
  void ExpectSound(int64_t live) {
    AuditReport audit;
    builders_->WaitUntil([&] { return (audit = index_->Audit().ValueOrDie()).settled; });
    EXPECT_EQ(audit.live, live);
    EXPECT_EQ(audit.unreachable, 0);
    EXPECT_TRUE(audit.violations.empty()) << audit.violations.front();
  }

  GraphIndex& index() { return *index_; }
  void Adopt(std::unique_ptr<GraphIndex> index) { index_ = std::move(index); }
  RowOrdinal end() const { return end_; }
  std::mt19937_64& random() { return random_; }

 private:
  std::mt19937_64 random_;
  std::normal_distribution<float> normal_;
  std::vector<float> centres_;
  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  RowVersions versions_{&ledger_};
  VectorStore store_{distance::ElementType::kFloat32, kDim, &arena_, &ledger_};
  std::unique_ptr<Executor> builders_;
  std::unique_ptr<GraphIndex> index_;
  RowOrdinal end_ = 0;
};

class GraphIndexTest : public testing::Test {
 protected:
  const uint64_t seed_ = std::random_device{}();
  testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
};

TEST_F(GraphIndexTest, OneThreadAndASeedGiveOneGraph) {
  World a(seed_), b(seed_);
  a.AppendAny(2000), b.AppendAny(2000);
  a.Wait(), b.Wait();
  for (int i = 0; i < 50; ++i) {
    const auto query = a.Draw(a.AnyCluster());
    EXPECT_EQ(a.Search(a.index(), query, Method::kWalk, 10), b.Search(b.index(), query, Method::kWalk, 10));
  }
}

TEST_F(GraphIndexTest, ManyBuildersMakeAGraphAsGoodAsOne) {
  World one(seed_, 1), four(seed_, 4);
  one.AppendAny(4000), four.AppendAny(4000);
  one.Wait(), four.Wait();
  four.ExpectSound(4000);
  EXPECT_GT(four.Recall(four.index(), 32), one.Recall(one.index(), 32) - 0.03);
}

TEST_F(GraphIndexTest, GenerationsOfDeletesAndInsertsKeepRecall) {
  World world(seed_);
  world.AppendAny(3000);
  world.Wait();
  std::vector<RowOrdinal> live(3000);
  std::iota(live.begin(), live.end(), 0);
  for (int generation = 0; generation < 40; ++generation) {
    std::shuffle(live.begin(), live.end(), world.random());
    const std::vector<RowOrdinal> gone(live.end() - 150, live.end());
    live.resize(live.size() - 150);
    world.Erase(gone);
    for (RowOrdinal row = 0; row < 150; ++row) live.push_back(world.end() + row);
    world.AppendAny(150);
    world.Wait();
  }
  world.ExpectSound(3000);
  EXPECT_GT(world.Gauge("sweeps"), 10);
  const auto fresh = world.Fresh(live);
  const double churned = world.Recall(world.index(), 24, 300), anew = fresh->Recall(fresh->index(), 24, 300);
  EXPECT_GT(churned, anew - 0.03) << "fresh " << anew;
  EXPECT_GT(anew, 0.8);
  EXPECT_LT(world.index().memory_bytes(), fresh->index().memory_bytes() * 2) << "slots are reused";
}

// Ordinals are never given again, so there are the more of them to a live row.
TEST_F(GraphIndexTest, FilteredWalksAreNoLongerForTheRowsThatWereReplaced) {
  constexpr RowOrdinal kLive = 1500;
  World world(seed_);
  world.AppendAny(kLive);
  std::vector<RowOrdinal> live(kLive);
  for (int generation = 0; generation < 4; ++generation) {
    world.Wait();
    std::iota(live.begin(), live.end(), world.end() - kLive);
    std::shuffle(live.begin(), live.end(), world.random());
    if (generation == 3) break;
    world.AppendAny(kLive);
    world.WaitIndexed();
    world.Erase(live);
  }
  const auto fresh = world.Fresh(live);
  std::vector<RowOrdinal> same(kLive);
  std::iota(same.begin(), same.end(), 0);
  for (const auto& [every, method] :
       {std::pair{2, Method::kWalk}, {10, Method::kWalk}, {10, Method::kFilteredWalk}}) {
    const double hops = world.FilteredHops(live, every, method, 12),
                 anew = fresh->FilteredHops(same, every, method, 12);
    EXPECT_LT(hops, 1.3 * anew) << "one row in " << every;
    EXPECT_GT(hops, 0.7 * anew) << "one row in " << every;
  }
}

TEST_F(GraphIndexTest, ScansCostMoreWhereMostRowsAreDead) {
  World world(1);
  world.AppendAny(3000);
  world.Wait();
  SearchShape shape;
  shape.rows = shape.held = 3000;
  const auto cheapest = [&] { return world.index().Methods(shape).front(); };
  EXPECT_NE(cheapest().method, Method::kWalk);
  shape.held = 100 * shape.rows;
  EXPECT_EQ(cheapest().method, Method::kWalk);
}

TEST_F(GraphIndexTest, NodesThatDieWhileOthersAreSweptAreSweptAfterThem) {
  World world(seed_, 2);
  world.AppendAny(3000);
  world.Wait();
  for (RowOrdinal row = 0; row < 2500; row += 100) {
    std::vector<RowOrdinal> gone(100);
    std::iota(gone.begin(), gone.end(), row);
    world.Erase(gone);
    std::this_thread::sleep_for(std::chrono::microseconds(300));  // a sweep takes longer
  }
  world.Wait();
  EXPECT_LE(world.Gauge("dead_nodes"), 32);
  world.ExpectSound(500);
}

TEST_F(GraphIndexTest, BuildersKeepTheDeadFewWhileRowsAreReplaced) {
  World world(seed_, 2);
  world.AppendAny(3000);
  world.Wait();
  for (RowOrdinal row = 0; row < 4000; row += 100) {  // never waiting for a sweep
    std::vector<RowOrdinal> gone(100);
    std::iota(gone.begin(), gone.end(), row);
    world.Erase(gone);
    world.AppendAny(100);
    world.WaitIndexed();
  }
  world.Wait();
  world.ExpectSound(3000);
  std::vector<RowOrdinal> live(3000);
  std::iota(live.begin(), live.end(), world.end() - 3000);
  EXPECT_LT(world.index().memory_bytes(), world.Fresh(live)->index().memory_bytes() * 2)
      << "slots are reused";
}

TEST_F(GraphIndexTest, RowsThatDieWhileTheyAreLinkedLeaveNothingBehind) {
  World world(seed_, 4);
  world.AppendAny(1000);
  world.Wait();
  for (int round = 0; round < 60; ++round) {
    const RowOrdinal first = world.end();
    world.AppendAny(100);
    std::vector<RowOrdinal> gone(90);
    std::iota(gone.begin(), gone.end(), first + 5);
    std::shuffle(gone.begin(), gone.end(), world.random());
    for (size_t i = 0; i < gone.size(); i += 30) {  // some before their turn, some in it, some after
      world.Erase({gone.begin() + static_cast<ptrdiff_t>(i), gone.begin() + static_cast<ptrdiff_t>(i + 30)});
      std::this_thread::sleep_for(std::chrono::microseconds(world.random()() % 300));
    }
  }
  std::vector<RowOrdinal> last(100);
  std::iota(last.begin(), last.end(), 0);
  world.WaitIndexed();
  world.Erase(last);  // so that a last sweep is due
  world.ExpectSound(1500);
}

TEST_F(GraphIndexTest, AWholeClusterCanGoAndComeBack) {
  World world(seed_);
  std::vector<std::vector<float>> vectors;
  for (int i = 0; i < 3000; ++i)
    vectors.push_back(world.Draw(static_cast<uint32_t>(i) / 150));  // sorted by cluster
  world.Append(vectors);
  world.Wait();
  EXPECT_GT(world.Recall(world.index(), 64), 0.95);
  std::vector<RowOrdinal> cluster(150);
  std::iota(cluster.begin(), cluster.end(), 450);
  world.Erase(cluster);
  world.Wait();
  world.ExpectSound(2850);
  EXPECT_GT(world.Recall(world.index(), 64), 0.95);
  world.Append({vectors.begin() + 450, vectors.begin() + 600});
  world.Wait();
  world.ExpectSound(3000);
  EXPECT_GT(world.Recall(world.index(), 64), 0.95);
}

TEST_F(GraphIndexTest, EqualVectorsDoNotCrowdOutTheOthers) {
  World world(seed_);
  std::vector<std::vector<float>> vectors;
  for (int i = 0; i < 3000; ++i) {
    vectors.push_back(i > 0 && world.random()() % 3 == 0 ? vectors[world.random()() % std::min(i, 5)]
                                                         : world.Draw(world.AnyCluster()));
  }
  world.Append(vectors);
  world.Wait();
  world.ExpectSound(3000);
  EXPECT_GT(world.Recall(world.index(), 64), 0.9);
  // Of many equal ones each can be erased alone, the first one too.
  std::vector<RowOrdinal> gone;
  for (RowOrdinal row = 0; row < 3000; row += 2) gone.push_back(row);
  world.Erase(gone);
  world.Wait();
  world.ExpectSound(1500);
  for (RowOrdinal row : world.Search(world.index(), vectors[0], Method::kWalk)) EXPECT_EQ(row % 2, 1u);
}

TEST_F(GraphIndexTest, AFilteredWalkFindsRowsThatAreNotTheFirstOfTheirNode) {
  constexpr RowOrdinal kNodes = 400, kCopies = 10;
  World world(seed_);
  std::vector<std::vector<float>> vectors;
  for (RowOrdinal node = 0; node < kNodes; ++node)
    vectors.insert(vectors.end(), kCopies, world.Draw(world.AnyCluster()));
  world.Append(vectors);
  world.Wait();
  world.ExpectSound(kNodes * kCopies);
  RowSelection last(world.end());
  for (RowOrdinal row = kCopies - 1; row < world.end(); row += kCopies) last.Add(row);
  size_t found = 0, wanted = 0;
  for (int i = 0; i < 100; ++i) {
    const auto query = world.Draw(world.AnyCluster());
    SearchWork work;
    const auto exact = world.Search(world.index(), query, Method::kSelectionScan, 0, &last);
    const auto walked = world.Search(world.index(), query, Method::kFilteredWalk, 64, &last, &work);
    EXPECT_LT(work.codes, work.hops * (1 + GraphOptions{}.degree) + kNodes) << "a scan had to find them";
    for (RowOrdinal row : walked) found += static_cast<size_t>(std::ranges::count(exact, row));
    wanted += exact.size();
  }
  EXPECT_GE(found * 100, wanted * 95);
}

// From one dimension to as many as there may be, on few rows where a row is long.
TEST_F(GraphIndexTest, AnyNumberOfDimensionsIsLinkedAndWalked) {
  struct Case {
    uint32_t dim;
    RowOrdinal rows;
    double recall;  // at least; many dimensions that are all alike are the hardest there is
  };
  for (const auto& [dim, rows, recall] : {Case{1, 1100, 0.8},
                                          {2, 1100, 0.8},
                                          {3, 1100, 0.8},
                                          {1536, 600, 0.5},
                                          {4096, 300, 0.5},
                                          {32768, 120, 0.5}}) {
    SCOPED_TRACE(dim);
    MemoryLedger ledger(0, 0);
    SlabArena arena(&ledger);
    RowVersions versions(&ledger);
    VectorStore store(distance::ElementType::kFloat32, dim, &arena, &ledger);
    store.Grow(rows);
    versions.Grow(rows);
    std::mt19937_64 random(seed_ + dim);
    std::normal_distribution<float> normal;
    std::vector<float> vector(dim);
    for (RowOrdinal row = 0; row < rows; ++row) {
      for (float& x : vector) x = normal(random);
      std::memcpy(store.MutableRow(row), vector.data(), store.row_bytes());
      versions.SetBorn(row, 1);
    }
    IndexInput input;
    input.store = &store;
    input.versions = &versions;
    input.ledger = &ledger;
    GraphIndex index(input);  // without builders, appending builds
    index.RowsAppended(0, rows);
    const auto audit = index.Audit().ValueOrDie();
    EXPECT_TRUE(audit.violations.empty()) << audit.violations.front();
    EXPECT_EQ(audit.unreachable, 0);

    const auto scratch = index.NewScratch();
    const uint32_t k[] = {kK};
    SearchSpec spec;
    spec.queries = reinterpret_cast<const std::byte*>(vector.data());
    spec.k = k;
    spec.visibility = {&versions, 1, rows};
    spec.effort.ef = 64;
    double found = 0;
    constexpr int kQueries = 30;
    for (int i = 0; i < kQueries; ++i) {
      for (float& x : vector) x = normal(random);
      SearchHits exact, walked;
      spec.method = Method::kExactScan;
      ASSERT_TRUE(index.Search(spec, scratch.get(), &exact).ok());
      spec.method = Method::kWalk;
      ASSERT_TRUE(index.Search(spec, scratch.get(), &walked).ok());
      ASSERT_EQ(walked.neighbors.size(), kK);
      EXPECT_GT(walked.work.hops, 0);
      for (const Neighbor& hit : walked.neighbors) found += hit.distance <= exact.neighbors.back().distance;
    }
    EXPECT_GT(found, recall * kQueries * kK);
  }
}

class GraphFileTest : public GraphIndexTest {
 protected:
  GraphFileTest() {
    root_ = (std::filesystem::temp_directory_path() / "longbow_graph_XXXXXX").string();
    EXPECT_NE(mkdtemp(root_.data()), nullptr);
    files_ = MakePosixFileSystem(root_, 1).ValueOrDie();
  }
  ~GraphFileTest() override {
    files_.reset();
    std::filesystem::remove_all(root_);
  }
  std::string root_;
  std::unique_ptr<FileSystem> files_;
};

TEST_F(GraphFileTest, ALoadedGraphAnswersAsTheSavedOneAndGrowsOn) {
  World world(seed_);
  world.AppendAny(2000);
  world.Wait();
  ASSERT_TRUE(world.index().Save(files_.get(), "").ok());
  auto loaded = world.MakeIndex();
  const Status status = loaded->Load(files_.get(), "");
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(loaded->indexed_end(), 2000u);
  for (int i = 0; i < 30; ++i) {
    const auto query = world.Draw(world.AnyCluster());
    EXPECT_EQ(world.Search(*loaded, query, Method::kWalk, 12),
              world.Search(world.index(), query, Method::kWalk, 12));
  }
  world.Adopt(std::move(loaded));
  world.AppendAny(1000);
  world.Erase({5, 6, 7, 1000, 2500});
  world.Wait();
  world.ExpectSound(2995);
  EXPECT_GT(world.Recall(world.index(), 64), 0.95);
}

// Nodes of rows that were erased and not yet swept are not in the file, and others have edges to them.
TEST_F(GraphFileTest, LoadsEveryNodeOnceAndOnlyEdgesBetweenThoseThatAreThere) {
  for (const int threads : {1, 4}) {
    World world(seed_, threads);
    world.AppendAny(5000);
    world.Wait();
    std::vector<RowOrdinal> gone(100);
    for (RowOrdinal& row : gone) row = static_cast<RowOrdinal>(world.random()() % 5000);
    std::sort(gone.begin(), gone.end());
    gone.erase(std::unique(gone.begin(), gone.end()), gone.end());
    world.Erase(gone);
    ASSERT_EQ(world.Gauge("dead_nodes"), static_cast<double>(gone.size())) << "swept already";
    ASSERT_TRUE(world.index().Save(files_.get(), "").ok());

    const LoadedGraph loaded = LoadGraph(world.Input(), files_.get(), "").ValueOrDie();
    std::set<Slot> nodes;
    std::set<RowOrdinal> rows;
    for (const LoadedRows& part : loaded.rows) {
      for (const auto& node : part.nodes) EXPECT_TRUE(nodes.insert(node.slot).second);
      for (const RowOrdinal row : part.rows) EXPECT_TRUE(rows.insert(row).second);
    }
    EXPECT_EQ(nodes.size(), 5000 - gone.size());
    EXPECT_EQ(loaded.nodes, nodes.size());
    EXPECT_EQ(rows.size(), nodes.size());
    std::vector<int32_t> in_edges(loaded.graph->size());
    for (Slot slot = 0; slot < loaded.graph->size(); ++slot) {
      const uint64_t used = loaded.graph->header(slot).used.load();
      EXPECT_TRUE(used == 0 || nodes.contains(slot));
      for (uint32_t i = 0; i < loaded.graph->layout().degree; ++i) {
        const Slot to = loaded.graph->ids(slot)[i].load();
        if ((used >> i & 1) == 0) {
          EXPECT_EQ(to, slot);
        } else {
          EXPECT_TRUE(nodes.contains(to)) << slot << " has an edge to " << to;
          ++in_edges[to];
        }
      }
    }
    for (const Slot slot : nodes) EXPECT_EQ(loaded.graph->header(slot).in_edges.load(), in_edges[slot]);
  }
}

TEST_F(GraphFileTest, OneThreadAndASeedGiveOneGraphToTheLastByte) {
  const auto live_on = [&] {
    World world(seed_);
    world.AppendAny(2000);
    world.Settle();
    for (int step = 0; step < 5; ++step) {
      std::vector<RowOrdinal> gone(200);
      std::iota(gone.begin(), gone.end(), static_cast<RowOrdinal>(step) * 300);
      world.Erase(gone);
      world.Settle();
      world.AppendAny(200);
      world.Settle();
    }
    EXPECT_GT(world.Gauge("sweeps"), 4);
    EXPECT_TRUE(world.index().Save(files_.get(), "").ok());
    return files_->ReadFile("graph").ValueOrDie();
  };
  EXPECT_TRUE(live_on() == live_on());
}

// The first version knew no walks by reach: 9 recalls and 9 counts of hops less.
TEST_F(GraphFileTest, AFileOfTheFirstVersionIsReadToo) {
  World world(seed_);
  world.AppendAny(3000);
  world.Wait();
  ASSERT_TRUE(world.index().Save(files_.get(), "").ok());
  std::string file = files_->ReadFile("graph").ValueOrDie();
  uint32_t frame[2], entries;
  std::memcpy(frame, file.data(), sizeof(frame));
  std::string head = file.substr(sizeof(frame), frame[0]);
  std::memcpy(&entries, head.data() + 48, sizeof(entries));
  head.erase(52 + 4 * entries + 4 * RecallCalibration::kEf.size(), 2 * 4 * RecallCalibration::kReach.size());
  head[8] = 1;
  const std::string nodes = file.substr(sizeof(frame) + frame[0]);
  frame[0] = static_cast<uint32_t>(head.size());
  frame[1] = ExtendCrc32c(0, head.data(), head.size());
  file.assign(reinterpret_cast<const char*>(frame), sizeof(frame));
  ASSERT_TRUE(files_->ReplaceFile("graph", file + head + nodes).ok());
  auto loaded = world.MakeIndex();
  const Status status = loaded->Load(files_.get(), "");
  ASSERT_TRUE(status.ok()) << status.ToString();
  for (int i = 0; i < 30; ++i) {
    const auto query = world.Draw(world.AnyCluster());
    EXPECT_EQ(world.Search(*loaded, query, Method::kWalk), world.Search(world.index(), query, Method::kWalk));
  }
}

TEST_F(GraphFileTest, ADamagedFileIsRefusedWhereverTheDamageIs) {
  World world(seed_);
  world.AppendAny(800);
  world.Wait();
  EXPECT_EQ(CodeOf(world.MakeIndex()->Load(files_.get(), "")), ErrorCode::kNotFound);
  ASSERT_TRUE(world.index().Save(files_.get(), "").ok());
  const std::string whole = files_->ReadFile("graph").ValueOrDie();
  for (int round = 0; round < 60; ++round) {
    std::string damaged = whole;
    const size_t at = world.random()() % whole.size();
    if (round % 3 == 0)
      damaged.resize(at);
    else
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << world.random()() % 8));
    ASSERT_TRUE(files_->ReplaceFile("graph", damaged).ok());
    EXPECT_EQ(CodeOf(world.MakeIndex()->Load(files_.get(), "")), ErrorCode::kCorruption) << "at " << at;
  }
  ASSERT_TRUE(files_->ReplaceFile("graph", whole).ok());
  EXPECT_TRUE(world.MakeIndex()->Load(files_.get(), "").ok());
}

}  // namespace
}  // namespace longbow::index
