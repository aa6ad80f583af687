// DoExchange: searches by the batch, or acknowledged ingest, on a stream that is kept open.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "longbow/engine/batch_encoder.h"
#include "longbow/engine/engine.h"
#include "longbow/protocol/exchange_frames.h"
#include "longbow/server/answer_queue.h"
#include "longbow/server/batch_input.h"
#include "longbow/server/put_progress.h"
#include "longbow/server/stream_reactor.h"
#include "longbow/server/write_window.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace longbow::server {

// One answer a batch, in the order of the batches, though several are worked on at a time; an error takes its
// place in that order and ends the stream there. Members are confined to the stream's handler unless they say
// otherwise.
class ExchangeStream final : public StreamReactor {
 public:
  ExchangeStream(std::shared_ptr<FlightShared> shared, grpc::CallbackServerContext* context);

 private:
  static constexpr size_t kMaxUnderWay = 64;
  struct Reply {
    std::shared_ptr<arrow::Schema> schema;  // of a batch; null for metadata only
    grpc::ByteBuffer message;
  };
  using Answer = Result<Reply>;

  void OnMessage(BufferChain message) override;
  void OnHalfClose() override;
  bool OwesNothing() override;

  Status OnFirst(const protocol::FlightData& data);
  void Handle(protocol::FlightData data);
  Status HandleInput(StreamInput input);
  void GoOn();
  void Close();
  void Refuse(const Status& why);
  uint64_t Owe();
  void Deliver(Answer answer);
  Status SendReply(Reply reply);

  Status Search(const arrow::RecordBatch& batch);
  Answer Encode(const std::string& request_id, const Result<query::SearchAnswer>& found);
  Status Ingest(StreamInput input);
  Answer Acknowledge(uint64_t number, int64_t rows, const Result<engine::WriteAck>& outcome);
  std::shared_ptr<ExchangeStream> Self() {
    return std::static_pointer_cast<ExchangeStream>(shared_from_this());
  }

  std::optional<protocol::ExchangeCommand> command_;
  engine::BodyCompression compression_ = engine::BodyCompression::kNone;  // set by the first message
  bool json_command_ = false;
  engine::BatchEncoder encoder_;  // guarded by itself
  BatchInput input_;
  uint64_t batches_ = 0;
  std::optional<bool> number_queries_;             // decided by the first request batch
  std::shared_ptr<engine::DatasetWriter> writer_;  // of ingest
  const std::shared_ptr<WriteWindow> window_;
  PutProgress progress_;                        // guarded by itself
  AnswerQueue<Answer> answers_;                 // guarded by itself
  std::shared_ptr<arrow::Schema> sent_schema_;  // confined to Deliver

  std::mutex mutex_;     // guards what follows
  size_t owed_ = 0;      // answers to batches that came
  bool parked_ = false;  // the handler waits for an answer to leave
  bool half_closed_ = false;
};

}  // namespace longbow::server
