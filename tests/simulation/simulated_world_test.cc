#include "simulation/simulated_world.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <functional>
#include <set>
#include <utility>

namespace longbow::simulation {
namespace {

// The smallest log that can be right or wrong: numbered sectors, each acknowledged when it is synced;
// recovery counts the sectors that hold their number.
class TinyLog {
 public:
  enum class Care { kSync, kForgetSync, kForgetDirectory };
  static constexpr uint64_t kEntry = 2 * kSectorBytes;

  TinyLog(const Environment& environment, Care care) : environment_(environment), care_(care) {}

  Status Open() {
    LB_ASSIGN_OR_RETURN(const bool exists, environment_.files->Exists("log"));
    LB_ASSIGN_OR_RETURN(file_,
                        environment_.files->Open("log", exists ? OpenMode::kReadWrite : OpenMode::kCreate));
    if (!exists && care_ != Care::kForgetDirectory) LB_RETURN_NOT_OK(environment_.files->SyncDirectory(""));
    LB_ASSIGN_OR_RETURN(const uint64_t size, file_->Size());
    for (std::string entry(kEntry, '\0'); (recovered_ + 1) * kEntry <= size; ++recovered_) {
      LB_RETURN_NOT_OK(file_->Read(recovered_ * kEntry, {reinterpret_cast<uint8_t*>(entry.data()), kEntry}));
      if (entry != Entry(recovered_)) break;
    }
    return Status::OK();
  }
  void Append(uint64_t number, std::function<void()> acknowledge) {
    entries_.push_back(Entry(number));
    const std::string& entry = entries_.back();
    file_->SubmitWrite(number * kEntry, {{reinterpret_cast<const uint8_t*>(entry.data()), entry.size()}},
                       care_ != Care::kForgetSync, [acknowledge = std::move(acknowledge)](Status status) {
                         if (status.ok()) acknowledge();
                       });
  }
  uint64_t recovered() const { return recovered_; }

 private:
  static std::string Entry(uint64_t number) {
    return std::string(kEntry, static_cast<char>('a' + number % 26));
  }

  const Environment environment_;
  const Care care_;
  std::deque<std::string> entries_;
  std::unique_ptr<File> file_;
  uint64_t recovered_ = 0;
};

struct Outcome {
  uint64_t acknowledged = 0, recovered = 0;
  bool cut = false;
  uint64_t log_hash = 0;
};

// Appends entries one after another until the power goes at operation n, and counts what comes back.
Outcome RunWithCut(uint64_t seed, int64_t n, CutPoint point, TinyLog::Care care) {
  SimulatedWorld world(seed);
  world.files().CutPowerAt(n, point);
  Outcome outcome;
  {
    TinyLog log(world.environment(), care);
    if (log.Open().ok()) {
      std::function<void()> next = [&] {
        if (++outcome.acknowledged < 6) log.Append(outcome.acknowledged, next);
      };
      log.Append(0, next);
      world.RunUntilIdle();
    }
  }
  outcome.cut = !world.files().power_is_on();
  TinyLog recovered(world.PowerCycle(), care);
  EXPECT_TRUE(recovered.Open().ok());
  outcome.recovered = recovered.recovered();
  outcome.log_hash = world.log_hash();
  return outcome;
}

// Seeds, cuts and points under which something acknowledged was gone.
int RunsThatLoseEntries(TinyLog::Care care) {
  int losses = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    for (const CutPoint point : {CutPoint::kBefore, CutPoint::kInside, CutPoint::kAfter}) {
      bool cut = true;
      for (int64_t n = 1; cut; ++n) {
        const Outcome outcome = RunWithCut(seed, n, point, care);
        losses += outcome.recovered < outcome.acknowledged ? 1 : 0;
        cut = outcome.cut;
      }
    }
  }
  return losses;
}

TEST(SimulatedWorld, ARightLogLosesNothingAtAnyCut) {
  EXPECT_EQ(RunsThatLoseEntries(TinyLog::Care::kSync), 0);
}

TEST(SimulatedWorld, AForgottenSyncIsFound) { EXPECT_GT(RunsThatLoseEntries(TinyLog::Care::kForgetSync), 0); }

TEST(SimulatedWorld, AForgottenDirectorySyncIsFound) {
  EXPECT_GT(RunsThatLoseEntries(TinyLog::Care::kForgetDirectory), 0);
}

TEST(SimulatedWorld, OneSeedIsOneHistory) {
  std::set<uint64_t> hashes;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto run = [&] { return RunWithCut(seed, 5, CutPoint::kInside, TinyLog::Care::kSync).log_hash; };
    const uint64_t hash = run();
    EXPECT_EQ(hash, run()) << "seed " << seed;
    hashes.insert(hash);
  }
  EXPECT_EQ(hashes.size(), 50u);
}

TEST(SimulatedWorld, TheHashSeesWhatIsWritten) {
  const auto run = [](std::string_view content) {
    SimulatedWorld world(1);
    EXPECT_TRUE(world.files().ReplaceFile("f", content).ok());
    return world.log_hash();
  };
  EXPECT_EQ(run("a"), run("a"));
  EXPECT_NE(run("a"), run("b"));
}

TEST(SimulatedWorld, ADeadProcessCannotTouchTheDiskOfTheNext) {
  SimulatedWorld world(2);
  const Environment before = world.environment();
  ASSERT_TRUE(before.files->ReplaceFile("f", "before").ok());
  auto file = before.files->Open("f", OpenMode::kReadWrite).ValueOrDie();
  int completions = 0;
  file->SubmitWrite(0, {{reinterpret_cast<const uint8_t*>("DEAD"), 4}}, true, [&](Status status) {
    EXPECT_FALSE(status.ok());
    ++completions;
  });
  const Environment after = world.PowerCycle();
  EXPECT_FALSE(before.files->ReplaceFile("f", "dead").ok());
  world.RunUntilIdle();
  EXPECT_EQ(completions, 1);
  file.reset();
  EXPECT_EQ(after.files->ReadFile("f").ValueOrDie(), "before");
}

TEST(SimulatedWorld, EndsWithWorkStillWaiting) {
  const auto held = std::make_shared<int>(0);
  {
    SimulatedWorld world(3);
    std::shared_ptr<File> file = world.files().Open("f", OpenMode::kCreate).ValueOrDie();
    file->SubmitSync([file, held](Status) { FAIL() << "ran after the end"; });
    world.environment().builders->PostAfter(1000, [held] { FAIL() << "ran after the end"; });
    world.environment().appliers->Post([held] { FAIL() << "ran after the end"; });
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(SimulatedWorld, DrawsTheSameRandomNumbersWhateverTheScheduleDid) {
  SimulatedWorld a(4), b(4);
  a.environment().appliers->Post([] {});
  a.RunUntilIdle();
  EXPECT_EQ(a.environment().random->Next(), b.environment().random->Next());
}

}  // namespace
}  // namespace longbow::simulation
