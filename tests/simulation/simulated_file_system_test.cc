#include "simulation/simulated_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "simulation/simulated_world.h"

namespace longbow::simulation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t kSeeds = 200;

ConstBytes Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::unique_ptr<File> CreateDurably(FileSystem& files, std::string_view path) {
  auto file = files.Open(path, OpenMode::kCreate).ValueOrDie();
  EXPECT_TRUE(files.SyncDirectory("").ok());
  return file;
}

TEST(SimulatedFileSystem, BehavesLikeAFileSystem) {
  SimulatedWorld world(1);
  FileSystem& files = world.files();
  ASSERT_TRUE(files.CreateDirectories("d").ok());
  ASSERT_TRUE(files.ReplaceFile("d/f", "first").ok());
  ASSERT_TRUE(files.ReplaceFile("d/f", "second").ok());
  EXPECT_EQ(files.ReadFile("d/f").ValueOrDie(), "second");
  EXPECT_THAT(files.List("d").ValueOrDie(), ElementsAre("f"));
  EXPECT_EQ(CodeOf(files.Open("d/f", OpenMode::kCreate).status()), ErrorCode::kAlreadyExists);
  EXPECT_EQ(CodeOf(files.Open("no", OpenMode::kRead).status()), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(files.Open("../x", OpenMode::kRead).status()), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(files.Remove("d").ok()) << "not empty";
  EXPECT_FALSE(files.Open("d/f", OpenMode::kRead).ValueOrDie()->Write(0, {Bytes("x")}, false).ok());
  auto file = files.Open("d/f", OpenMode::kReadWrite).ValueOrDie();
  ASSERT_TRUE(file->Allocate(1000).ok());
  EXPECT_EQ(files.ReadFile("d/f").ValueOrDie(), "second" + std::string(994, '\0'));
  uint8_t out[8];
  EXPECT_THAT(file->Read(996, out).message(), HasSubstr("past its end"));
}

TEST(SimulatedFileSystem, CompletesInManyOrders) {
  std::set<std::vector<int>> orders;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedWorld world(seed);
    auto file = CreateDurably(world.files(), "f");
    std::vector<int> order;
    for (int i = 0; i < 4; ++i) {
      file->SubmitWrite(static_cast<uint64_t>(i), {Bytes("x")}, false,
                        [&order, i](Status) { order.push_back(i); });
    }
    EXPECT_TRUE(order.empty()) << "nothing completes inside its submission";
    file.reset();
    EXPECT_EQ(order.size(), 4u) << "seed " << seed;
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 24u);
}

TEST(SimulatedFileSystem, ASyncCoversOnlyWritesThatHadCompletedWhenItWasSubmitted) {
  int lost_though_written_first = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedWorld world(seed);
    auto file = CreateDurably(world.files(), "f");
    ASSERT_TRUE(file->Write(0, {Bytes(std::string(512, 'a'))}, false).ok());
    const std::string late(512, 'b');
    std::string order;
    file->SubmitWrite(512, {Bytes(late)}, false, [&](Status status) { order += status.ok() ? 'w' : '-'; });
    file->SubmitSync([&](Status status) { order += status.ok() ? 's' : '-'; });
    world.RunUntilIdle();
    world.PowerCycle();
    const std::string content = world.files().ReadFile("f").ValueOrDie();
    EXPECT_EQ(content.substr(0, 512), std::string(512, 'a')) << "seed " << seed;
    const bool lost = content.find('b') == std::string::npos;
    lost_though_written_first += lost && order == "ws" ? 1 : 0;
  }
  EXPECT_GT(lost_though_written_first, 10);
}

TEST(SimulatedFileSystem, SyncedBytesSurviveEveryCutAndOthersOnlySome) {
  int lost = 0, torn = 0, whole = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedWorld world(seed);
    auto file = CreateDurably(world.files(), "f");
    ASSERT_TRUE(file->Allocate(8 * 512).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(file->Write(0, {Bytes(std::string(4 * 512, 's'))}, true).ok());
    ASSERT_TRUE(file->Write(4 * 512, {Bytes(std::string(4 * 512, 'u'))}, false).ok());
    world.PowerCycle();
    const std::string content = world.files().ReadFile("f").ValueOrDie();
    ASSERT_EQ(content.size(), 8u * 512);
    EXPECT_EQ(content.substr(0, 4 * 512), std::string(4 * 512, 's')) << "seed " << seed;
    int sectors = 0;
    for (size_t at = 4 * 512; at < content.size(); at += 512) {
      const std::string sector = content.substr(at, 512);
      EXPECT_TRUE(sector == std::string(512, 'u') || sector == std::string(512, '\0')) << "seed " << seed;
      sectors += sector[0] == 'u' ? 1 : 0;
    }
    lost += sectors == 0 ? 1 : 0;
    torn += sectors > 0 && sectors < 4 ? 1 : 0;
    whole += sectors == 4 ? 1 : 0;
  }
  EXPECT_GT(lost, 20);
  EXPECT_GT(torn, 20);
  EXPECT_GT(whole, 20);
}

TEST(SimulatedFileSystem, ARenameWithoutDirectorySyncMayBeLost) {
  int lost = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedWorld world(seed);
    ASSERT_TRUE(CreateDurably(world.files(), "a")->Write(0, {Bytes("x")}, true).ok());
    ASSERT_TRUE(world.files().Rename("a", "b").ok());
    world.PowerCycle();
    const bool a = world.files().Exists("a").ValueOrDie(), b = world.files().Exists("b").ValueOrDie();
    EXPECT_NE(a, b) << "seed " << seed;
    EXPECT_EQ(world.files().ReadFile(a ? "a" : "b").ValueOrDie(), "x") << "seed " << seed;
    lost += a ? 1 : 0;
  }
  EXPECT_GT(lost, 20);
  EXPECT_LT(lost, 180);
}

// The whole of a replacement is cut at every operation: the content is the old one or the new one, and once
// it returned OK, the new one.
TEST(SimulatedFileSystem, ReplaceFileIsAllOrNothingWhereverItIsCut) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    for (int64_t n = 1; n < 20; ++n) {
      for (const CutPoint point : {CutPoint::kBefore, CutPoint::kInside, CutPoint::kAfter}) {
        SimulatedWorld world(seed);
        const std::string old_content(3000, 'o'), new_content(2000, 'n');
        ASSERT_TRUE(world.files().ReplaceFile("f", old_content).ok());
        world.files().CutPowerAt(world.files().operations() + n, point);
        const Status status = world.files().ReplaceFile("f", new_content);
        EXPECT_EQ(status.ok(), world.files().power_is_on());
        world.PowerCycle();
        const std::string content = world.files().ReadFile("f").ValueOrDie();
        if (status.ok()) {
          EXPECT_EQ(content, new_content) << "seed " << seed << " n " << n;
        } else {
          EXPECT_TRUE(content == old_content || content == new_content) << "seed " << seed << " n " << n;
        }
        EXPECT_TRUE(world.files().ReplaceFile("f", "again").ok()) << "what was left behind is in the way";
      }
    }
  }
}

TEST(SimulatedFileSystem, ACutStopsEverythingAtItsOperation) {
  int taken = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const CutPoint point : {CutPoint::kBefore, CutPoint::kInside, CutPoint::kAfter}) {
      SimulatedWorld world(seed);
      auto file = CreateDurably(world.files(), "f");
      ASSERT_TRUE(file->Write(0, {Bytes(std::string(1024, 'a'))}, true).ok());
      world.files().CutPowerAt(world.files().operations() + 1, point);
      EXPECT_EQ(CodeOf(file->Write(0, {Bytes(std::string(1024, 'b'))}, true)), ErrorCode::kUnavailable);
      EXPECT_FALSE(world.files().power_is_on());
      EXPECT_FALSE(file->Write(0, {Bytes("c")}, true).ok());
      EXPECT_FALSE(world.files().Open("f", OpenMode::kRead).ok());
      EXPECT_FALSE(file->Size().ok());
      world.PowerCycle();
      const std::string content = world.files().ReadFile("f").ValueOrDie();
      EXPECT_EQ(content.find('c'), std::string::npos);
      const bool any_b = content.find('b') != std::string::npos;
      const bool all_b = content == std::string(1024, 'b');
      EXPECT_FALSE(point == CutPoint::kBefore && any_b) << "seed " << seed;
      EXPECT_TRUE(point != CutPoint::kAfter || all_b) << "seed " << seed;
      if (point == CutPoint::kInside) taken += any_b ? 1 : 0;
    }
  }
  EXPECT_GT(taken, 20);
  EXPECT_LT(taken, 180);
}

TEST(SimulatedFileSystem, OperationsUnderWayAtACutFailAndTouchNoMemory) {
  SimulatedWorld world(3);
  auto file = CreateDurably(world.files(), "f");
  int failed = 0;
  {
    auto memory = std::make_unique<std::string>(4096, 'x');
    for (int i = 0; i < 3; ++i) {
      file->SubmitWrite(0, {Bytes(*memory)}, true, [&](Status status) { failed += status.ok() ? 0 : 1; });
    }
    world.files().CutPowerNow();
  }
  world.RunUntilIdle();
  EXPECT_EQ(failed, 3);
  world.PowerCycle();
  EXPECT_EQ(world.files().ReadFile("f").ValueOrDie(), "");
}

TEST(SimulatedFileSystem, AFailedSyncLosesItsBytesAndTheNextSaysOk) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedWorld world(seed);
    auto file = CreateDurably(world.files(), "f");
    ASSERT_TRUE(file->Write(0, {Bytes("old")}, true).ok());
    ASSERT_TRUE(file->Write(0, {Bytes("new")}, false).ok());
    world.files().FailAt(world.files().operations() + 1, Fault::kIoError);
    EXPECT_EQ(CodeOf(file->Sync()), ErrorCode::kInternal);
    EXPECT_TRUE(file->Sync().ok());
    EXPECT_EQ(world.files().ReadFile("f").ValueOrDie(), "new") << "still in the cache";
    file.reset();
    world.PowerCycle();
    EXPECT_EQ(world.files().ReadFile("f").ValueOrDie(), "old") << "seed " << seed;
  }
}

TEST(SimulatedFileSystem, AShortWriteTakesTheFirstBytesAndIsAnError) {
  std::set<size_t> lengths;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SimulatedWorld world(seed);
    auto file = CreateDurably(world.files(), "f");
    world.files().FailAt(world.files().operations() + 1, Fault::kShortWrite);
    const std::string text = "0123456789";
    EXPECT_FALSE(file->Write(0, {Bytes(text)}, false).ok());
    const std::string content = world.files().ReadFile("f").ValueOrDie();
    EXPECT_LT(content.size(), text.size());
    EXPECT_EQ(content, text.substr(0, content.size())) << "seed " << seed;
    lengths.insert(content.size());
    EXPECT_TRUE(file->Write(0, {Bytes(text)}, false).ok()) << "one operation fails, not the next";
  }
  EXPECT_GT(lengths.size(), 5u);
}

TEST(SimulatedFileSystem, AFullDiskRefusesAndKeepsWhatItHas) {
  SimulatedWorld world(4);
  world.files().set_capacity(4096);
  auto file = CreateDurably(world.files(), "f");
  ASSERT_TRUE(file->Allocate(2048).ok());
  EXPECT_EQ(world.files().FreeBytes().ValueOrDie(), 2048u);
  EXPECT_EQ(CodeOf(file->Allocate(8192)), ErrorCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(file->Write(2048, {Bytes(std::string(4096, 'x'))}, true)), ErrorCode::kResourceExhausted);
  EXPECT_EQ(file->Size().ValueOrDie(), 2048u);
  EXPECT_TRUE(file->Write(0, {Bytes(std::string(2048, 'x'))}, true).ok()) << "inside what is reserved";
  world.files().FailAt(world.files().operations() + 1, Fault::kNoSpace);
  EXPECT_EQ(CodeOf(world.files().Open("g", OpenMode::kCreate).status()), ErrorCode::kResourceExhausted);
  world.files().set_capacity(1 << 20);
  EXPECT_TRUE(file->Allocate(8192).ok());
}

TEST(SimulatedFileSystem, LocksHaveOneHolderUntilThePowerGoes) {
  SimulatedWorld world(5);
  auto lock = world.files().Lock("LOCK", "the first").ValueOrDie();
  const Status refused = world.files().Lock("LOCK", "the second").status();
  EXPECT_EQ(CodeOf(refused), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("the first"));
  lock.reset();
  lock = world.files().Lock("LOCK", "the third").ValueOrDie();
  world.PowerCycle();
  EXPECT_TRUE(world.files().Lock("LOCK", "the next process").ok());
}

TEST(SimulatedFileSystem, BitsRotWhereTold) {
  SimulatedWorld world(6);
  ASSERT_TRUE(world.files().ReplaceFile("f", "abc").ok());
  ASSERT_TRUE(world.files().Flip("f", 1, 1).ok());
  EXPECT_EQ(world.files().ReadFile("f").ValueOrDie(), "acc");
  EXPECT_FALSE(world.files().Flip("f", 3, 1).ok());
  world.PowerCycle();
  EXPECT_EQ(world.files().ReadFile("f").ValueOrDie(), "acc");
}

TEST(SimulatedFileSystem, CountsOperationsByKind) {
  SimulatedWorld world(7);
  ASSERT_TRUE(world.files().ReplaceFile("f", "x").ok());
  EXPECT_EQ(world.files().operations(Operation::kOpen), 1);
  EXPECT_EQ(world.files().operations(Operation::kWrite), 1);
  EXPECT_EQ(world.files().operations(Operation::kSync), 1);
  EXPECT_EQ(world.files().operations(Operation::kRename), 1);
  EXPECT_EQ(world.files().operations(Operation::kSyncDirectory), 1);
  EXPECT_EQ(world.files().operations(), 5);
}

}  // namespace
}  // namespace longbow::simulation
