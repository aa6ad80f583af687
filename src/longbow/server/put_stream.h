// DoPut: batches into one dataset, in the simple or the acknowledged mode.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "longbow/engine/engine.h"
#include "longbow/server/batch_input.h"
#include "longbow/server/put_progress.h"
#include "longbow/server/stream_reactor.h"
#include "longbow/server/write_window.h"

namespace longbow::server {

// Every batch is handed to the engine when it arrives; the stream's end is no commit. Members without a word
// are confined to the stream's handler: StreamReactor runs one message at a time.
class PutStream final : public StreamReactor {
 public:
  PutStream(std::shared_ptr<FlightShared> shared, grpc::CallbackServerContext* context);

 private:
  enum class Mode : uint8_t { kUndecided, kSimple, kAcknowledged };
  static constexpr int64_t kAckDelayNanos = 5'000'000;
  static constexpr int64_t kAckBatches = 64;

  void OnMessage(BufferChain message) override;
  void OnHalfClose() override;

  Status OnFirst(const protocol::FlightData& data);
  void Handle(protocol::FlightData data);
  Status HandleInput(StreamInput input);
  Status OpenWriter();
  Status HandleMetadata(const std::string& app_metadata);
  Result<protocol::PutFrame> ReadFrame(const std::string& app_metadata) const;
  Status DecideMode(const std::string& app_metadata);
  Status WriteSimple(StreamInput input);
  Status WriteAcknowledged(StreamInput input);
  void Written(uint64_t number, int64_t rows, const Result<engine::WriteAck>& outcome);
  void Fail(const Status& why);
  void Conclude(const Status& outcome);
  void TellSoon();
  void Tell();
  std::shared_ptr<PutStream> Self() { return std::static_pointer_cast<PutStream>(shared_from_this()); }

  BatchInput input_;
  std::string dataset_;
  bool opened_ = false;
  std::shared_ptr<engine::DatasetWriter> writer_;
  protocol::PutSequence sequence_;
  const std::shared_ptr<WriteWindow> window_;
  uint64_t batches_ = 0;
  std::atomic<Mode> mode_{Mode::kUndecided};
  PutProgress progress_;

  std::mutex mutex_;                  // guards what follows
  Status first_error_;                // of a simple stream
  std::optional<Status> conclusion_;  // of an acknowledged stream: ends it after the last word
  bool tell_scheduled_ = false, telling_ = false, tell_again_ = false;
};

}  // namespace longbow::server
