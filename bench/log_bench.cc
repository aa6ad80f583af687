// What the commit log makes durable: large payloads in MB/s, and many writers of small ones in records/s.
// --flush-ms makes every flush take so much longer, to see what group commit is worth on a slow disk.
// --compression 1 writes batches of vectors with every setting of LogCompression instead.
//   log_bench [--flush-ms 5] [--compression 1] [--directory PATH] [--megabytes 1024] [--seconds 3] [--io
//   threads|uring] [--json FILE]
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "longbow/base/crc32c.h"
#include "longbow/base/environment.h"
#include "longbow/storage/commit_log.h"

namespace {

using namespace longbow;           // NOLINT: a program, not a header
using namespace longbow::storage;  // NOLINT

struct Settings {
  std::string directory = ".";
  int64_t megabytes = 1024;
  double seconds = 3;
  std::string json;
  FileIo io = FileIo::kThreads;
  int64_t flush_ms = 0;
  bool compression = false;
};

struct Row {
  std::string name;
  double value = 0;
  std::string unit;
  double p50_us = 0, p99_us = 0;
};

using SteadyClock = std::chrono::steady_clock;
double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

[[noreturn]] void Stop(const Status& status) {
  std::cerr << status.ToString() << "\n";
  std::exit(1);
}
void Check(const Status& status) {
  if (!status.ok()) Stop(status);
}

// Another file system whose synced writes take longer. All completions come from one pool, so that whoever
// waits is told. Thread-safe.
class SlowFiles final : public FileSystem {
 public:
  SlowFiles(std::unique_ptr<FileSystem> inner, int64_t delay_ns)
      : inner_(std::move(inner)),
        delay_ns_(delay_ns),
        timer_(MakeThreadPool({.name = "slow", .threads = 2})) {}

  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override {
    auto file = inner_->Open(path, mode);
    if (!file.ok()) return file.status();
    return std::make_unique<SlowFile>(this, *std::move(file));
  }
  Result<bool> Exists(std::string_view path) override { return inner_->Exists(path); }
  Result<std::vector<std::string>> List(std::string_view path) override { return inner_->List(path); }
  Status CreateDirectories(std::string_view path) override { return inner_->CreateDirectories(path); }
  Status Rename(std::string_view from, std::string_view to) override { return inner_->Rename(from, to); }
  Status Remove(std::string_view path) override { return inner_->Remove(path); }
  Status SyncDirectory(std::string_view path) override { return inner_->SyncDirectory(path); }
  Result<uint64_t> FreeBytes() override { return inner_->FreeBytes(); }
  Result<std::unique_ptr<FileLock>> Lock(std::string_view path, std::string_view note) override {
    return inner_->Lock(path, note);
  }
  void WaitUntil(const std::function<bool()>& done) override { timer_->WaitUntil(done); }

 private:
  class SlowFile final : public File {
   public:
    SlowFile(SlowFiles* files, std::unique_ptr<File> inner) : files_(files), inner_(std::move(inner)) {}
    ~SlowFile() override {
      files_->WaitUntil([this] { return under_way_.load() == 0; });
    }
    void SubmitWrite(uint64_t offset, std::vector<ConstBytes> pieces, bool sync, IoDone done) override {
      inner_->SubmitWrite(offset, std::move(pieces), sync,
                          Later(sync ? files_->delay_ns_ : 0, std::move(done)));
    }
    void SubmitSync(IoDone done) override { inner_->SubmitSync(Later(files_->delay_ns_, std::move(done))); }
    void SubmitRead(uint64_t offset, std::span<uint8_t> out, IoDone done) override {
      inner_->SubmitRead(offset, out, Later(0, std::move(done)));
    }
    Result<uint64_t> Size() override { return inner_->Size(); }
    Status Allocate(uint64_t size) override { return inner_->Allocate(size); }
    Status Truncate(uint64_t size) override { return inner_->Truncate(size); }

   protected:
    void WaitUntil(const std::function<bool()>& done) override { files_->WaitUntil(done); }

   private:
    IoDone Later(int64_t delay_ns, IoDone done) {
      under_way_.fetch_add(1);
      return [this, delay_ns, done = std::move(done)](const Status& status) {
        auto call = [this, done, status] {
          done(status);
          under_way_.fetch_sub(1);
        };
        if (delay_ns > 0) return files_->timer_->PostAfter(delay_ns, std::move(call));
        files_->timer_->Post(std::move(call));
      };
    }

    SlowFiles* const files_;
    const std::unique_ptr<File> inner_;
    std::atomic<int64_t> under_way_{0};
  };

  const std::unique_ptr<FileSystem> inner_;
  const int64_t delay_ns_;
  const std::unique_ptr<Executor> timer_;
};

// A log in a directory that goes with it. Confined.
class Bench {
 public:
  explicit Bench(const Settings& settings, LogCompression compression = LogCompression::kNone)
      : root_(settings.directory + "/log_bench_data") {
    std::filesystem::remove_all(root_);
    auto files = MakePosixFileSystem(root_, 4, settings.io);
    Check(files.status());
    files_ = *std::move(files);
    options_.spare_segments = 24;
    options_.compression = compression;
    if (settings.flush_ms > 0) {
      files_ = std::make_unique<SlowFiles>(std::move(files_), settings.flush_ms * 1'000'000);
      options_.spare_segments = 0;
    }
    Open();
  }
  ~Bench() {
    log_.reset();
    pool_.reset();
    files_.reset();
    std::filesystem::remove_all(root_);
  }
  CommitLog& log() { return *log_; }

  // Until the log has filled its spares.
  void WaitUntilPrepared() {
    const size_t wanted = options_.spare_segments;
    for (int i = 0; i < 600; ++i) {
      size_t spares = 0;
      for (const std::string& name : *files_->List("log")) spares += name.ends_with(".spare") ? 1 : 0;
      if (spares >= wanted) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
  void ReleaseAll() {
    Check(log_->ReleaseThrough(log_->last_appended()));
    for (int i = 0; i < 100 && log_->counters().segments.value() > 4; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

 private:
  void Open() {
    const Environment environment{.files = files_.get(),
                                  .clock = SystemClock(),
                                  .random = SystemRandom(),
                                  .appliers = pool_.get(),
                                  .searchers = pool_.get(),
                                  .builders = pool_.get()};
    auto log = OpenCommitLog(environment, nullptr, options_);
    Check(log.status());
    log_ = *std::move(log);
    Check(log_->Replay([](const LogRecord&) { return Status::OK(); }).status());
  }

  const std::string root_;
  CommitLogOptions options_;
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<Executor> pool_ = MakeThreadPool({.name = "bench", .threads = 2});
  std::unique_ptr<CommitLog> log_;
};

BufferChain MakePayload(int64_t size) {
  BufferChain chain;
  uint64_t state = 1;
  while (chain.size() < size) {
    std::string piece(static_cast<size_t>(std::min<int64_t>(1 << 20, size - chain.size())), '\0');
    for (char& byte : piece) byte = static_cast<char>((state = state * 6364136223846793005u + 1) >> 56);
    chain.AppendString(std::move(piece));
  }
  return chain;
}

// `writers` writers, each with one append under way, until `enough` says so of the appends so far.
struct Load {
  int64_t appends = 0;
  double seconds = 0;
  std::vector<double> latencies_us;
};
Load Run(CommitLog* log, int writers, const BufferChain& payload,
         const std::function<bool(int64_t, double)>& enough) {
  Load load;
  std::mutex mutex;
  std::condition_variable idle;
  int active = writers;
  const auto start = SteadyClock::now();
  std::function<void(ShardId)> write = [&](ShardId shard) {
    const auto begin = SteadyClock::now();
    Check(log->Append({.shard = shard, .try_compression = true, .payload = payload},
                      [&, shard, begin](const LogPosition&, const Status& status) {
                        Check(status);
                        bool again = false;
                        {
                          std::lock_guard lock(mutex);
                          load.latencies_us.push_back(SecondsSince(begin) * 1e6);
                          load.appends += 1;
                          again = !enough(load.appends + active - 1, SecondsSince(start));
                          if (!again && --active == 0) idle.notify_all();
                        }
                        if (again) write(shard);
                      })
              .status());
  };
  for (int writer = 0; writer < writers; ++writer) write(static_cast<ShardId>(writer + 1));
  std::unique_lock lock(mutex);
  idle.wait(lock, [&] { return active == 0; });
  load.seconds = SecondsSince(start);
  std::sort(load.latencies_us.begin(), load.latencies_us.end());
  return load;
}

Row ToRow(std::string name, const Load& load, double per_append, std::string unit) {
  const auto& sorted = load.latencies_us;
  return {std::move(name), static_cast<double>(load.appends) * per_append / load.seconds, std::move(unit),
          sorted[sorted.size() / 2], sorted[sorted.size() * 99 / 100]};
}

// Small records of many writers against one record a flush.
std::vector<Row> RunGroupCommit(const Settings& settings) {
  std::vector<Row> rows;
  Bench bench(settings);
  const BufferChain small = MakePayload(100);
  const auto time = [&](int64_t, double seconds) { return seconds >= settings.seconds; };
  double alone = 0;
  for (const int writers : {1, 8, 64}) {
    const Load load = Run(&bench.log(), writers, small, time);
    rows.push_back(ToRow("100 B payloads, " + std::to_string(writers) + " writers", load, 1, "records/s"));
    if (writers == 1) alone = rows.back().value;
    rows.push_back({"  against one record a flush", rows.back().value / alone, "x"});
  }
  return rows;
}

std::vector<Row> RunAll(const Settings& settings) {
  std::vector<Row> rows;
  {
    const std::string bytes(5 << 20, 'x');
    const auto start = SteadyClock::now();
    uint32_t crc = 0;
    for (int i = 0; i < 400; ++i) crc = ExtendCrc32c(crc, bytes.data(), bytes.size());
    rows.push_back({"crc32c of 5 MiB" + std::string(crc == 0 ? " " : ""),
                    400 * 5.24288 / 1000 / SecondsSince(start), "GB/s"});
  }
  const BufferChain large = MakePayload(5'000'000);
  const auto total = [&](int64_t appends, double) { return appends * 5 >= settings.megabytes; };
  {
    Bench bench(settings);
    rows.push_back(
        ToRow("5 MB payloads, 4 writers, new files", Run(&bench.log(), 4, large, total), 5, "MB/s"));
    bench.ReleaseAll();
    bench.WaitUntilPrepared();
    rows.push_back(
        ToRow("5 MB payloads, 4 writers, used segments", Run(&bench.log(), 4, large, total), 5, "MB/s"));
  }
  {
    Bench bench(settings);
    bench.WaitUntilPrepared();
    rows.push_back(
        ToRow("5 MB payloads, 4 writers, prepared spares", Run(&bench.log(), 4, large, total), 5, "MB/s"));
    bench.ReleaseAll();
    bench.WaitUntilPrepared();
    rows.push_back(
        ToRow("5 MB payloads, 1 writer, used segments", Run(&bench.log(), 1, large, total), 5, "MB/s"));
    bench.ReleaseAll();
    const BufferChain small = MakePayload(100);
    const auto time = [&](int64_t, double seconds) { return seconds >= settings.seconds; };
    for (const int writers : {1, 8, 64, 512}) {
      const int64_t before = bench.log().counters().flushes.value();
      const Load load = Run(&bench.log(), writers, small, time);
      const auto flushes = static_cast<double>(bench.log().counters().flushes.value() - before);
      rows.push_back(ToRow("100 B payloads, " + std::to_string(writers) + " writers", load, 1, "records/s"));
      rows.push_back({"  records a flush", static_cast<double>(load.appends) / flushes, "records"});
    }
  }
  return rows;
}

// 1,000 vectors of 1,536 float32: of any numbers, of numbers that were one byte once, of mostly zeros.
BufferChain MakeVectors(std::string_view kind) {
  std::string bytes(size_t{1000} * 1536 * sizeof(float), '\0');
  uint64_t state = 1;
  for (size_t at = 0; at < bytes.size(); at += sizeof(float)) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto drawn = static_cast<int32_t>(state >> 33);
    float value = static_cast<float>(drawn) / 1e9f - 1;
    if (kind == "bytes") value = static_cast<float>(drawn % 256 - 128) / 128;
    if (kind == "sparse" && drawn % 20 != 0) value = 0;
    std::memcpy(bytes.data() + at, &value, sizeof(value));
  }
  return BufferChain::FromString(std::move(bytes));
}

std::vector<Row> RunCompression(const Settings& settings) {
  std::vector<Row> rows;
  constexpr std::pair<const char*, LogCompression> kChoices[] = {{"none", LogCompression::kNone},
                                                                 {"auto", LogCompression::kAuto},
                                                                 {"lz4", LogCompression::kLz4},
                                                                 {"zstd", LogCompression::kZstd}};
  for (const char* kind : {"random", "bytes", "sparse"}) {
    const BufferChain payload = MakeVectors(kind);
    const auto megabytes = static_cast<double>(payload.size()) / 1e6;
    for (const auto& [name, choice] : kChoices) {
      Bench bench(settings, choice);
      const auto total = [&](int64_t appends, double) {
        return static_cast<double>(appends) * megabytes >= static_cast<double>(settings.megabytes);
      };
      const Load load = Run(&bench.log(), 2, payload, total);
      rows.push_back(ToRow(std::string(kind) + ", " + name, load, megabytes, "MB/s"));
      const auto written = static_cast<double>(bench.log().counters().bytes_appended.value());
      rows.push_back(
          {"  bytes written", written / 1e6 / megabytes / static_cast<double>(load.appends), "of those put"});
    }
  }
  return rows;
}

Settings Parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (i + 1 == argc) Stop(InvalidArgument(flag, " needs a value"));
    const std::string value = argv[i + 1];
    if (flag == "--directory") {
      settings.directory = value;
    } else if (flag == "--megabytes") {
      settings.megabytes = std::stoll(value);
    } else if (flag == "--seconds") {
      settings.seconds = std::stod(value);
    } else if (flag == "--io") {
      settings.io = value == "uring" ? FileIo::kUring : FileIo::kThreads;
    } else if (flag == "--flush-ms") {
      settings.flush_ms = std::stoll(value);
    } else if (flag == "--compression") {
      settings.compression = value != "0";
    } else if (flag == "--json") {
      settings.json = value;
    } else {
      Stop(InvalidArgument("unknown flag ", flag, "; see the head of log_bench.cc"));
    }
  }
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = Parse(argc, argv);
  const std::vector<Row> rows = settings.compression    ? RunCompression(settings)
                                : settings.flush_ms > 0 ? RunGroupCommit(settings)
                                                        : RunAll(settings);
  std::FILE* json = settings.json.empty() ? nullptr : std::fopen(settings.json.c_str(), "w");
  if (json != nullptr) std::fprintf(json, "[");
  for (const Row& row : rows) {
    std::printf("%-44s %12.1f %-10s p50 %9.0f us  p99 %9.0f us\n", row.name.c_str(), row.value,
                row.unit.c_str(), row.p50_us, row.p99_us);
    if (json != nullptr) {
      std::fprintf(
          json,
          "%s\n{\"name\": \"%s\", \"value\": %.3f, \"unit\": \"%s\", \"p50_us\": %.1f, \"p99_us\": %.1f}",
          &row == rows.data() ? "" : ",", row.name.c_str(), row.value, row.unit.c_str(), row.p50_us,
          row.p99_us);
    }
  }
  if (json != nullptr) {
    std::fprintf(json, "]\n");
    std::fclose(json);
  }
}
