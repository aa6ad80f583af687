// Long random lives of an index: rows come and go, it is saved, loaded and damaged on disk, searches run
// beside all of it, and every answer is held to the obvious one. A life that fails is cut down to the steps
// that matter.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "index_world.h"

namespace longbow::index::conformance {
namespace {

constexpr RowOrdinal kChunk = RowVersions::kChunk;  // the least that is forgotten
constexpr RowOrdinal kCapacity = kChunk + 3600;
constexpr RowOrdinal kLeastPopulation = 1200;  // to begin with, so that walks are offered
constexpr double kLeastRecall = 0.9;           // of the searches of a life, by each approximate way
constexpr double kLeastRecallOfOne = 0.5;      // three queries
// Where the nearest by inner product are the longest rows of far clusters, whatever the query is like.
constexpr double kLeastRecallByLength = 0.5;
constexpr int kManySearches = 8;  // what fewer find says little

struct Step {
  enum Kind : uint8_t {
    kAppend,
    kDelete,
    kDeleteCluster,
    kUpdate,
    kWait,
    kSearch,
    kSearchBeside,
    kReload,
    kDamage,
    kCompact
  } kind;
  uint32_t amount;
  uint64_t seed;
};
constexpr const char* kKinds[] = {"append", "delete",        "delete cluster", "update", "wait",
                                  "search", "search beside", "reload",         "damage", "compact"};

std::string Describe(const std::vector<Step>& steps) {
  std::ostringstream out;
  for (const Step& s : steps) out << "  {" << kKinds[s.kind] << ", " << s.amount << ", " << s.seed << "}\n";
  return out.str();
}

std::vector<Step> Draw(uint64_t seed, int count) {
  std::mt19937_64 random(seed);
  std::vector<Step> steps = {{Step::kAppend, kLeastPopulation, random()}};
  for (int i = 0; i < count; ++i) {
    constexpr Step::Kind kDrawn[] = {Step::kAppend, Step::kAppend, Step::kDelete,       Step::kDeleteCluster,
                                     Step::kUpdate, Step::kUpdate, Step::kWait,         Step::kSearch,
                                     Step::kSearch, Step::kReload, Step::kSearchBeside, Step::kSearchBeside,
                                     Step::kDamage, Step::kCompact};
    steps.push_back(
        {kDrawn[random() % std::size(kDrawn)], static_cast<uint32_t>(1 + random() % 220), random()});
  }
  steps.push_back({Step::kSearch, 3, random()});
  return steps;
}

// Of few distinct vectors every third life.
WorldOptions DrawWorld(uint64_t seed, distance::Metric metric) {
  constexpr Likeness kDrawn[] = {Likeness::kUniform, Likeness::kTwoClusters,  Likeness::kSorted,
                                 Likeness::kEqual,   Likeness::kLowDimension, Likeness::kTiny};
  std::mt19937_64 random(seed);
  WorldOptions options{.capacity = kCapacity, .dim = 16, .null_share = 0.02};
  options.likeness = kDrawn[random() % std::size(kDrawn)];
  if (options.likeness == Likeness::kTiny && metric == distance::Metric::kCosine)
    options.likeness = Likeness::kUniform;
  if (random() % 3 == 0) options.distinct = random() % 2 == 0 ? 1500 : 12;
  return options;
}

double LeastRecall(distance::Metric metric, Likeness likeness) {
  const bool far = likeness == Likeness::kTwoClusters || likeness == Likeness::kSorted;
  return metric == distance::Metric::kInnerProduct && far ? kLeastRecallByLength : kLeastRecall;
}

// What is wrong, or nothing.
using Problem = std::optional<std::string>;

class Life {
 public:
  Life(const Subject& subject, distance::Metric metric, uint64_t seed)
      : least_recall_(LeastRecall(metric, DrawWorld(seed, metric).likeness)),
        told_apart_(DrawWorld(seed, metric).likeness != Likeness::kTiny),
        world_(subject, metric, distance::ElementType::kFloat32, seed, DrawWorld(seed, metric)) {
    root_ = (std::filesystem::temp_directory_path() / "longbow_model_XXXXXX").string();
    if (mkdtemp(root_.data()) == nullptr) std::abort();
    files_ = MakePosixFileSystem(root_, 1).ValueOrDie();
  }
  ~Life() {
    files_.reset();
    std::filesystem::remove_all(root_);
  }

  Problem Run(const std::vector<Step>& steps) {
    for (size_t i = 0; i < steps.size(); ++i) {
      if (auto problem = Take(steps[i])) return "step " + std::to_string(i) + ": " + *problem;
    }
    if (auto problem = RecallOfAll()) return problem;
    return Audit();
  }

 private:
  Problem RecallOfAll() const {
    for (size_t method = 0; method < found_.size(); ++method) {
      const auto& [found, wanted, searches] = found_[method];
      if (told_apart_ && searches >= kManySearches && found < least_recall_ * wanted) {
        return std::string(MethodName(static_cast<Method>(method))) + " found " + std::to_string(found) +
               " of " + std::to_string(wanted) + " in " + std::to_string(searches) + " searches";
      }
    }
    return {};
  }

  // So much dies before it that maintenance may be due; after it all can be reached.
  Problem Audit() {
    world_.WaitIndexed();
    world_.WaitSettled();
    const double sweeps = Sweeps();
    Delete(100, 0);
    const AuditReport audit = world_.WaitSettled();
    if (!audit.violations.empty()) return "audit: " + audit.violations.front();
    if (told_apart_ && Sweeps() > sweeps && audit.unreachable > 0)
      return "audit: " + std::to_string(audit.unreachable) + " cannot be reached";
    int64_t present = 0;
    for (RowOrdinal row : alive_) present += world_.present(row) ? 1 : 0;
    if (audit.live != present) {
      return "audit: " + std::to_string(audit.live) + " live, should be " + std::to_string(present);
    }
    return {};
  }

  Problem Take(const Step& step) {
    switch (step.kind) {
      case Step::kAppend:
        Append(step.amount);
        return {};
      case Step::kDelete:
        Delete(step.amount, step.seed);
        return {};
      case Step::kDeleteCluster:
        DeleteCluster(step.amount);
        return {};
      case Step::kUpdate: {
        const size_t before = alive_.size();
        Delete(step.amount / 4, step.seed);
        Append(static_cast<uint32_t>(before - alive_.size()));
        return {};
      }
      case Step::kWait:
        world_.WaitIndexed();
        return {};
      case Step::kSearch:
        return Search(step.seed);
      case Step::kSearchBeside:
        return SearchBeside(step);
      case Step::kReload:
        return Reload(step.seed, /*damaged=*/false);
      case Step::kDamage:
        return Reload(step.seed, /*damaged=*/true);
      case Step::kCompact:
        return Compact(step.amount);
    }
    return {};
  }

  double Sweeps() const {
    for (const IndexGauge& gauge : world_.index().Gauges()) {
      if (gauge.name == "sweeps") return gauge.value;
    }
    return 0;
  }

  void Append(uint32_t count) {
    count = std::min(count, kCapacity - world_.end());
    for (uint32_t i = 0; i < count; ++i) alive_.push_back(world_.end() + i);
    if (count > 0) world_.Append(count);
  }

  void Delete(uint32_t count, uint64_t seed) { Erase(Kill(count, seed)); }
  // Rows drawn at random; they are still to be erased.
  std::vector<RowOrdinal> Kill(uint32_t count, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::shuffle(alive_.begin(), alive_.end(), random);
    return KillBehind(alive_.end() - static_cast<ptrdiff_t>(std::min<size_t>(alive_.size(), count)));
  }
  std::vector<RowOrdinal> KillBehind(std::vector<RowOrdinal>::iterator left) {
    const std::vector<RowOrdinal> gone(left, alive_.end());
    alive_.erase(left, alive_.end());
    world_.Kill(gone);
    return gone;
  }
  void Erase(const std::vector<RowOrdinal>& gone) {
    world_.Erase(gone);
    erased_.insert(erased_.end(), gone.begin(), gone.end());
  }
  // That of some row; all rows where there is one cluster alone.
  void DeleteCluster(uint32_t amount) {
    if (alive_.empty()) return;
    const uint32_t cluster = world_.cluster(alive_[amount % alive_.size()]);
    Erase(KillBehind(std::partition(alive_.begin(), alive_.end(),
                                    [&](RowOrdinal row) { return world_.cluster(row) != cluster; })));
    if (alive_.empty()) Append(kLeastPopulation / 2 + amount);
  }

  // Of the first chunk, which only so becomes full, nothing is left, and others come.
  Problem Compact(uint32_t amount) {
    if (forgotten_end_ > 0) return {};
    const RowOrdinal nulls = kChunk - world_.end();
    for (RowOrdinal i = 0; i < nulls; ++i) alive_.push_back(world_.end() + i);
    world_.AppendNulls(nulls);
    Delete(kCapacity, amount);
    Forget();
    Append(kLeastPopulation + amount);
    return Search(amount);
  }
  void Forget() {
    forgotten_end_ = kChunk;
    world_.WaitSettled();
    world_.Forget(0, kChunk);
  }

  Problem Search(uint64_t seed) const {
    std::mt19937_64 random(seed);
    const Visibility now = world_.Now();
    RowSelection selection(now.end);
    const uint64_t share = 1 + random() % 100;
    for (RowOrdinal row = 0; row < now.end; ++row) {
      if (random() % 100 < share) selection.Add(row);
    }
    if (auto problem = SearchIn(now, nullptr, alive_.size(), seed)) return problem;
    return SearchIn(now, &selection, alive_.size(), seed);
  }

  // `rows`: visible ones.
  Problem SearchIn(const Visibility& visibility, const RowSelection* selection, size_t rows,
                   uint64_t seed) const {
    SearchShape shape;
    shape.rows = std::max<size_t>(rows, 1);
    shape.has_selection = selection != nullptr;
    shape.selected = selection != nullptr ? static_cast<uint64_t>(selection->Count()) : 0;
    const std::vector<uint32_t> k = {10, 1, 40};
    shape.queries = static_cast<uint32_t>(k.size());
    const auto queries = world_.Queries(shape.queries, seed);
    const auto scratch = world_.index().NewScratch();
    SearchHits hits;
    for (const MethodCost& way : world_.index().Methods(shape)) {
      SearchSpec spec;
      spec.method = way.method;
      spec.queries = queries.data();
      spec.query_stride = world_.query_bytes();
      spec.query_count = shape.queries;
      spec.k = k;
      spec.visibility = visibility;
      spec.rows = shape.rows;
      spec.selection = selection;
      const Status status = world_.index().Search(spec, scratch.get(), &hits);
      if (!status.ok()) return status.ToString();
      if (auto problem = Judge(spec, hits, way)) return std::string(MethodName(way.method)) + ": " + *problem;
    }
    return {};
  }

  Problem Judge(const SearchSpec& spec, const SearchHits& hits, const MethodCost& way) const {
    double found = 0, wanted = 0;
    for (uint32_t q = 0; q < spec.query_count; ++q) {
      const std::byte* query = spec.queries + q * spec.query_stride;
      const auto oracle = world_.Oracle(query, spec.visibility, spec.selection, nullptr);
      const size_t due = std::min<size_t>(spec.k[q], oracle.size());
      if (hits.offsets[q + 1] - hits.offsets[q] != due) {
        return std::to_string(hits.offsets[q + 1] - hits.offsets[q]) + " hits, due were " +
               std::to_string(due);
      }
      std::set<RowOrdinal> seen;
      for (uint32_t i = hits.offsets[q]; i < hits.offsets[q + 1]; ++i) {
        const auto [distance, row] = hits.neighbors[i];
        const bool fits = spec.visibility.Visible(row) && world_.present(row) && seen.insert(row).second &&
                          (spec.selection == nullptr || spec.selection->Contains(row));
        if (!fits) return "row " + std::to_string(row) + " does not belong there";
        if (std::abs(distance - world_.Distance(query, row)) > world_.tolerance())
          return "a distance is wrong";
        found += distance <= oracle[due - 1].distance + world_.tolerance() ? 1 : 0;
      }
      wanted += static_cast<double>(due);
    }
    // Where the nearest lie in one far cluster, a query finds all of them or none (of 51, three queries'
    // nearest, once 11): there only the searches of a life are held to a recall.
    const bool each = told_apart_ && least_recall_ == kLeastRecall;
    const double least = way.exact ? 1 : each ? kLeastRecallOfOne * least_recall_ : 0;
    if (found < least * wanted) return std::to_string(found) + " of the nearest " + std::to_string(wanted);
    if (way.exact) return {};
    Found& all = found_[static_cast<size_t>(way.method)];
    std::lock_guard lock(mutex_);
    all.found += found, all.wanted += wanted, ++all.searches;
    return {};
  }

  // Searches of what was there before run while rows come, while rows die that they still see, and while
  // others are erased that they do not see any more.
  Problem SearchBeside(const Step& step) {
    constexpr uint32_t kTurns = 8;
    const std::vector<RowOrdinal> unseen = Kill(step.amount / 2, step.seed);
    const Visibility pinned = world_.Now();
    const size_t rows = alive_.size();
    Problem problem;
    std::atomic<bool> done{false};
    std::thread reader([&] {
      uint64_t seed = step.seed;
      do {
        problem = SearchIn(pinned, nullptr, rows, seed++);
      } while (!problem && !done.load());
    });
    std::vector<RowOrdinal> seen;
    for (uint32_t i = 0; i < kTurns; ++i) {
      Append(step.amount / kTurns);
      const auto at = [&](uint32_t turn) {
        return unseen.begin() + static_cast<ptrdiff_t>(unseen.size() * turn / kTurns);
      };
      Erase({at(i), at(i + 1)});
      const std::vector<RowOrdinal> gone = Kill(step.amount / kTurns / 2, step.seed + i);
      seen.insert(seen.end(), gone.begin(), gone.end());
    }
    done.store(true);
    reader.join();
    Erase(seen);
    return problem;
  }

  // The index goes away and comes back from its file, or, when that is damaged, from the rows.
  Problem Reload(uint64_t seed, bool damaged) {
    std::mt19937_64 random(seed);
    const Status saved = world_.index().Save(files_.get(), "");
    if (!saved.ok()) return saved.ToString();
    Append(static_cast<uint32_t>(random() % 50));
    Delete(static_cast<uint32_t>(random() % 20), random());
    world_.SetNull(0, forgotten_end_);
    auto index = world_.MakeIndex();
    if (files_->Exists("graph").ValueOrDie()) {
      if (damaged) {
        std::string bytes = files_->ReadFile("graph").ValueOrDie();
        bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
        if (!files_->ReplaceFile("graph", bytes).ok()) return "cannot write";
      }
      const Status loaded = index->Load(files_.get(), "");
      if (CodeOf(loaded) != (damaged ? ErrorCode::kCorruption : ErrorCode::kOk)) return loaded.ToString();
      if (damaged) index = world_.MakeIndex();
      if (!files_->Remove("graph").ok()) return "cannot remove";
    }
    index->RowsAppended(index->indexed_end(), world_.end());
    index->Erase(erased_);
    world_.Adopt(std::move(index));
    if (forgotten_end_ > 0) Forget();
    return Search(seed);
  }

  struct Found {
    double found = 0, wanted = 0;
    int searches = 0;
  };

  const double least_recall_;
  const bool told_apart_;  // codes tell rows apart that differ: what is denormal is zero to them
  IndexWorld world_;
  std::string root_;
  std::unique_ptr<FileSystem> files_;
  std::vector<RowOrdinal> alive_, erased_;
  RowOrdinal forgotten_end_ = 0;
  mutable std::mutex mutex_;
  mutable std::array<Found, 5> found_;  // by method, guarded by mutex_ while a reader runs
};

// Fewer steps that fail as well.
std::vector<Step> Shrink(std::vector<Step> steps,
                         const std::function<Problem(const std::vector<Step>&)>& run) {
  for (size_t cut = steps.size() / 2; cut > 0; cut /= 2) {
    for (size_t at = 0; at + cut <= steps.size();) {
      std::vector<Step> fewer(steps.begin(), steps.begin() + static_cast<ptrdiff_t>(at));
      fewer.insert(fewer.end(), steps.begin() + static_cast<ptrdiff_t>(at + cut), steps.end());
      if (run(fewer)) {
        steps = std::move(fewer);
      } else {
        at += cut;
      }
    }
  }
  return steps;
}

class IndexModel : public testing::TestWithParam<size_t> {};

TEST_P(IndexModel, AnswersAsTheObviousIndexThroughRandomLives) {
  const Subject subject = Subjects()[GetParam()];
  const char* given = std::getenv("LONGBOW_MODEL_SEED");
  const uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  for (uint64_t seed = first; seed < first + 3; ++seed) {
    const auto metric = static_cast<distance::Metric>(seed % distance::kMetrics);
    const auto run = [&](const std::vector<Step>& steps) { return Life(subject, metric, seed).Run(steps); };
    const std::vector<Step> steps = Draw(seed, 25);
    const Problem problem = run(steps);
    if (!problem) continue;
    const WorldOptions world = DrawWorld(seed, metric);
    FAIL() << *problem << "\nseed " << seed << ", metric " << distance::MetricName(metric) << ", likeness "
           << static_cast<int>(world.likeness) << ", distinct " << world.distinct << "; these steps fail:\n"
           << Describe(Shrink(steps, run));
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIndex, IndexModel, testing::Range<size_t>(0, Subjects().size()),
                         [](const auto& info) {
                           const Subject subject = Subjects()[info.param];
                           return std::string(subject.type->name) + "_" + std::string(subject.codec);
                         });

}  // namespace
}  // namespace longbow::index::conformance
