// Bytes that rot: whatever is known to have been durable is refused, never shortened.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crash/log_ledger.h"
#include "longbow/base/crc32c.h"
#include "longbow/storage/log_format.h"

namespace longbow::crash {
namespace {

using simulation::SimulatedDisk;
using simulation::SimulatedWorld;
using storage::Durability;
using storage::kSegmentHeaderBytes;
using testing::HasSubstr;

constexpr uint64_t kSector = 512;

struct PlacedRecord {
  uint64_t offset = 0;
  uint64_t end = 0;
  std::string payload;
};

// A log of one segment in use; each record was a flush of its own, but for those appended together.
struct SmallLog {
  SimulatedDisk disk;
  std::string path = "log/00000000000000000001.log";
  std::vector<PlacedRecord> records;
};

SmallLog MakeSmallLog(const std::vector<std::vector<std::string>>& flushes) {
  SmallLog small;
  SimulatedWorld world(1);
  {
    LogLedger ledger;
    auto log = *RecoverLog(world.environment(), &ledger);
    world.RunUntilIdle();  // segments prepared later would prove what was durable by then
    uint64_t offset = kSegmentHeaderBytes;
    size_t flush_number = 0;
    for (const auto& flush : flushes) {
      // The first append is on its way alone; what follows before it completes goes together.
      for (const std::string& payload : flush) {
        EXPECT_TRUE(ledger.Append(log.get(), 1, Durability::kFsync, payload));
        const uint64_t bytes = storage::RecordBytes(payload.size());
        small.records.push_back({offset, offset + bytes, payload});
        offset += bytes;
      }
      world.RunUntilIdle();
      EXPECT_EQ(log->counters().flushes.value(),
                static_cast<int64_t>(flush_number += flush.size() > 1 ? 2 : 1));
    }
  }
  small.disk = world.files().TakeDisk();
  return small;
}

struct Outcome {
  Status status;
  std::vector<std::string> found;
  storage::RecoveryReport report;
};

Outcome Open(const Environment& environment) {
  Outcome outcome;
  auto log = OpenCommitLog(environment, nullptr, SmallSegments());
  outcome.status = log.status();
  if (!log.ok()) return outcome;
  auto report = (*log)->Replay([&](const storage::LogRecord& record) {
    outcome.found.push_back((*record.payload.Join())->ToString());
    return Status::OK();
  });
  outcome.status = report.status();
  if (report.ok()) outcome.report = *report;
  return outcome;
}

std::vector<std::string> PayloadsBefore(const SmallLog& small, size_t n) {
  std::vector<std::string> payloads;
  for (size_t i = 0; i < n; ++i) payloads.push_back(small.records[i].payload);
  return payloads;
}

std::map<std::string, std::string> AllFiles(FileSystem* files) {
  std::map<std::string, std::string> contents;
  for (const std::string& name : *files->List("log")) contents[name] = *files->ReadFile("log/" + name);
  return contents;
}

TEST(LogDamage, EveryPrefixRecoversToThePrefixOfItsRecords) {
  const SmallLog small =
      MakeSmallLog({{SomeBytes(10, 1)}, {""}, {SomeBytes(700, 2)}, {SomeBytes(31, 3), SomeBytes(64, 4)}});
  size_t whole = 0;
  for (uint64_t size = 0; size <= small.records.back().end + 16; ++size) {
    SCOPED_TRACE("the first " + std::to_string(size) + " bytes");
    SimulatedWorld world(2, small.disk.Copy());
    {
      auto file = *world.files().Open(small.path, OpenMode::kReadWrite);
      ASSERT_TRUE(file->Truncate(size).ok());
      ASSERT_TRUE(file->Sync().ok());
    }
    const Outcome outcome = Open(world.environment());
    if (size < kSegmentHeaderBytes) {
      ASSERT_EQ(CodeOf(outcome.status), ErrorCode::kCorruption);
      continue;
    }
    while (whole < small.records.size() && small.records[whole].end <= size) ++whole;
    ASSERT_TRUE(outcome.status.ok()) << outcome.status.ToString();
    ASSERT_EQ(outcome.found, PayloadsBefore(small, whole));
    ASSERT_EQ(Open(world.environment()).found, outcome.found);
  }
  EXPECT_EQ(whole, small.records.size());
}

TEST(LogDamage, EveryBitFlipIsRefusedOrCutsOnlyTheLastFlush) {
  // The last flush holds the last two records.
  const SmallLog small = MakeSmallLog(
      {{SomeBytes(10, 1)}, {""}, {SomeBytes(99, 2)}, {SomeBytes(33, 3), SomeBytes(31, 4), SomeBytes(64, 5)}});
  const size_t proved = small.records.size() - 2;
  const uint64_t end = small.records.back().end;
  size_t record = 0;
  for (uint64_t offset = 0; offset < end + 128; ++offset) {
    while (record < small.records.size() && small.records[record].end <= offset) ++record;
    const bool sample = offset >= 64 && offset < kSegmentHeaderBytes;  // one bit of each byte says enough
    for (int bit = sample ? 7 : 0; bit < 8; ++bit) {
      SCOPED_TRACE("bit " + std::to_string(bit) + " of offset " + std::to_string(offset));
      SimulatedWorld world(3, small.disk.Copy());
      ASSERT_TRUE(world.files().Flip(small.path, offset, static_cast<uint8_t>(1 << bit)).ok());
      const Outcome outcome = Open(world.environment());
      if (offset >= end) {
        ASSERT_EQ(outcome.found, PayloadsBefore(small, small.records.size()));
      } else if (offset < kSegmentHeaderBytes) {
        ASSERT_EQ(CodeOf(outcome.status), ErrorCode::kCorruption);
        ASSERT_THAT(outcome.status.message(), HasSubstr(small.path));
      } else if (record < proved) {
        ASSERT_EQ(CodeOf(outcome.status), ErrorCode::kCorruption) << outcome.status.ToString();
        ASSERT_THAT(outcome.status.message(), HasSubstr(small.path));
        ASSERT_THAT(outcome.status.message(),
                    HasSubstr("offset " + std::to_string(small.records[record].offset)));
        ASSERT_THAT(outcome.status.message(), HasSubstr("sequence " + std::to_string(record)));
      } else {
        ASSERT_TRUE(outcome.status.ok()) << outcome.status.ToString();
        ASSERT_EQ(outcome.found, PayloadsBefore(small, record));
        // A flip in the salt of the very last header leaves nothing that says a record stood there.
        const bool salt =
            record + 1 == small.records.size() && offset - small.records[record].offset - 24 < 8;
        ASSERT_EQ(outcome.report.tail_cut, !salt);
        if (salt) continue;
        ASSERT_EQ(outcome.report.cut_file, small.path);
        ASSERT_EQ(outcome.report.cut_offset, small.records[record].offset);
        ASSERT_GT(outcome.report.cut_bytes, 0u);
        ASSERT_LE(outcome.report.cut_bytes, end - small.records[record].offset);
      }
    }
  }
}

TEST(LogDamage, ACutIsFinal) {
  const SmallLog small = MakeSmallLog({{SomeBytes(10, 1)}, {SomeBytes(20, 2)}, {SomeBytes(30, 3)}});
  SimulatedWorld world(4, small.disk.Copy());
  ASSERT_TRUE(world.files().Flip(small.path, small.records[2].offset + 110, 1).ok());
  EXPECT_TRUE(Open(world.environment()).report.tail_cut);
  // Even if the damage heals: a record that was reported as cut must not come back.
  ASSERT_FALSE(Open(world.environment()).report.tail_cut);
  EXPECT_EQ(Open(world.environment()).found, PayloadsBefore(small, 2));
}

TEST(LogDamage, ACopyOfTheLogInsideAPayloadIsNotMistakenForRecords) {
  const SmallLog small = MakeSmallLog({{SomeBytes(10, 1)}, {SomeBytes(20, 2)}});
  SimulatedWorld world(5, small.disk.Copy());
  const std::string segment = world.files().ReadFile(small.path)->substr(kSegmentHeaderBytes, 1024);
  LogLedger fresh;
  SimulatedWorld other(1);  // the same seed: the same salt
  auto log = *RecoverLog(other.environment(), &fresh);
  for (const std::string& payload : {SomeBytes(10, 1), segment}) {
    ASSERT_TRUE(fresh.Append(log.get(), 1, Durability::kFsync, payload));
    other.RunUntilIdle();
  }
  log.reset();
  // The header of the record around the copy is torn: the copies behind it prove nothing.
  const uint64_t around = kSegmentHeaderBytes + storage::RecordBytes(10);
  ASSERT_TRUE(other.files().Flip(small.path, around + 40, 1).ok());
  const Outcome outcome = Open(other.environment());
  ASSERT_TRUE(outcome.status.ok()) << outcome.status.ToString();
  EXPECT_EQ(outcome.found, PayloadsBefore(small, 1));
}

// A log of many segments, of which all but the last flush is known to have been durable.
SimulatedDisk ManySegments(std::vector<std::string>* segments) {
  SimulatedWorld world(6);
  {
    LogLedger ledger;
    auto log = *RecoverLog(world.environment(), &ledger);
    for (uint64_t i = 0; i < 30; ++i) {
      EXPECT_TRUE(
          ledger.Append(log.get(), 1 + i % 3, Durability::kFsync, SomeBytes(i % 5 == 0 ? 5000 : 900, i)));
      world.RunUntilIdle();
    }
    for (const std::string& name : world.files().List("log").ValueOrDie()) {
      if (name.ends_with(".log") &&
          segments->size() < static_cast<size_t>(log->counters().segments.value() - 3)) {
        segments->push_back("log/" + name);
      }
    }
  }
  return world.files().TakeDisk();
}

// Applies `damage` to the bytes of one file and expects a refusal that names a file and an offset and changes
// nothing.
void ExpectRefused(const SimulatedDisk& disk, const std::string& path,
                   const std::function<void(std::string* bytes)>& damage) {
  SimulatedWorld world(7, disk.Copy());
  std::string bytes = *world.files().ReadFile(path);
  const std::string before = bytes;
  damage(&bytes);
  if (bytes == before) return;
  {
    auto file = *world.files().Open(path, OpenMode::kReadWrite);
    ASSERT_TRUE(file->Write(0, {{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}}, true).ok());
  }
  const auto files = AllFiles(&world.files());
  const Outcome outcome = Open(world.environment());
  ASSERT_EQ(CodeOf(outcome.status), ErrorCode::kCorruption) << outcome.status.ToString();
  ASSERT_THAT(outcome.status.message(), HasSubstr(path));
  ASSERT_THAT(outcome.status.message(), HasSubstr("offset "));
  ASSERT_EQ(AllFiles(&world.files()), files);
}

// How many bytes of a segment records take.
uint64_t EndOfRecords(const std::string& bytes) {
  uint64_t offset = kSegmentHeaderBytes;
  while (offset + storage::kRecordHeaderBytes <= bytes.size()) {
    const auto record = storage::DecodeRecordHeader(reinterpret_cast<const uint8_t*>(bytes.data()) + offset);
    if (!record) break;
    offset += storage::RecordBytes(record->payload_bytes);
  }
  return offset;
}

TEST(LogDamage, DamageBelowTheDurablePointIsRefusedAndChangesNothing) {
  std::vector<std::string> segments;
  const SimulatedDisk disk = ManySegments(&segments);
  ASSERT_GE(segments.size(), 3u);
  for (const std::string& path : segments) {
    SimulatedWorld world(8, disk.Copy());
    const uint64_t end = EndOfRecords(*world.files().ReadFile(path));
    ASSERT_GT(end, kSegmentHeaderBytes + 1000);
    for (uint64_t sector = 0; sector * kSector < end; ++sector) {
      const uint64_t at = sector * kSector;
      const uint64_t n = std::min(kSector, end - at);
      SCOPED_TRACE(path + ", sector " + std::to_string(sector));
      ASSERT_NO_FATAL_FAILURE(ExpectRefused(disk, path, [&](std::string* b) { (*b)[at + n / 2] ^= 16; }));
      ASSERT_NO_FATAL_FAILURE(ExpectRefused(disk, path, [&](std::string* b) { b->replace(at, n, n, '\0'); }));
      ASSERT_NO_FATAL_FAILURE(ExpectRefused(disk, path, [&](std::string* b) {  // a misplaced block
        b->replace(at, n, b->substr((at + 3 * kSector) % (end - n), n));
      }));
      ASSERT_NO_FATAL_FAILURE(ExpectRefused(disk, path, [&](std::string* b) {
        std::swap_ranges(b->begin() + static_cast<int64_t>(at), b->begin() + static_cast<int64_t>(at + n),
                         b->begin() + static_cast<int64_t>((at + 5 * kSector) % (end - n)));
      }));
      ASSERT_NO_FATAL_FAILURE(  // everything from here on
          ExpectRefused(disk, path,
                        [&](std::string* b) { b->replace(at, b->size() - at, b->size() - at, '\0'); }));
    }
  }
}

TEST(LogDamage, AMissingOrEmptySegmentIsRefused) {
  std::vector<std::string> segments;
  const SimulatedDisk disk = ManySegments(&segments);
  for (const std::string& path : segments) {
    SCOPED_TRACE(path);
    for (const bool empty : {false, true}) {
      SimulatedWorld world(9, disk.Copy());
      if (empty) {
        ASSERT_TRUE((*world.files().Open(path, OpenMode::kReadWrite))->Truncate(0).ok());
      } else {
        ASSERT_TRUE(world.files().Remove(path).ok());
      }
      const Outcome outcome = Open(world.environment());
      EXPECT_EQ(CodeOf(outcome.status), ErrorCode::kCorruption) << outcome.status.ToString();
    }
  }
}

TEST(LogDamage, ASegmentOfANewerFormatIsRefusedAndNotTouched) {
  const SmallLog small = MakeSmallLog({{"a"}});
  SimulatedWorld world(10, small.disk.Copy());
  {
    auto file = *world.files().Open(small.path, OpenMode::kReadWrite);
    std::vector<uint8_t> block(kSegmentHeaderBytes);
    ASSERT_TRUE(file->Read(0, block).ok());
    const uint32_t version = 3, no_crc = 0;
    std::memcpy(&block[8], &version, 4);
    std::memcpy(&block[12], &version, 4);
    std::memcpy(&block[16], &no_crc, 4);
    const uint32_t crc = ExtendCrc32c(0, block.data(), block.size());
    std::memcpy(&block[16], &crc, 4);
    ASSERT_TRUE(file->Write(0, {{block.data(), block.size()}}, true).ok());
  }
  const auto files = AllFiles(&world.files());
  EXPECT_EQ(CodeOf(Open(world.environment()).status), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(AllFiles(&world.files()), files);
}

}  // namespace
}  // namespace longbow::crash
