// DoGet: a scan or a search by ticket, sent as the client takes it.
#pragma once

#include <limits>
#include <memory>

#include "longbow/protocol/ticket.h"
#include "longbow/query/search.h"
#include "longbow/server/stream_reactor.h"

namespace longbow::server {

// Makes the next batch when the transport has taken the last one, so a client that stops reading stops the
// scan. One thread at a time works on it: a step ends by sending, and the next one begins when that was
// taken.
class GetStream final : public StreamReactor {
 public:
  GetStream(std::shared_ptr<FlightShared> shared, grpc::CallbackServerContext* context);

 private:
  static constexpr int64_t kSearchBatchRows = 4096;

  void OnMessage(BufferChain message) override;
  void OnHalfClose() override;
  void OnSent() override;

  void Begin(protocol::TicketRequest request);
  void BeginScan(const query::ScanRequest& request);
  void BeginSearch(protocol::SearchCall call);
  void BeginHits(Result<query::SearchAnswer> answer);
  void NextOfScan(std::vector<grpc::ByteBuffer> before);
  void NextOfSearch(std::vector<grpc::ByteBuffer> before);
  // Batches ahead of the first step to be sent: the schema.
  Result<std::vector<grpc::ByteBuffer>> SchemaMessages(const arrow::Schema& schema);
  void SendBatch(std::vector<grpc::ByteBuffer> before, const arrow::RecordBatch& batch);
  void FailBatch(const Status& why);
  void Refuse(const Status& status, const std::string& dataset);

  std::string dataset_;
  engine::BodyCompression compression_ = engine::BodyCompression::kNone;
  bool heavy_ = false;  // a step of the scan evaluates a filter
  std::unique_ptr<query::Scan> scan_;
  std::shared_ptr<arrow::RecordBatch> hits_;
  int64_t most_hits_ = std::numeric_limits<int64_t>::max();
  int64_t next_hit_ = 0;
  bool sent_batch_ = false;
};

}  // namespace longbow::server
