#include "longbow/base/filesystem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "longbow/base/random.h"

namespace longbow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

ConstBytes Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// The same behaviour, whatever serves the submissions.
class PosixFileSystemTest : public testing::TestWithParam<FileIo> {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "longbow-files-XXXXXX").string();
    if (GetParam() == FileIo::kUring && !HasUring()) GTEST_SKIP() << "the kernel has no io_uring for us";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    files_ = MakePosixFileSystem(root_ + "/data", 2, GetParam()).ValueOrDie();
  }
  void TearDown() override {
    files_.reset();
    std::filesystem::remove_all(root_);
  }
  std::unique_ptr<File> Create(std::string_view path) {
    return files_->Open(path, OpenMode::kCreate).ValueOrDie();
  }
  std::string Content(std::string_view path) { return files_->ReadFile(path).ValueOrDie(); }
  void ExpectError(const Status& status, ErrorCode code, std::string_view words) {
    EXPECT_EQ(CodeOf(status), code) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr(std::string(words)));
    EXPECT_THAT(status.message(), Not(HasSubstr(root_))) << "names the server's path";
  }

  std::string root_;
  std::unique_ptr<FileSystem> files_;
};

// The process's limit on the size of a file makes the kernel take the first bytes of a write only.
TEST_P(PosixFileSystemTest, AShortWriteIsAnError) {
  auto file = Create("f");
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {6000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string half(4096, 'x');
  const Status written = file->Write(0, {Bytes(half), Bytes(half)}, /*sync=*/true);
  const Status fits = file->Write(0, {Bytes(half)}, /*sync=*/true);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, ignored);
  EXPECT_FALSE(written.ok());
  EXPECT_TRUE(fits.ok()) << fits.ToString();
}

TEST_P(PosixFileSystemTest, ReadsBackPiecesWrittenAnywhere) {
  auto file = Create("f");
  ASSERT_TRUE(file->Write(5, {Bytes("one"), Bytes(""), Bytes("two")}, true).ok());
  ASSERT_TRUE(file->Write(0, {Bytes("ab")}, false).ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(Content("f"), std::string("ab\0\0\0onetwo", 11));
  EXPECT_EQ(file->Size().ValueOrDie(), 11u);
  uint8_t out[3];
  ASSERT_TRUE(file->Read(8, out).ok());
  EXPECT_EQ(std::string(out, out + 3), "two");
}

TEST_P(PosixFileSystemTest, WritesMorePiecesThanTheKernelTakesAtOnce) {
  std::string expected;
  for (int i = 0; i < 5000; ++i) expected.push_back(static_cast<char>('a' + i % 26));
  std::vector<ConstBytes> pieces;
  for (size_t i = 0; i < expected.size(); ++i)
    pieces.push_back(Bytes(std::string_view(expected).substr(i, 1)));
  ASSERT_TRUE(Create("f")->Write(0, pieces, true).ok());
  EXPECT_EQ(Content("f"), expected);
}

TEST_P(PosixFileSystemTest, CompletesEachSubmissionOnceAndBeforeTheFileGoes) {
  constexpr int kWrites = 500;
  std::atomic<int> completed{0}, failed{0};
  {
    auto file = Create("f");
    static constexpr std::string_view kText = "0123456789";
    for (int i = 0; i < kWrites; ++i) {
      file->SubmitWrite(static_cast<uint64_t>(i) * kText.size(), {Bytes(kText)}, i % 100 == 0,
                        [&](Status status) {
                          failed += status.ok() ? 0 : 1;
                          completed.fetch_add(1);
                        });
    }
    file->SubmitSync([&](Status status) {
      failed += status.ok() ? 0 : 1;
      completed.fetch_add(1);
    });
  }
  EXPECT_EQ(completed.load(), kWrites + 1);
  EXPECT_EQ(failed.load(), 0);
  EXPECT_EQ(Content("f").size(), kWrites * 10u);
}

TEST_P(PosixFileSystemTest, WaitsForCompletionsThatSubmitMore) {
  auto file = Create("f");
  static constexpr std::string_view kText = "x";
  std::mutex mutex;
  int written = 0;
  std::function<void(Status)> next = [&](Status status) {
    ASSERT_TRUE(status.ok());
    uint64_t at;
    {
      std::lock_guard lock(mutex);
      at = static_cast<uint64_t>(++written);
    }
    if (at < 50) file->SubmitWrite(at, {Bytes(kText)}, false, next);
  };
  file->SubmitWrite(0, {Bytes(kText)}, false, next);
  files_->WaitUntil([&] {
    std::lock_guard lock(mutex);
    return written == 50;
  });
  file.reset();
  EXPECT_EQ(Content("f"), std::string(50, 'x'));
}

TEST_P(PosixFileSystemTest, ReadingPastTheEndSaysSo) {
  auto file = Create("f");
  ASSERT_TRUE(file->Write(0, {Bytes("abc")}, false).ok());
  uint8_t out[4];
  ExpectError(file->Read(0, out), ErrorCode::kInvalidArgument, "past its end");
}

TEST_P(PosixFileSystemTest, OpenModesSayWhatIsWrong) {
  ExpectError(files_->Open("no", OpenMode::kRead).status(), ErrorCode::kNotFound,
              "cannot open no: No such file");
  ExpectError(files_->Open("no", OpenMode::kReadWrite).status(), ErrorCode::kNotFound, "no");
  Create("f");
  ExpectError(files_->Open("f", OpenMode::kCreate).status(), ErrorCode::kAlreadyExists, "f: File exists");
  auto reader = files_->Open("f", OpenMode::kRead).ValueOrDie();
  EXPECT_FALSE(reader->Write(0, {Bytes("x")}, false).ok());
}

TEST_P(PosixFileSystemTest, PathsCannotLeaveTheRoot) {
  for (const char* path : {"..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", ".", "./a"}) {
    EXPECT_EQ(CodeOf(files_->Open(path, OpenMode::kRead).status()), ErrorCode::kInvalidArgument) << path;
    EXPECT_EQ(CodeOf(files_->Remove(path)), ErrorCode::kInvalidArgument) << path;
    EXPECT_EQ(CodeOf(files_->Rename("f", path)), ErrorCode::kInvalidArgument) << path;
  }
  std::filesystem::create_symlink("/etc/passwd", root_ + "/data/link");
  EXPECT_FALSE(files_->Open("link", OpenMode::kRead).ok());
}

TEST_P(PosixFileSystemTest, AllocatedSpaceReadsAsZerosAndNeverShrinks) {
  auto file = Create("f");
  ASSERT_TRUE(file->Write(0, {Bytes("abc")}, false).ok());
  ASSERT_TRUE(file->Allocate(8192).ok());
  EXPECT_EQ(Content("f"), "abc" + std::string(8189, '\0'));
  ASSERT_TRUE(file->Allocate(10).ok());
  EXPECT_EQ(file->Size().ValueOrDie(), 8192u);
  ASSERT_TRUE(file->Truncate(2).ok());
  EXPECT_EQ(Content("f"), "ab");
}

TEST_P(PosixFileSystemTest, AllocatingMoreThanThereIsLeavesTheFileAsItWas) {
  auto file = Create("f");
  ASSERT_TRUE(file->Write(0, {Bytes("abc")}, false).ok());
  const uint64_t too_much = files_->FreeBytes().ValueOrDie() + (uint64_t{1} << 40);
  ExpectError(file->Allocate(too_much), ErrorCode::kResourceExhausted, "f");
  EXPECT_EQ(Content("f"), "abc");
}

TEST_P(PosixFileSystemTest, DirectoriesListSortedAndAreRemovedWhenEmpty) {
  ASSERT_TRUE(files_->CreateDirectories("a/b/c").ok());
  ASSERT_TRUE(files_->CreateDirectories("a/b/c").ok()) << "again";
  Create("a/2");
  Create("a/1");
  EXPECT_THAT(files_->List("a").ValueOrDie(), ElementsAre("1", "2", "b"));
  EXPECT_THAT(files_->List("").ValueOrDie(), ElementsAre("a"));
  ExpectError(files_->List("no").status(), ErrorCode::kNotFound, "no");
  EXPECT_FALSE(files_->Remove("a/b").ok()) << "not empty";
  EXPECT_TRUE(files_->Remove("a/b/c").ok());
  EXPECT_TRUE(files_->Remove("a/1").ok());
  EXPECT_FALSE(files_->Exists("a/1").ValueOrDie());
  EXPECT_TRUE(files_->Exists("a/b").ValueOrDie());
  EXPECT_FALSE(files_->CreateDirectories("a/2").ok()) << "a file";
  EXPECT_TRUE(files_->SyncDirectory("a").ok());
  EXPECT_TRUE(files_->SyncDirectory("").ok());
}

TEST_P(PosixFileSystemTest, ReplacesAFileAsAWhole) {
  ASSERT_TRUE(files_->CreateDirectories("d").ok());
  ASSERT_TRUE(files_->ReplaceFile("d/f", "first").ok());
  Create("d/f.new");  // as an interrupted replacement leaves it
  ASSERT_TRUE(files_->ReplaceFile("d/f", "second, longer").ok());
  EXPECT_EQ(Content("d/f"), "second, longer");
  ASSERT_TRUE(files_->ReplaceFile("d/f", "").ok());
  EXPECT_EQ(Content("d/f"), "");
  EXPECT_THAT(files_->List("d").ValueOrDie(), ElementsAre("f"));
  ASSERT_TRUE(files_->ReplaceFile("top", "x").ok());
  EXPECT_EQ(Content("top"), "x");
}

TEST_P(PosixFileSystemTest, ALockHasOneHolderAndNamesIt) {
  auto lock = files_->Lock("LOCK", "process 1 of this test").ValueOrDie();
  ExpectError(files_->Lock("LOCK", "process 2").status(), ErrorCode::kFailedPrecondition,
              "LOCK is held by process 1 of this test");
  auto other = MakePosixFileSystem(root_ + "/data", 1).ValueOrDie();
  ExpectError(other->Lock("LOCK", "process 3").status(), ErrorCode::kFailedPrecondition, "process 1");
  lock.reset();
  EXPECT_TRUE(other->Lock("LOCK", "process 3").ok());
  EXPECT_TRUE(files_->Lock("LOCK", "").ok());
}

TEST_P(PosixFileSystemTest, ALockEndsWithItsProcess) {
  const pid_t child = fork();
  if (child == 0) {
    auto lock = files_->Lock("LOCK", "the child");
    _exit(lock.ok() ? 0 : 1);  // neither unlocks nor cleans up
  }
  int result = -1;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  ASSERT_EQ(result, 0);
  EXPECT_TRUE(files_->Lock("LOCK", "the parent").ok());
}

TEST_P(PosixFileSystemTest, AfterAFailedFlushNoOtherIsBelieved) {
  // A directory that holds something whose flush always fails, and ordinary files.
  const auto devices = MakePosixFileSystem("/dev", 1, GetParam()).ValueOrDie();
  auto device = devices->Open("null", OpenMode::kReadWrite);
  const std::string name = "shm/longbow-flush-test-" + std::to_string(getpid());
  auto created = devices->Open(name, OpenMode::kCreate);
  if (!device.ok() || !created.ok()) GTEST_SKIP() << "needs /dev/null and /dev/shm";
  const auto file = *std::move(created);
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_FALSE((*device)->Sync().ok());
  const Status after = file->Sync();
  EXPECT_THAT(after.message(), testing::HasSubstr("a flush failed before"));
  EXPECT_FALSE(devices->SyncDirectory("shm").ok());
  EXPECT_TRUE(devices->Remove(name).ok());
}

TEST_P(PosixFileSystemTest, LargeWritesOfRaggedPiecesArriveWhole) {
  auto file = Create("f");
  std::string expected(23'000'017, '\0');
  for (size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<char>(i * 2654435761u >> 13);
  std::vector<ConstBytes> pieces;
  for (size_t at = 0, size = 1; at < expected.size(); at += size, size = size * 3 % 70'001 + 1) {
    pieces.push_back(Bytes(std::string_view(expected).substr(at, size)));
  }
  ASSERT_TRUE(file->Write(4099, pieces, /*sync=*/true).ok());
  EXPECT_EQ(Content("f").substr(4099), expected);
}

INSTANTIATE_TEST_SUITE_P(Each, PosixFileSystemTest, testing::Values(FileIo::kThreads, FileIo::kUring),
                         [](const auto& info) {
                           return std::string(info.param == FileIo::kThreads ? "Threads" : "Uring");
                         });

TEST(SplitPath, GivesTheParts) {
  EXPECT_THAT(SplitPath("").ValueOrDie(), IsEmpty());
  EXPECT_THAT(SplitPath("a/b.c").ValueOrDie(), ElementsAre("a", "b.c"));
  EXPECT_FALSE(SplitPath(std::string_view("a\0b", 3)).ok());
}

}  // namespace
}  // namespace longbow
