// For tests: a commit log on the kernel's file system in a directory of its own, and what it acknowledged.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "longbow/base/filling_disk_for_test.h"
#include "longbow/storage/commit_log.h"

namespace longbow::storage {

struct Acknowledgement {
  LogPosition position;
  Status status;
};

// Guarded.
class Acknowledgements {
 public:
  AppendDone Next() {
    return [this](const LogPosition& position, Status status) {
      std::lock_guard lock(mutex_);
      all_.push_back({position, std::move(status)});
      arrived_.notify_all();
    };
  }
  std::vector<Acknowledgement> Wait(size_t n) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return all_.size() >= n; });
    return all_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Acknowledgement> all_;
};

// Confined to the test.
class LogTestMachine {
 public:
  LogTestMachine() {
    char name[] = "/tmp/longbow_log_XXXXXX";
    root_ = mkdtemp(name);
    files_ = *MakePosixFileSystem(root_, 4);
    disk_ = std::make_unique<FillingDisk>(files_.get());
    random_ = MakeSeededRandom(7);
    options.segment_bytes = 64 << 10;
    options.spare_segments = 0;
  }
  ~LogTestMachine() {
    log.reset();
    pool_.reset();
    disk_.reset();
    files_.reset();
    std::filesystem::remove_all(root_);
  }

  // Opens the log anew, as after a restart, and collects what it replays.
  Status Restart() {
    log.reset();
    replayed.clear();
    LB_ASSIGN_OR_RETURN(log, OpenCommitLog(environment(), &ledger_, options));
    LB_ASSIGN_OR_RETURN(report, log->Replay([&](const LogRecord& record) {
      replayed.push_back(record);
      return Status::OK();
    }));
    return Status::OK();
  }
  Environment environment() {
    return {.files = disk_.get(),
            .clock = SystemClock(),
            .random = random_.get(),
            .appliers = pool_.get(),
            .searchers = pool_.get(),
            .builders = pool_.get()};
  }
  Result<LogPosition> Send(ShardId shard, std::string payload, AppendDone done,
                           Durability durability = Durability::kFsync) {
    return log->Append({.shard = shard,
                        .kind = 3,
                        .schema_version = 9,
                        .durability = durability,
                        .payload = BufferChain::FromString(std::move(payload))},
                       std::move(done));
  }
  // Appends and waits for the acknowledgement.
  Result<LogPosition> Put(ShardId shard, std::string payload, Durability durability = Durability::kFsync) {
    Acknowledgements acknowledgements;
    LB_ASSIGN_OR_RETURN(const LogPosition position,
                        Send(shard, std::move(payload), acknowledgements.Next(), durability));
    LB_RETURN_NOT_OK(acknowledgements.Wait(1)[0].status);
    return position;
  }
  std::vector<std::string> ReplayedPayloads() const {
    std::vector<std::string> payloads;
    for (const LogRecord& record : replayed) payloads.push_back((*record.payload.Join())->ToString());
    return payloads;
  }
  FileSystem& files() { return *files_; }
  FillingDisk& disk() { return *disk_; }
  std::vector<std::string> FileNames() { return *files_->List(options.directory); }
  // 0 of a file that the log has let go of since it was listed.
  uint64_t FileBytes(const std::string& name) {
    const auto file = files_->Open(options.directory + "/" + name, OpenMode::kRead);
    if (!file.ok() && CodeOf(file.status()) == ErrorCode::kNotFound) return 0;
    return *(*file)->Size();
  }

  CommitLogOptions options;
  std::unique_ptr<CommitLog> log;
  std::vector<LogRecord> replayed;
  RecoveryReport report;

 private:
  std::string root_;
  MemoryLedger ledger_{0, 0};
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<FillingDisk> disk_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Executor> pool_ = MakeThreadPool({.name = "test", .threads = 2});
};

}  // namespace longbow::storage
