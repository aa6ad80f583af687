// Long random lives of an index: rows come and go, it is saved, loaded and damaged on disk, searches run
// beside all of it, and every answer is held to the obvious one. A life that fails is cut down to the steps
// that matter.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "index_world.h"

namespace longbow::index::conformance {
namespace {

constexpr RowOrdinal kCapacity = 2600;
constexpr double kLeastRecall = 0.9;

struct Step {
  enum Kind : uint8_t { kAppend, kDelete, kUpdate, kWait, kSearch, kSearchBeside, kReload, kDamage } kind;
  uint32_t amount;
  uint64_t seed;
};
constexpr const char* kKinds[] = {"append", "delete",        "update", "wait",
                                  "search", "search beside", "reload", "damage"};

std::string Describe(const std::vector<Step>& steps) {
  std::ostringstream out;
  for (const Step& s : steps) out << "  {" << kKinds[s.kind] << ", " << s.amount << ", " << s.seed << "}\n";
  return out.str();
}

std::vector<Step> Draw(uint64_t seed, int count) {
  std::mt19937_64 random(seed);
  std::vector<Step> steps;
  for (int i = 0; i < count; ++i) {
    constexpr Step::Kind kDrawn[] = {Step::kAppend,       Step::kAppend, Step::kDelete,
                                     Step::kUpdate,       Step::kWait,   Step::kSearch,
                                     Step::kSearchBeside, Step::kReload, Step::kDamage};
    steps.push_back(
        {kDrawn[random() % std::size(kDrawn)], static_cast<uint32_t>(1 + random() % 220), random()});
  }
  steps.push_back({Step::kSearch, 3, random()});
  return steps;
}

// What is wrong, or nothing.
using Problem = std::optional<std::string>;

class Life {
 public:
  Life(const Subject& subject, distance::Metric metric, uint64_t seed)
      : world_(subject, metric, distance::ElementType::kFloat32, seed,
               {.capacity = kCapacity, .dim = 16, .null_share = 0.02, .distinct = 1500}) {
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
    world_.WaitIndexed();
    const auto audit = world_.index().Audit().ValueOrDie();
    if (!audit.violations.empty()) return "audit: " + audit.violations.front();
    int64_t present = 0;
    for (RowOrdinal row : alive_) present += world_.present(row) ? 1 : 0;
    if (audit.live != present) {
      return "audit: " + std::to_string(audit.live) + " live, should be " + std::to_string(present);
    }
    return {};
  }

 private:
  Problem Take(const Step& step) {
    switch (step.kind) {
      case Step::kAppend:
        Append(step.amount);
        return {};
      case Step::kDelete:
        Delete(step.amount, step.seed);
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
    }
    return {};
  }

  void Append(uint32_t count) {
    count = std::min(count, kCapacity - world_.end());
    for (uint32_t i = 0; i < count; ++i) alive_.push_back(world_.end() + i);
    if (count > 0) world_.Append(count);
  }

  void Delete(uint32_t count, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::shuffle(alive_.begin(), alive_.end(), random);
    const size_t left = alive_.size() - std::min<size_t>(alive_.size(), count);
    const std::vector<RowOrdinal> gone(alive_.begin() + static_cast<ptrdiff_t>(left), alive_.end());
    alive_.resize(left);
    world_.Kill(gone);
    world_.Erase(gone);
    erased_.insert(erased_.end(), gone.begin(), gone.end());
  }

  Problem Search(uint64_t seed) const {
    std::mt19937_64 random(seed);
    const Visibility now = world_.Now();
    RowSelection selection(now.end);
    const uint64_t share = 1 + random() % 100;
    for (RowOrdinal row = 0; row < now.end; ++row) {
      if (random() % 100 < share) selection.Add(row);
    }
    if (auto problem = SearchIn(now, nullptr, seed)) return problem;
    return SearchIn(now, &selection, seed);
  }

  Problem SearchIn(const Visibility& visibility, const RowSelection* selection, uint64_t seed) const {
    SearchShape shape;
    shape.rows = visibility.end;
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
    if (found >= (way.exact ? wanted : kLeastRecall * wanted - 1)) return {};
    return std::to_string(found) + " of the nearest " + std::to_string(wanted);
  }

  // Searches of what was there before run while rows come; they see none of those.
  Problem SearchBeside(const Step& step) {
    const Visibility pinned = world_.Now();
    Problem problem;
    std::atomic<bool> done{false};
    std::thread reader([&] {
      uint64_t seed = step.seed;
      do {
        problem = SearchIn(pinned, nullptr, seed++);
      } while (!problem && !done.load());
    });
    for (uint32_t i = 0; i < 8; ++i) Append(step.amount / 8);
    done.store(true);
    reader.join();
    return problem;
  }

  // The index goes away and comes back from its file, or, when that is damaged, from the rows.
  Problem Reload(uint64_t seed, bool damaged) {
    std::mt19937_64 random(seed);
    const Status saved = world_.index().Save(files_.get(), "");
    if (!saved.ok()) return saved.ToString();
    Append(static_cast<uint32_t>(random() % 50));
    Delete(static_cast<uint32_t>(random() % 20), random());
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
    return Search(seed);
  }

  IndexWorld world_;
  std::string root_;
  std::unique_ptr<FileSystem> files_;
  std::vector<RowOrdinal> alive_, erased_;
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
  const uint64_t first = std::random_device{}();
  for (uint64_t seed = first; seed < first + 3; ++seed) {
    const auto metric = static_cast<distance::Metric>(seed % distance::kMetrics);
    const auto run = [&](const std::vector<Step>& steps) { return Life(subject, metric, seed).Run(steps); };
    const std::vector<Step> steps = Draw(seed, 25);
    const Problem problem = run(steps);
    if (!problem) continue;
    FAIL() << *problem << "\nseed " << seed << ", metric " << distance::MetricName(metric)
           << "; these steps fail:\n"
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
