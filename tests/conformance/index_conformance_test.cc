#include "index_conformance.h"

#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <numeric>
#include <thread>

namespace longbow::index::conformance {
namespace {

using distance::ElementType;

// Every index with its own choice of codec on all kinds of elements; the codecs that a user may ask for
// instead on the two that differ most.
std::vector<std::tuple<size_t, int, ElementType>> Cases() {
  std::vector<std::tuple<size_t, int, ElementType>> cases;
  const std::vector<Subject> subjects = Subjects();
  for (size_t i = 0; i < subjects.size(); ++i) {
    for (int metric = 0; metric < distance::kMetrics; ++metric) {
      for (ElementType element : {ElementType::kFloat32, ElementType::kUInt8, ElementType::kFloat16,
                                  ElementType::kFloat64, ElementType::kComplex64}) {
        const bool common = element == ElementType::kFloat32 || element == ElementType::kUInt8;
        if (subjects[i].codec == "auto" || common) cases.emplace_back(i, metric, element);
      }
    }
    if (subjects[i].codec != "auto") continue;  // a metric each, as they differ in being read alone
    cases.emplace_back(i, static_cast<int>(distance::Metric::kL2), ElementType::kInt8);
    cases.emplace_back(i, static_cast<int>(distance::Metric::kCosine), ElementType::kInt64);
    cases.emplace_back(i, static_cast<int>(distance::Metric::kInnerProduct), ElementType::kComplex128);
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(EveryIndex, IndexConformance, testing::ValuesIn(Cases()), ConformanceName);

TEST_P(IndexConformance, RowsAreFoundAtOnceAndOnceIndexed) {
  MakeWorld();
  const auto queries = world().Queries(5, seed_ + 1);
  for (RowOrdinal count : {1u, 9u, 1014u, 1u, 975u}) {
    world().Append(count);
    for (uint32_t k : {1u, 10u, 150u})
      ExpectRight({world().Now(), nullptr, nullptr, std::vector<uint32_t>(5, k), queries.data()});
  }
  world().WaitIndexed();
  ExpectRight({world().Now(), nullptr, nullptr, std::vector<uint32_t>(5, 10), queries.data()});
}

TEST_P(IndexConformance, AnEmptyColumnHasNoNeighbors) {
  MakeWorld();
  const auto queries = world().Queries(2, seed_ + 1);
  ExpectRight({world().Now(), nullptr, nullptr, {10, 1}, queries.data()});
}

TEST_P(IndexConformance, MoreThanThereIsGivesAllThereIs) {
  MakeWorld();
  const auto queries = world().Queries(2, seed_ + 1);
  world().Append(60);
  ExpectRight({world().Now(), nullptr, nullptr, {61, 100000}, queries.data()});
}

TEST_P(IndexConformance, QueriesOfABatchHaveTheirOwnK) {
  MakeWorld();
  world().Append(1500);
  std::vector<uint32_t> k(45);
  for (uint32_t i = 0; i < k.size(); ++i) k[i] = 1 + i * 7 % 90;
  const auto queries = world().Queries(static_cast<uint32_t>(k.size()), seed_ + 1);
  ExpectRight({world().Now(), nullptr, nullptr, k, queries.data()});
}

TEST_P(IndexConformance, TheLedgerKnowsWhatRowsWillTakeFromTheirAppendOn) {
  WorldOptions options;
  options.dim = 40;
  MakeWorld(options);
  constexpr int64_t kTables = 256 << 10;  // of any index, however few its rows
  int64_t first = 0, taken = 0;
  for (int round = 0; round < 2; ++round) {
    world().Append(600);
    const int64_t promised = world().index_memory();
    world().WaitIndexed();
    taken = world().index_memory();
    EXPECT_LE(taken, promised + kTables) << "writers were told of room that was not there";
    if (round == 0) first = taken;
  }
  const double told = static_cast<double>(world().row_bytes());
  EXPECT_NEAR(told, static_cast<double>(taken - first) / 600, 0.1 * told);
  world().Adopt(nullptr);
  EXPECT_EQ(world().index_memory(), 0);
}

TEST_P(IndexConformance, AnOldSequenceSeesWhatItSaw) {
  MakeWorld();
  const auto queries = world().Queries(3, seed_ + 1);
  std::mt19937_64 random(seed_ + 2);
  std::vector<RowOrdinal> alive;
  for (int round = 0; round < 8; ++round) {
    for (RowOrdinal row = 0; row < 250; ++row) alive.push_back(world().end() + row);
    world().Append(250);
    std::shuffle(alive.begin(), alive.end(), random);
    const size_t left = alive.size() - alive.size() / (round % 2 == 0 ? 3 : 20);
    world().Kill({alive.begin() + static_cast<ptrdiff_t>(left), alive.end()});
    alive.resize(left);
  }
  for (Sequence at = 0; at <= world().now(); ++at) {
    ExpectRight({world().At(at), nullptr, nullptr, {10, 1, 33}, queries.data()});
  }
}

TEST_P(IndexConformance, RowsBehindTheEndOfAViewAreNotThere) {
  MakeWorld();
  world().Append(1500);
  const auto queries = world().Queries(2, seed_ + 1);
  for (RowOrdinal end : {0u, 1u, 70u, 1024u, 1337u}) {
    Visibility visibility = world().Now();
    visibility.end = end;
    ExpectRight({visibility, nullptr, nullptr, {10, 1500}, queries.data()});
  }
}

TEST_P(IndexConformance, RowsOfManySlabsAreFound) {
  WorldOptions options;
  options.capacity = 1800;
  options.dim = 700;
  MakeWorld(options);
  world().Append(1800);
  std::vector<RowOrdinal> dead;
  for (RowOrdinal row = 500; row < 530; ++row) dead.push_back(row);
  world().Kill(dead);
  const auto queries = world().Queries(3, seed_ + 1);
  for (double share : {0.02, 0.5, 1.0}) {
    const RowSelection selection = Select(share, seed_ + 3);
    ExpectRight({world().Now(), &selection, nullptr, {10}, queries.data()});
    ExpectRight({world().Now(), &selection, nullptr, {10, 1800, 1}, queries.data()});
  }
  ExpectRight({world().Now(), nullptr, nullptr, {10, 1800, 1}, queries.data()});
}

TEST_P(IndexConformance, SelectionsOfEverySizeAreKept) {
  MakeWorld();
  world().Append(2500);
  world().WaitIndexed();
  std::vector<RowOrdinal> dead;
  for (RowOrdinal row = 3; row < 2500; row += 11) dead.push_back(row);
  world().Kill(dead);
  const auto queries = world().Queries(3, seed_ + 1);
  for (double share : {0.0, 0.002, 0.01, 0.1, 0.5, 0.97, 1.0}) {
    SCOPED_TRACE(share);
    const RowSelection selection = Select(share, seed_ + 3);
    ExpectRight({world().Now(), &selection, nullptr, {10}, queries.data()});
    ExpectRight({world().Now(), &selection, nullptr, {10, 100, 1}, queries.data()});
    ExpectRight({world().At(1), &selection, nullptr, {10, 100, 1}, queries.data()});
  }
}

TEST_P(IndexConformance, ASelectionMadeBeforeTheLastRowsLeavesThemOut) {
  MakeWorld();
  world().Append(700);
  const RowSelection selection = Select(1.0, seed_);
  world().Append(800);
  const auto queries = world().Queries(2, seed_ + 1);
  ExpectRight({world().Now(), &selection, nullptr, {10, 700}, queries.data()});
}

TEST_P(IndexConformance, EqualDistancesAreDecidedByKeyAlsoAtTheLastPlace) {
  WorldOptions options;
  options.distinct = 7;
  MakeWorld(options);
  world().Append(2200);
  world().WaitIndexed();
  const ScatteredKeys keys;
  const auto queries = world().Queries(4, seed_ + 1);
  const RowSelection selection = Select(0.3, seed_ + 3);
  for (const TieOrder* ties : {static_cast<const TieOrder*>(nullptr), static_cast<const TieOrder*>(&keys)}) {
    ExpectRight({world().Now(), nullptr, ties, {1, 10, 50, 400}, queries.data()});
    ExpectRight({world().Now(), nullptr, ties, {50}, queries.data()});
    ExpectRight({world().Now(), &selection, ties, {1, 10, 50, 400}, queries.data()});
    ExpectRight({world().Now(), &selection, ties, {50}, queries.data()});
  }
}

TEST_P(IndexConformance, RowsWithoutAVectorAreNeverFound) {
  for (double share : {0.01, 0.5, 1.0}) {
    WorldOptions options;
    options.null_share = share;
    MakeWorld(options);
    const auto queries = world().Queries(3, seed_ + 1);
    world().Append(1100);
    world().Append(1100);
    ExpectRight({world().Now(), nullptr, nullptr, {10, 2200, 1}, queries.data()});
    const RowSelection selection = Select(0.2, seed_ + 3);
    ExpectRight({world().Now(), &selection, nullptr, {10, 2200, 1}, queries.data()});
  }
}

TEST_P(IndexConformance, ErasedRowsStayOutAndTheOthersStayFound) {
  MakeWorld();
  world().Append(2000);
  world().WaitIndexed();
  const auto queries = world().Queries(4, seed_ + 1);
  std::mt19937_64 random(seed_ + 2);
  std::vector<RowOrdinal> alive(2000);
  std::iota(alive.begin(), alive.end(), 0);
  while (!alive.empty()) {
    std::shuffle(alive.begin(), alive.end(), random);
    const size_t left = alive.size() > 20 ? alive.size() / 2 : 0;
    const std::vector<RowOrdinal> gone(alive.begin() + static_cast<ptrdiff_t>(left), alive.end());
    alive.resize(left);
    world().Kill(gone);
    world().Erase(gone);
    ExpectRight({world().Now(), nullptr, nullptr, {1, 10, 30, 5}, queries.data()});
    const auto audit = world().index().Audit();
    ASSERT_TRUE(audit.ok());
    EXPECT_EQ(audit->live, static_cast<int64_t>(left));
    EXPECT_TRUE(audit->violations.empty()) << audit->violations.front();
  }
  const AuditReport settled = world().WaitSettled();
  EXPECT_TRUE(settled.violations.empty()) << settled.violations.front();
}

// A clock that stands still.
class StoppedClock : public Clock {
 public:
  int64_t MonotonicNanos() const override { return 1000; }
  int64_t WallMicros() const override { return 0; }
};

TEST_P(IndexConformance, AnEndedBudgetGivesASoundPart) {
  WorldOptions options;
  options.capacity = 9000;
  MakeWorld(options);
  world().Append(9000);
  const auto queries = world().Queries(3, seed_ + 1);
  const StoppedClock clock;
  StopSource stop;
  stop.Stop();
  const RowSelection selection = Select(0.7, seed_ + 3);
  for (const RowSelection* chosen : {static_cast<const RowSelection*>(nullptr), &selection}) {
    for (const std::vector<uint32_t>& k : {std::vector<uint32_t>{10}, std::vector<uint32_t>{10, 20, 5}}) {
      const Search search{world().Now(), chosen, nullptr, k, queries.data()};
      for (const MethodCost& way : Ways(search)) {
        Budget passed(&clock, 999, nullptr, 0), stopped(&clock, 0, &stop, 0), few(&clock, 0, nullptr, 50);
        for (Budget* budget : {&passed, &stopped, &few}) {
          SearchSpec spec = Spec(search, way.method);
          spec.budget = budget;
          ASSERT_TRUE(world().index().Search(spec, scratch_.get(), &hits_).ok());
          EXPECT_EQ(hits_.coverage, Coverage::kPartial);
          EXPECT_LT(hits_.work.distances, static_cast<int64_t>(9000 * k.size()));
          for (size_t q = 0; q < k.size(); ++q) {
            EXPECT_LE(hits_.offsets[q + 1] - hits_.offsets[q], k[q]);
            ExpectSound(
                search, queries.data() + q * world().query_bytes(),
                {hits_.neighbors.begin() + hits_.offsets[q], hits_.neighbors.begin() + hits_.offsets[q + 1]});
          }
        }
        Budget ample(&clock, 1001, nullptr, 1000000);
        SearchSpec spec = Spec(search, way.method);
        spec.budget = &ample;
        ASSERT_TRUE(world().index().Search(spec, scratch_.get(), &hits_).ok());
        ExpectHits(search, hits_, way.exact);
        EXPECT_NE(hits_.coverage, Coverage::kPartial);
      }
    }
  }
}

TEST_P(IndexConformance, WhatWasSavedIsLoadedOrBuiltAnew) {
  std::string root = (std::filesystem::temp_directory_path() / "longbow_index_XXXXXX").string();
  ASSERT_NE(mkdtemp(root.data()), nullptr);
  {
    auto files = MakePosixFileSystem(root, 1).ValueOrDie();
    ASSERT_TRUE(files->CreateDirectories("derived").ok());
    MakeWorld();
    world().Append(1200);
    world().WaitIndexed();
    ASSERT_TRUE(world().index().Save(files.get(), "derived").ok());
    auto again = world().MakeIndex();
    const Status loaded = again->Load(files.get(), "derived");
    ASSERT_TRUE(loaded.ok()) << loaded.ToString();
    if (again->indexed_end() < world().end()) again->RowsAppended(again->indexed_end(), world().end());
    world().Adopt(std::move(again));
    scratch_ = world().index().NewScratch();
    world().WaitIndexed();
    const auto queries = world().Queries(3, seed_ + 1);
    ExpectRight({world().Now(), nullptr, nullptr, {10, 50, 1}, queries.data()});
  }
  std::filesystem::remove_all(root);
}

// One thread appends, kills and erases, others pin views and search; every answer is held to the view it was
// pinned at.
class Churn {
 public:
  static constexpr int kReaders = 2;

  void Publish(Sequence now, RowOrdinal end) {
    std::lock_guard lock(mutex_);
    now_ = now, end_ = end;
  }
  std::pair<Sequence, RowOrdinal> Pin(int reader) {
    std::lock_guard lock(mutex_);
    pinned_[reader] = now_;
    return {now_, end_};
  }
  void Unpin(int reader) {
    std::lock_guard lock(mutex_);
    pinned_[reader] = kNever;
  }
  Sequence Oldest() {
    std::lock_guard lock(mutex_);
    return std::min(now_, *std::min_element(pinned_.begin(), pinned_.end()));
  }

 private:
  std::mutex mutex_;
  Sequence now_ = 0;                                                        // guarded by mutex_
  RowOrdinal end_ = 0;                                                      // guarded by mutex_
  std::vector<Sequence> pinned_ = std::vector<Sequence>(kReaders, kNever);  // guarded by mutex_
};

TEST_P(IndexConformance, SearchesBesideAppendsAndErasesSeeTheirPinnedView) {
  WorldOptions options;
  options.null_share = 0.05;
  MakeWorld(options);
  Churn churn;
  std::atomic<bool> done{false};
  std::atomic<int> searches{0};
  const auto queries = world().Queries(2, seed_ + 1);
  const Visibility base = world().Now();

  const auto read = [&](int reader) {
    auto scratch = world().index().NewScratch();
    SearchHits hits;
    while (!done.load() || searches.load() < 20) {
      const auto [at, end] = churn.Pin(reader);
      const Search search{{base.versions, at, end}, nullptr, nullptr, {10, 3}, queries.data()};
      for (const MethodCost& way : Ways(search)) {
        ASSERT_TRUE(world().index().Search(Spec(search, way.method), scratch.get(), &hits).ok());
        ExpectHits(search, hits, way.exact);
      }
      churn.Unpin(reader);
      searches.fetch_add(1);
      if (testing::Test::HasFailure()) return;
    }
  };
  std::vector<std::thread> readers;
  for (int reader = 0; reader < Churn::kReaders; ++reader) readers.emplace_back(read, reader);

  std::mt19937_64 random(seed_ + 2);
  std::vector<std::pair<Sequence, std::vector<RowOrdinal>>> dying;
  std::vector<RowOrdinal> alive;
  for (int round = 0; round < 60; ++round) {
    for (RowOrdinal row = 0; row < 50; ++row) alive.push_back(world().end() + row);
    world().Append(50);
    churn.Publish(world().now(), world().end());
    std::shuffle(alive.begin(), alive.end(), random);
    const size_t left = alive.size() - std::min<size_t>(alive.size(), 30);
    std::vector<RowOrdinal> gone(alive.begin() + static_cast<ptrdiff_t>(left), alive.end());
    alive.resize(left);
    world().Kill(gone);
    churn.Publish(world().now(), world().end());
    dying.emplace_back(world().now(), std::move(gone));
    const Sequence oldest = churn.Oldest();
    while (!dying.empty() && dying.front().first <= oldest) {
      world().Erase(dying.front().second);
      dying.erase(dying.begin());
    }
  }
  done.store(true);
  for (std::thread& reader : readers) reader.join();
  EXPECT_GE(searches.load(), 20);
  // So many that the dead are swept, and what nobody reaches is looked for.
  for (const auto& [at, rows] : dying) world().Erase(rows);
  const std::vector<RowOrdinal> last(alive.end() - 100, alive.end());
  alive.resize(alive.size() - last.size());
  world().Kill(last);
  world().WaitIndexed();
  world().Erase(last);
  const AuditReport audit = world().WaitSettled();
  EXPECT_TRUE(audit.violations.empty()) << audit.violations.front();
  EXPECT_EQ(audit.unreachable, 0);
  EXPECT_EQ(audit.live, std::count_if(alive.begin(), alive.end(),
                                      [this](RowOrdinal row) { return world().present(row); }));
}

}  // namespace
}  // namespace longbow::index::conformance
