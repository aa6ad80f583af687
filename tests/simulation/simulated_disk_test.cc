#include "simulation/simulated_disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "longbow/base/random.h"

namespace longbow::simulation {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

bool Yes() { return true; }
bool No() { return false; }
uint64_t Newest(uint64_t n) { return n - 1; }
uint64_t Oldest(uint64_t) { return 0; }

std::span<const uint8_t> Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
std::string Content(const SimulatedInode& inode) {
  std::string text(inode.size(), '?');
  inode.Read(0, {reinterpret_cast<uint8_t*>(text.data()), text.size()});
  return text;
}

TEST(SimulatedInode, ReadsWhatWasWrittenOverWhateverWasThere) {
  constexpr uint64_t kSeed = 9;
  auto random = MakeSeededRandom(kSeed);
  SimulatedInode inode;
  std::string expected;
  for (Stamp stamp = 1; stamp <= 500; ++stamp) {
    const uint64_t offset = random->Next() % 3000, length = 1 + random->Next() % 1500;
    switch (random->Next() % 4) {
      case 0:
        inode.Resize(offset, stamp);
        expected.resize(offset, '\0');
        break;
      case 1:
        inode.SyncThrough(stamp - random->Next() % 3);
        break;
      default:
        const std::string text(length, static_cast<char>('a' + stamp % 26));
        inode.Write(offset, Bytes(text), stamp);
        expected.resize(std::max<size_t>(expected.size(), offset + length), '\0');
        expected.replace(offset, length, text);
    }
    ASSERT_EQ(Content(inode), expected) << "seed " << kSeed << " stamp " << stamp;
  }
}

TEST(SimulatedInode, WithoutLuckAPowerCutLeavesExactlyWhatWasSynced) {
  SimulatedInode inode;
  inode.Write(0, Bytes("synced"), 1);
  inode.Write(0, Bytes("later!"), 2);
  inode.Write(600, Bytes("later"), 3);
  inode.SyncThrough(1);
  inode.LosePower(No, Newest);
  EXPECT_EQ(Content(inode), "synced");
}

TEST(SimulatedInode, WithLuckAnyVersionInTheCacheMaySurvive) {
  for (const bool newest : {false, true}) {
    SimulatedInode inode;
    inode.Write(0, Bytes("1"), 1);
    inode.Write(0, Bytes("2"), 2);
    inode.LosePower(Yes, newest ? Newest : Oldest);
    EXPECT_EQ(Content(inode), newest ? "2" : "1");
  }
}

TEST(SimulatedInode, ASyncedRangeCoversItsBytesAndTheSizeOnly) {
  SimulatedInode inode;
  inode.Write(0, Bytes(std::string(512, 'a')), 1);
  inode.Write(512, Bytes(std::string(512, 'b')), 2);
  inode.SyncRange(512, 512);
  inode.LosePower(No, Newest);
  EXPECT_EQ(Content(inode), std::string(512, '\0') + std::string(512, 'b'));
}

TEST(SimulatedInode, WhatAFailedSyncGaveUpIsReadAndLost) {
  SimulatedInode inode;
  inode.Write(0, Bytes("old"), 1);
  inode.SyncThrough(1);
  inode.Write(0, Bytes("new"), 2);
  inode.Forsake(2);
  inode.SyncThrough(2);  // says OK, as the kernel's does
  EXPECT_EQ(Content(inode), "new");
  inode.LosePower(Yes, Newest);
  EXPECT_EQ(Content(inode), "old");
}

TEST(SimulatedInode, TruncatedBytesNeverComeBackAtALaterSize) {
  const std::string expected = std::string(100, 'x') + std::string(1900, '\0');
  const auto shrunk_and_grown = [] {
    SimulatedInode inode;
    inode.Write(0, Bytes(std::string(2000, 'x')), 1);
    inode.SyncThrough(1);
    inode.Resize(100, 2);
    inode.Resize(2000, 3);
    return inode;
  };
  SimulatedInode synced = shrunk_and_grown();
  synced.SyncThrough(3);
  synced.LosePower(No, Newest);
  EXPECT_EQ(Content(synced), expected);

  SimulatedInode synced_elsewhere = shrunk_and_grown();
  synced_elsewhere.SyncRange(0, 1);
  synced_elsewhere.LosePower(No, Newest);
  EXPECT_EQ(Content(synced_elsewhere), expected);

  SimulatedInode only_size_kept = shrunk_and_grown();
  bool first = true;
  only_size_kept.LosePower([&] { return std::exchange(first, false); }, Newest);
  EXPECT_EQ(Content(only_size_kept), expected);

  SimulatedInode truncation_lost = shrunk_and_grown();
  truncation_lost.LosePower(No, Newest);
  EXPECT_EQ(Content(truncation_lost), std::string(2000, 'x'));
}

TEST(SimulatedDisk, NamesAreLostUntilTheirDirectoryIsSynced) {
  SimulatedDisk disk;
  ASSERT_TRUE(disk.CreateDirectories("d/e").ok());
  ASSERT_TRUE(disk.Create("d/kept").ok());
  ASSERT_TRUE(disk.SyncDirectory("d").ok());
  ASSERT_TRUE(disk.Create("d/lost").ok());
  ASSERT_TRUE(disk.Create("d/e/lost").ok());
  ASSERT_TRUE(disk.Remove("d/kept").ok());
  EXPECT_THAT(disk.List("d").ValueOrDie(), ElementsAre("e", "lost"));
  disk.LosePower(No, Newest);
  EXPECT_THAT(disk.List("d").ValueOrDie(), ElementsAre("e", "kept"));
  EXPECT_THAT(disk.List("d/e").ValueOrDie(), IsEmpty());
}

TEST(SimulatedDisk, ARenameIsDoneOrNotDoneAndKeepsTheReplacedFile) {
  for (const bool kept : {false, true}) {
    SimulatedDisk disk;
    const auto write = [&](std::string_view path, std::string_view text) {
      auto inode = disk.Create(path).ValueOrDie();
      inode->Write(0, Bytes(text), disk.NextStamp());
      inode->SyncThrough(disk.stamp());
    };
    write("f", "old");
    write("f.new", "new");
    ASSERT_TRUE(disk.SyncDirectory("").ok());
    ASSERT_TRUE(disk.Rename("f.new", "f").ok());
    disk.LosePower(kept ? Yes : No, Newest);
    EXPECT_EQ(Content(*disk.Find("f").ValueOrDie()), kept ? "new" : "old");
    EXPECT_EQ(disk.Exists("f.new"), !kept);
  }
}

TEST(SimulatedDisk, ARenameAcrossDirectoriesNeedsBothSynced) {
  for (const bool both : {false, true}) {
    SimulatedDisk disk;
    ASSERT_TRUE(disk.CreateDirectories("a").ok());
    ASSERT_TRUE(disk.CreateDirectories("b").ok());
    ASSERT_TRUE(disk.Create("a/f").ok());
    ASSERT_TRUE(disk.SyncDirectory("a").ok());
    ASSERT_TRUE(disk.Rename("a/f", "b/f").ok());
    ASSERT_TRUE(disk.SyncDirectory("b").ok());
    if (both) {
      ASSERT_TRUE(disk.SyncDirectory("a").ok());
    }
    disk.LosePower(No, Newest);
    EXPECT_EQ(disk.Exists("b/f"), both);
    EXPECT_EQ(disk.Exists("a/f"), !both);
  }
}

TEST(SimulatedDisk, AFileHasOneNameAfterEveryCut) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    auto random = MakeSeededRandom(seed);
    SimulatedDisk disk;
    ASSERT_TRUE(disk.Create("a").ok());
    if (random->Next() % 2 == 0) {
      ASSERT_TRUE(disk.SyncDirectory("").ok());
    }
    ASSERT_TRUE(disk.Rename("a", "b").ok());
    ASSERT_TRUE(disk.Rename("b", "c").ok());
    disk.LosePower([&] { return random->Next() % 2 == 0; }, [&](uint64_t n) { return random->Next() % n; });
    EXPECT_LE(disk.List("").ValueOrDie().size(), 1u) << "seed " << seed;
  }
}

TEST(SimulatedDisk, ANewFileUnderAnOldNameNeverCostsTheOneThatWasMovedAway) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    auto random = MakeSeededRandom(seed);
    SimulatedDisk disk;
    auto moved = disk.Create("log").ValueOrDie();
    moved->Write(0, Bytes("moved"), disk.NextStamp());
    moved->SyncThrough(disk.stamp());
    ASSERT_TRUE(disk.SyncDirectory("").ok());
    ASSERT_TRUE(disk.Rename("log", "log.old").ok());
    ASSERT_TRUE(disk.Create("log").ok());
    disk.LosePower([&] { return random->Next() % 2 == 0; }, [&](uint64_t n) { return random->Next() % n; });
    const std::string_view path = disk.Exists("log.old") ? "log.old" : "log";
    EXPECT_EQ(Content(*disk.Find(path).ValueOrDie()), "moved") << "seed " << seed;
  }
}

TEST(SimulatedDisk, ACopyHasItsOwnFate) {
  SimulatedDisk disk;
  disk.Create("f").ValueOrDie()->Write(0, Bytes("x"), disk.NextStamp());
  SimulatedDisk copy = disk.Copy();
  disk.LosePower(No, Newest);
  EXPECT_FALSE(disk.Exists("f"));
  copy.LosePower(Yes, Newest);
  EXPECT_EQ(Content(*copy.Find("f").ValueOrDie()), "x");
}

}  // namespace
}  // namespace longbow::simulation
