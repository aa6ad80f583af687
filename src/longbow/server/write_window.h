// Batches of one stream on their way through the engine, bounded.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "longbow/base/memory_ledger.h"
#include "longbow/engine/engine.h"

namespace longbow::server {

// Guarded. Completions hold it by shared_ptr.
class WriteWindow : public std::enable_shared_from_this<WriteWindow> {
 public:
  // `bytes` may be under way, or three messages, whichever is more: one is checked, one written, one applied.
  // While the ledger is above its soft limit
  // there is no reading ahead: one message at a time goes on, so that a stream is slowed and never stands
  // still.
  WriteWindow(MemoryLedger* ledger, int64_t bytes) : ledger_(ledger), bytes_(bytes) {}

  // Reserves the message's bytes and hands it to the engine. `done` as DatasetWriter::Write calls it, or with
  // ResourceExhausted "memory limit exceeded: ..." when there is no memory.
  void Write(engine::DatasetWriter* writer, engine::IncomingBatch batch, const engine::IpcMessage& message,
             engine::RetryKey retry, engine::WriteDone done);
  // Calls `go` once there is room for another message: at once, or from a completion. One at a time.
  void WhenRoom(std::function<void()> go);
  // Calls `go` once nothing is under way, after the last `done`.
  void WhenDrained(std::function<void()> go);

 private:
  void Finished(int64_t bytes);
  static constexpr int64_t kLeastMessages = 3;
  bool HasRoom() const;  // mutex_ held

  MemoryLedger* const ledger_;
  const int64_t bytes_;
  std::mutex mutex_;  // the rest is guarded by it
  int64_t messages_under_way_ = 0, bytes_under_way_ = 0;
  std::function<void()> when_room_, when_drained_;
};

}  // namespace longbow::server
