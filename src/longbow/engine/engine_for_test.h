// An engine on a real temporary directory, driven in whole steps: what tests of this folder start from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "longbow/base/failing_executor_for_test.h"
#include "longbow/base/filling_disk_for_test.h"
#include "longbow/engine/engine.h"

namespace arrow {
class Array;
class Field;
}  // namespace arrow

namespace longbow::engine {

// Confined, but for what the engine itself allows from several threads.
class EngineForTest {
 public:
  EngineForTest();
  explicit EngineForTest(int64_t hard_limit);
  EngineForTest(int64_t hard_limit, EngineOptions options);
  ~EngineForTest();

  Engine& operator*() { return *engine_; }
  Engine* operator->() { return engine_.get(); }
  void Reopen();  // stops and starts again on the same directory
  void Stop();
  Status Start();
  Result<std::unique_ptr<Engine>> OpenSecond();
  MemoryLedger& ledger() { return *ledger_; }
  SlabArena& arena() { return *arena_; }
  FillingDisk& disk() { return *disk_; }              // until the next Start
  FailingExecutor& builders() { return *builders_; }  // the same
  const std::string& directory() const { return directory_; }

  // The calls, waited for.
  Result<WriteAck> Put(const std::string& dataset, const std::shared_ptr<arrow::RecordBatch>& batch,
                       RetryKey retry = {});
  Result<WriteAck> Put(DatasetWriter& writer, const std::shared_ptr<arrow::RecordBatch>& batch,
                       RetryKey retry = {});
  Result<WriteAck> Delete(const std::string& dataset, std::vector<std::string> keys);
  Status Drop(const std::string& dataset);
  Status CreateNamespace(const std::string& name);
  Status DropNamespace(const std::string& name);
  Result<SnapshotInfo> Snapshot();
  Status WaitIndexed(const std::string& dataset = "");

 private:
  void Open();

  std::string directory_;
  EngineOptions options_;
  std::unique_ptr<MemoryLedger> ledger_;
  std::unique_ptr<SlabArena> arena_;
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<FillingDisk> disk_;
  std::unique_ptr<Executor> appliers_, searchers_, builder_pool_;
  std::unique_ptr<FailingExecutor> builders_;
  Environment environment_;
  std::unique_ptr<Engine> engine_;
};

// What a client's stream delivers: schema and batch through the codec, the bodies in pieces of `piece_bytes`.
struct Delivered {
  IncomingBatch batch;
  IpcMessage message;
};
Result<Delivered> Deliver(const arrow::RecordBatch& batch, int64_t piece_bytes = 1000);

// Columns from JSON, for tests that fit on a page: {"id", int64(), "[1, 2]"}.
struct JsonColumn {
  std::shared_ptr<arrow::Field> field;
  std::string json;
};
std::shared_ptr<arrow::RecordBatch> BatchOf(
    const std::vector<JsonColumn>& columns,
    const std::vector<std::pair<std::string, std::string>>& metadata = {});

// All visible rows as JSON-like text, "key: column=value ..." sorted by the key's text: what a test compares.
std::vector<std::string> VisibleRows(const View& view);

}  // namespace longbow::engine
