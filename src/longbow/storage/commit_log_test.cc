#include "longbow/storage/commit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "longbow/storage/log_format.h"
#include "longbow/storage/log_test_machine.h"

namespace longbow::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Something whose background half comes a little later.
void Eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 2000 && !holds(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(holds());
}

std::string Payload(size_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  for (char& byte : bytes)
    byte = static_cast<char>((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 56);
  return bytes;
}

TEST(CommitLog, GivesBackAfterARestartWhatItAcknowledged) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  ASSERT_TRUE(machine.Put(5, "one").ok());
  ASSERT_TRUE(machine.Put(6, "").ok());
  ASSERT_TRUE(machine.Put(5, Payload(9000, 1)).ok());
  ASSERT_TRUE(machine.Restart().ok());
  EXPECT_THAT(machine.ReplayedPayloads(), ElementsAre("one", "", Payload(9000, 1)));
  const LogRecord& last = machine.replayed[2];
  EXPECT_EQ(last.kind, 3);
  EXPECT_EQ(last.schema_version, 9u);
  EXPECT_EQ(last.position.shard, 5u);
  EXPECT_EQ(last.position.index, 2u);
  EXPECT_EQ(last.position.sequence, 3u);
  EXPECT_FALSE(machine.report.tail_cut);
  EXPECT_EQ(machine.log->last_appended(), 3u);
  EXPECT_EQ(machine.log->committed(), 3u);
}

std::string SparsePayload(size_t size, uint64_t seed) {
  std::string bytes = Payload(size, seed);
  for (size_t i = 0; i < size; ++i) bytes[i] = i % 4 == 0 ? bytes[i] : '\0';
  return bytes;
}

TEST(CommitLog, CompressesRecordsAndGivesThemBackWhole) {
  const std::string sparse = SparsePayload(40'000, 1), noise = Payload(40'000, 2);
  for (const auto compression : {LogCompression::kLz4, LogCompression::kZstd, LogCompression::kNone}) {
    LogTestMachine machine;
    machine.options.compression = compression;
    ASSERT_TRUE(machine.Restart().ok());
    ASSERT_TRUE(machine.Put(1, sparse).ok());
    ASSERT_TRUE(machine.Put(1, noise).ok());
    const bool on = compression != LogCompression::kNone;
    const CommitLogCounters& counters = machine.log->counters();
    EXPECT_EQ(counters.records_compressed.value(), on ? 1 : 0);
    EXPECT_EQ(counters.bytes_to_compress.value(), on ? 40'000 : 0);
    EXPECT_LT(counters.bytes_appended.value(), on ? 70'000 : 90'000);
    machine.options.compression = LogCompression::kAuto;  // what was written stays readable
    ASSERT_TRUE(machine.Restart().ok());
    EXPECT_THAT(machine.ReplayedPayloads(), ElementsAre(sparse, noise));
  }
}

TEST(CommitLog, TakesChecksumsThatAreKnownForWhatTheyAreOf) {
  const std::string sparse = SparsePayload(40'000, 1);
  LogTestMachine machine;
  machine.options.compression = LogCompression::kLz4;
  ASSERT_TRUE(machine.Restart().ok());
  Acknowledgements acknowledgements;
  LogAppend append{.shard = 1, .kind = 3, .payload = BufferChain::FromString(sparse)};
  append.known_crcs = {{.offset = 100, .bytes = 200, .crc = ExtendCrc32c(0, sparse.data() + 100, 200)}};
  ASSERT_TRUE(machine.log->Append(std::move(append), acknowledgements.Next()).ok());
  ASSERT_TRUE(acknowledgements.Wait(1)[0].status.ok());
  ASSERT_TRUE(machine.Restart().ok());
  EXPECT_THAT(machine.ReplayedPayloads(), ElementsAre(sparse));
}

// What version 1 wrote: the same but for the versions, the codec's byte and their checksums.
TEST(CommitLog, ReadsWhatVersion1Wrote) {
  LogTestMachine machine;
  machine.options.compression = LogCompression::kNone;
  ASSERT_TRUE(machine.Restart().ok());
  ASSERT_TRUE(machine.Put(1, "one").ok());
  ASSERT_TRUE(machine.Put(1, SparsePayload(3000, 1)).ok());
  machine.log.reset();
  for (const std::string& name : machine.FileNames()) {
    const auto file = *machine.files().Open("log/" + name, OpenMode::kReadWrite);
    std::vector<uint8_t> block(kSegmentHeaderBytes);
    if (*file->Size() < block.size() || !file->Read(0, block).ok()) continue;
    block[8] = block[12] = 1;
    std::fill_n(block.begin() + 16, 4, uint8_t{0});
    const uint32_t crc = ExtendCrc32c(0, block.data(), block.size());
    std::memcpy(block.data() + 16, &crc, sizeof(crc));
    ASSERT_TRUE(file->Write(0, {{block.data(), block.size()}}, /*sync=*/true).ok());
  }
  const Status read = machine.Restart();
  ASSERT_TRUE(read.ok()) << read.ToString();
  EXPECT_THAT(machine.ReplayedPayloads(), ElementsAre("one", SparsePayload(3000, 1)));
}

TEST(CommitLog, GoesOnCountingAfterARestart) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(machine.Put(1, "x").ok());
  for (int restart = 0; restart < 3; ++restart) ASSERT_TRUE(machine.Restart().ok());
  const LogPosition position = *machine.Put(1, "y");
  EXPECT_EQ(position.index, 4u);
  EXPECT_EQ(position.sequence, 4u);
}

TEST(CommitLog, RefusesAppendsBeforeTheReplay) {
  LogTestMachine machine;
  machine.log = *OpenCommitLog(machine.environment(), nullptr, machine.options);
  const auto refused = machine.log->Append({}, [](const LogPosition&, Status) { FAIL(); });
  EXPECT_EQ(CodeOf(refused.status()), ErrorCode::kFailedPrecondition);
}

TEST(CommitLog, WritesAPayloadOfManyPiecesInOrder) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  BufferChain payload;
  std::string whole;
  for (int i = 0; i < 3000; ++i) {
    const std::string piece = Payload(1 + i % 7, i);
    payload.AppendString(piece);
    whole += piece;
  }
  Acknowledgements acknowledgements;
  ASSERT_TRUE(machine.log->Append({.shard = 1, .payload = payload}, acknowledgements.Next()).ok());
  ASSERT_TRUE(acknowledgements.Wait(1)[0].status.ok());
  ASSERT_TRUE(machine.Restart().ok());
  EXPECT_THAT(machine.ReplayedPayloads(), ElementsAre(whole));
}

TEST(CommitLog, CrossesManySegments) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  std::vector<std::string> expected;
  for (int i = 0; i < 60; ++i) {
    expected.push_back(Payload(static_cast<size_t>(i) * 611 % 30000, i));
    ASSERT_TRUE(machine.Put(1 + i % 3, expected.back()).ok());
  }
  EXPECT_GT(machine.log->counters().segments.value(), 10);
  ASSERT_TRUE(machine.Restart().ok());
  EXPECT_EQ(machine.ReplayedPayloads(), expected);
}

TEST(CommitLog, GivesARecordLargerThanASegmentItsOwn) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  const std::string large = Payload(1 << 20, 1);
  for (const std::string& payload : {std::string("before"), large, std::string("after"), large}) {
    ASSERT_TRUE(machine.Put(1, payload).ok());
  }
  ASSERT_TRUE(machine.Restart().ok());
  EXPECT_THAT(machine.ReplayedPayloads(), ElementsAre("before", large, "after", large));
}

TEST(CommitLog, HandsOutLargePayloadsInPiecesUnder8MiB) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  const std::string large = Payload(21 << 20, 1);
  ASSERT_TRUE(machine.Put(1, large).ok());
  ASSERT_TRUE(machine.Restart().ok());
  ASSERT_EQ(machine.replayed.size(), 1u);
  for (const auto& piece : machine.replayed[0].payload.pieces()) EXPECT_LT(piece->size(), 8 << 20);
  EXPECT_EQ(machine.ReplayedPayloads()[0], large);
}

TEST(CommitLog, FlushesManyWritersTogether) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  constexpr int kWriters = 32, kEach = 50;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back(
        [&, writer] {  // sends without waiting in between, so that appends always outrun the disk
          Acknowledgements acknowledgements;
          for (int i = 0; i < kEach; ++i) {
            EXPECT_TRUE(machine.Send(1 + writer, Payload(100, i), acknowledgements.Next()).ok());
          }
          for (const Acknowledgement& each : acknowledgements.Wait(kEach)) EXPECT_TRUE(each.status.ok());
        });
  }
  for (std::thread& writer : writers) writer.join();
  const CommitLogCounters& counters = machine.log->counters();
  EXPECT_EQ(counters.records_appended.value(), kWriters * kEach);
  EXPECT_LT(counters.flushes.value(), kWriters * kEach / 3);
  EXPECT_EQ(counters.pending_records.value(), 0);
  EXPECT_EQ(counters.pending_bytes.value(), 0);
  ASSERT_TRUE(machine.Restart().ok());
  std::map<ShardId, uint64_t> indices;
  Sequence sequence = 0;
  for (const LogRecord& record : machine.replayed) {
    EXPECT_EQ(record.position.index, ++indices[record.position.shard]);
    EXPECT_EQ(record.position.sequence, ++sequence);
  }
  EXPECT_EQ(sequence, static_cast<Sequence>(kWriters * kEach));
}

TEST(CommitLog, AcknowledgesAShardInOrderWhileSegmentsRotate) {
  LogTestMachine machine;
  machine.options.segment_bytes = 16 << 10;
  ASSERT_TRUE(machine.Restart().ok());
  Acknowledgements acknowledgements;
  constexpr size_t kRecords = 2000;
  for (size_t i = 0; i < kRecords; ++i) {
    ASSERT_TRUE(machine.log
                    ->Append({.shard = 1, .payload = BufferChain::FromString(Payload(i % 900, i))},
                             acknowledgements.Next())
                    .ok());
  }
  const auto all = acknowledgements.Wait(kRecords);
  for (size_t i = 0; i < kRecords; ++i) {
    ASSERT_TRUE(all[i].status.ok()) << all[i].status.ToString();
    ASSERT_EQ(all[i].position.index, i + 1);
  }
  ASSERT_TRUE(machine.Restart().ok());
  EXPECT_EQ(machine.replayed.size(), kRecords);
}

TEST(CommitLog, TellsWhenEverythingBeforeIsDurable) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  for (int round = 0; round < 50; ++round) {
    std::atomic<bool> told = false;
    Sequence committed = 0;
    Acknowledgements acknowledgements;
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(
          machine.log->Append({.shard = 1, .durability = Durability::kAsync}, acknowledgements.Next()).ok());
    }
    const Sequence appended = machine.log->last_appended();
    machine.log->WhenDurable([&](Status status) {
      EXPECT_TRUE(status.ok());
      committed = machine.log->committed();
      told = true;
    });
    Eventually([&] { return told.load(); });
    EXPECT_GE(committed, appended);
    acknowledgements.Wait(3);
  }
}

TEST(CommitLog, NeverCallsACompletionInsideAppend) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  for (const Durability durability : {Durability::kFsync, Durability::kAsync, Durability::kMemory}) {
    std::mutex held;
    Acknowledgements acknowledgements;
    const auto done = acknowledgements.Next();
    std::unique_lock lock(held);
    ASSERT_TRUE(machine.log
                    ->Append({.shard = 1, .durability = durability},
                             [&](const LogPosition& at, Status status) {
                               { std::lock_guard would_deadlock(held); }
                               done(at, status);
                             })
                    .ok());
    lock.unlock();
    EXPECT_TRUE(acknowledgements.Wait(1)[0].status.ok());
  }
}

TEST(CommitLog, AcceptsTheGapsThatMemoryRecordsLeave) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  ASSERT_TRUE(machine.Put(1, "a").ok());
  EXPECT_EQ(machine.Put(2, "lost", Durability::kMemory)->sequence, 2u);
  EXPECT_EQ(machine.Put(2, "lost", Durability::kMemory)->index, 2u);
  EXPECT_EQ(machine.Put(1, "b")->sequence, 4u);
  EXPECT_EQ(machine.log->committed(), 4u);
  ASSERT_TRUE(machine.Restart().ok());
  EXPECT_THAT(machine.ReplayedPayloads(), ElementsAre("a", "b"));
  EXPECT_EQ(machine.replayed[1].position.sequence, 4u);
  EXPECT_EQ(machine.Put(1, "c")->sequence, 5u);
}

TEST(CommitLog, ForgetsATruncatedSuffix) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  for (const char* payload : {"a", "b", "c"}) ASSERT_TRUE(machine.Put(1, payload).ok());
  ASSERT_TRUE(machine.Put(2, "other").ok());
  ASSERT_TRUE(machine.log->TruncateSuffix(1, 1).ok());
  EXPECT_EQ(machine.Put(1, "B")->index, 2u);
  EXPECT_EQ(CodeOf(machine.log->TruncateSuffix(1, 3)), ErrorCode::kInvalidArgument);
  for (int restart = 0; restart < 2; ++restart) {
    ASSERT_TRUE(machine.Restart().ok());
    EXPECT_THAT(machine.ReplayedPayloads(), ElementsAre("a", "other", "B"));
  }
  EXPECT_EQ(machine.Put(1, "C")->index, 3u);
}

TEST(CommitLog, ReleasesSegmentsAndKeepsCounting) {
  LogTestMachine machine;
  machine.options.segment_bytes = 16 << 10;
  machine.options.spare_segments = 3;
  ASSERT_TRUE(machine.Restart().ok());
  ASSERT_TRUE(machine.Put(77, "only in a released segment").ok());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(machine.Put(1, Payload(1000, i)).ok());
  const int64_t segments = machine.log->counters().segments.value();
  ASSERT_GT(segments, 6);
  ASSERT_TRUE(machine.log->ReleaseThrough(90).ok());
  Eventually([&] { return machine.log->counters().segments.value() < segments; });
  ASSERT_TRUE(machine.Put(1, "last").ok());
  for (int restart = 0; restart < 2; ++restart) {
    ASSERT_TRUE(machine.Restart().ok());
    const Sequence first = machine.replayed.front().position.sequence;
    EXPECT_GT(first, 50u);
    EXPECT_LE(first, 91u);
    EXPECT_EQ(machine.replayed.size(), 102 - first + 1);
  }
  EXPECT_EQ(machine.Put(77, "again")->index, 2u);
}

TEST(CommitLog, RemembersSequencesWhenEverythingWasReleased) {
  LogTestMachine machine;
  machine.options.segment_bytes = 16 << 10;
  ASSERT_TRUE(machine.Restart().ok());
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(machine.Put(1, Payload(1000, i)).ok());
  ASSERT_TRUE(machine.Restart().ok());
  ASSERT_TRUE(machine.log->ReleaseThrough(60).ok());
  Eventually([&] { return machine.log->counters().segments.value() <= 3; });
  ASSERT_TRUE(machine.Restart().ok());
  EXPECT_THAT(machine.replayed, IsEmpty());
  EXPECT_EQ(machine.Put(1, "next")->sequence, 61u);
  EXPECT_EQ(machine.Put(1, "next")->index, 62u);
}

TEST(CommitLog, WritesNewRecordsIntoUsedSpaceWithoutFindingOldOnes) {
  LogTestMachine machine;
  machine.options.segment_bytes = 16 << 10;
  machine.options.spare_segments = 4;
  ASSERT_TRUE(machine.Restart().ok());
  std::string last;
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(machine.Put(1, last = Payload(1000, round * 100 + i)).ok());
    ASSERT_TRUE(machine.log->ReleaseThrough(machine.log->last_appended()).ok());
    Eventually([&] { return machine.log->counters().segments.value() <= 5; });
    ASSERT_TRUE(machine.Restart().ok());
    EXPECT_FALSE(machine.report.tail_cut);
    Sequence sequence = machine.replayed.empty() ? 0 : machine.replayed.front().position.sequence;
    for (const LogRecord& record : machine.replayed) EXPECT_EQ(record.position.sequence, sequence++);
  }
  EXPECT_LT(machine.FileNames().size(), 12u);
}

TEST(CommitLog, KeepsAsManyUsedSegmentsAsItWasLongUntilItIsShorter) {
  LogTestMachine machine;
  machine.options.segment_bytes = 16 << 10;
  machine.options.spare_segments = 2;
  ASSERT_TRUE(machine.Restart().ok());
  for (int i = 0; i < 150; ++i) ASSERT_TRUE(machine.Put(1, Payload(1000, i)).ok());
  const auto release = [&] {
    Eventually([&] {  // asked again: a release under way takes no other
      return machine.log->ReleaseThrough(machine.log->last_appended()).ok() &&
             machine.log->counters().segments.value() <= 5;
    });
  };
  release();
  EXPECT_GT(machine.FileNames().size(), 8u);
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(machine.Put(1, Payload(1000, i)).ok());
    release();
  }
  EXPECT_LT(machine.FileNames().size(), 8u);
}

TEST(CommitLog, KeepsUsedSegmentsOnlyAsItsRoomAllowsAndMakesSmallerOnes) {
  LogTestMachine machine;
  machine.options.segment_bytes = 32 << 10;
  machine.options.spare_segments = 8;
  ASSERT_TRUE(machine.Restart().ok());
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(machine.Put(1, Payload(1000, i)).ok());
  machine.log->SetRoom({.segment_bytes = 16 << 10, .most_bytes = 128 << 10});
  const auto bytes = [&] {
    uint64_t all = 0;
    for (const std::string& name : machine.FileNames()) all += machine.FileBytes(name);
    return all;
  };
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(machine.Put(1, Payload(1000, i)).ok());
    Eventually([&] {
      return machine.log->ReleaseThrough(machine.log->last_appended()).ok() &&
             machine.log->counters().segments.value() <= 5;
    });
  }
  EXPECT_LE(bytes(), 160u << 10) << "what is prepared may come on top";
  for (const std::string& name : machine.FileNames()) EXPECT_LE(machine.FileBytes(name), 32u << 10) << name;
  ASSERT_TRUE(machine.Restart().ok());
  EXPECT_FALSE(machine.report.tail_cut);
}

TEST(CommitLog, FillsASpareOnceHoweverLongTheDiskTakes) {
  LogTestMachine machine;
  machine.options.segment_bytes = 16 << 10;
  machine.options.spare_segments = 2;
  machine.disk().Hold("log/00000000000000000004.spare");  // behind the tail and what is prepared
  ASSERT_TRUE(machine.Restart().ok());
  machine.disk().AwaitWriter();
  ASSERT_TRUE(machine.Put(1, "while it is filled").ok());  // and then the log is idle again
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  machine.disk().LetGo();
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(machine.Put(1, Payload(1000, i)).ok()) << i;
}

TEST(CommitLog, DoesNotGrowByRestarting) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  for (int restart = 0; restart < 20; ++restart) ASSERT_TRUE(machine.Restart().ok());
  EXPECT_LE(machine.FileNames().size(), 4u);
}

TEST(CommitLog, StartsBesideFilesItDoesNotKnow) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  ASSERT_TRUE(machine.Put(1, "a").ok());
  for (const char* name :
       {"log/junk", "log/00000000000000000001.tmp", "log/1.log", "log/0000000000000000000x.log",
        "log/00000000000000000900.spare", "log/.log", "log/00000000000000000000.log"}) {
    ASSERT_TRUE(machine.files().ReplaceFile(name, "junk").ok()) << name;
  }
  ASSERT_TRUE(machine.files().CreateDirectories("log/directory").ok());
  for (int restart = 0; restart < 2; ++restart) {
    ASSERT_TRUE(machine.Restart().ok());
    EXPECT_THAT(machine.ReplayedPayloads(), ElementsAre("a"));
  }
  ASSERT_TRUE(machine.Put(1, "b").ok());
  EXPECT_TRUE(*machine.files().Exists("log/junk"));
}

TEST(CommitLog, IgnoresAnOlderGenerationAndRefusesANewerOne) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  ASSERT_TRUE(machine.Put(1, "old").ok());
  machine.options.generation = 2;
  ASSERT_TRUE(machine.Restart().ok());
  EXPECT_THAT(machine.replayed, IsEmpty());
  ASSERT_TRUE(machine.Put(1, "new").ok());
  ASSERT_TRUE(machine.Restart().ok());
  EXPECT_THAT(machine.ReplayedPayloads(), ElementsAre("new"));
  machine.options.generation = 1;
  const Status refused = machine.Restart();
  EXPECT_EQ(CodeOf(refused), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("generation"));
}

TEST(CommitLog, RefusesMoreThanMayWaitForTheDisk) {
  LogTestMachine machine;
  machine.options.max_pending_bytes = 10000;
  ASSERT_TRUE(machine.Restart().ok());
  Acknowledgements acknowledgements;
  size_t accepted = 0;
  Status refused;
  for (int i = 0; i < 10000 && refused.ok(); ++i) {
    const auto position = machine.log->Append(
        {.shard = 1, .payload = BufferChain::FromString(Payload(3000, i))}, acknowledgements.Next());
    refused = position.status();
    accepted += position.ok() ? 1 : 0;
  }
  EXPECT_EQ(CodeOf(refused), ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("10000"));
  acknowledgements.Wait(accepted);
  EXPECT_TRUE(machine.Put(1, Payload(20000, 1)).ok()) << "a write above the limit goes alone";
}

// Puts until one is refused, and says how many were not.
int FillUp(LogTestMachine* machine) {
  for (int i = 0; i < 1000; ++i) {
    const auto put = machine->Put(1, std::string(2000, 'x'));
    if (put.ok()) continue;
    EXPECT_EQ(CodeOf(put.status()), ErrorCode::kResourceExhausted) << put.status().ToString();
    EXPECT_THAT(put.status().message(), testing::HasSubstr("disk full"));
    return i;
  }
  ADD_FAILURE() << "a full disk took a thousand records";
  return 0;
}

Result<LogPosition> PutWhatGivesRoom(LogTestMachine* machine, size_t bytes) {
  Acknowledgements acknowledgements;
  LB_ASSIGN_OR_RETURN(
      const LogPosition position,
      machine->log->Append(
          {.shard = 1, .gives_room = true, .payload = BufferChain::FromString(std::string(bytes, 'd'))},
          acknowledgements.Next()));
  LB_RETURN_NOT_OK(acknowledgements.Wait(1)[0].status);
  return position;
}

TEST(CommitLog, RefusesARecordForWhichASegmentCannotGrowAndGoesOn) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  ASSERT_TRUE(machine.Put(1, "before").ok());
  machine.disk().set_full(true);
  const auto refused = machine.Put(1, std::string(1 << 20, 'x'));
  EXPECT_EQ(CodeOf(refused.status()), ErrorCode::kResourceExhausted) << refused.status().ToString();
  EXPECT_TRUE(machine.log->health().ok()) << machine.log->health().ToString();
  EXPECT_TRUE(machine.Put(1, "small").ok()) << "there is room for it in the tail";
  machine.disk().set_full(false);
  const auto large = machine.Put(1, std::string(1 << 20, 'y'));
  EXPECT_TRUE(large.ok()) << large.status().ToString();
  EXPECT_TRUE(machine.Put(1, "after").ok());
  ASSERT_TRUE(machine.Restart().ok());
  EXPECT_EQ(machine.ReplayedPayloads(),
            (std::vector<std::string>{"before", "small", std::string(1 << 20, 'y'), "after"}));
}

TEST(CommitLog, KeepsRoomOnAFullDiskForWhatGivesRoomAndForItself) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(machine.Put(1, std::string(2000, 'x')).ok());
  machine.disk().set_full(true);
  FillUp(&machine);
  int deletions = 0;
  for (; deletions < 1000; ++deletions) {
    const auto deleted = PutWhatGivesRoom(&machine, 500);
    if (deleted.ok()) continue;
    EXPECT_EQ(CodeOf(deleted.status()), ErrorCode::kResourceExhausted) << deleted.status().ToString();
    break;
  }
  EXPECT_GT(deletions, 20) << "half of a segment";
  EXPECT_LT(deletions, 1000) << "the other half is the log's own";
  EXPECT_EQ(FillUp(&machine), 0) << "data does not follow into the reserve";
  // What is given back now is found without another segment.
  const Sequence last = machine.log->last_appended();
  ASSERT_TRUE(machine.log->ReleaseThrough(last).ok());
  for (int i = 0; i < 500; ++i) {
    if (machine.Put(1, std::string(2000, 'z')).ok()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_LT(i, 499) << "segments given back hold nothing new";
    if (i == 50) machine.disk().set_full(false);
  }
  EXPECT_TRUE(machine.log->health().ok());
  ASSERT_TRUE(machine.Restart().ok());
}

TEST(CommitLog, StopsAReplayWhenTheVisitorFails) {
  LogTestMachine machine;
  ASSERT_TRUE(machine.Restart().ok());
  ASSERT_TRUE(machine.Put(1, "a").ok());
  machine.log.reset();
  machine.log = *OpenCommitLog(machine.environment(), nullptr, machine.options);
  const auto report = machine.log->Replay([](const LogRecord&) { return NotFound("what the visitor said"); });
  EXPECT_THAT(report.status().message(), HasSubstr("what the visitor said"));
}

}  // namespace
}  // namespace longbow::storage
