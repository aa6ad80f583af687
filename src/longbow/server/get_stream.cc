#include "longbow/server/get_stream.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "longbow/protocol/flight_data.h"
#include "longbow/protocol/flight_messages.h"
#include "longbow/server/byte_buffers.h"
#include "longbow/server/search_call.h"

namespace longbow::server {

GetStream::GetStream(std::shared_ptr<FlightShared> shared, grpc::CallbackServerContext* context)
    : StreamReactor(std::move(shared), context, FlightCall::kDoGet, Input::kOneMessage) {}

void GetStream::OnHalfClose() { End(InvalidArgument("DoGet without a ticket")); }

void GetStream::OnMessage(BufferChain message) {
  const auto ticket = protocol::ParseTicket(ToText(message));
  auto request = ticket.ok() ? protocol::ReadTicket(*ticket) : ticket.status();
  shared().counters.get_ticket.Add(request.ok());
  if (!request.ok()) return End(request.status());
  const auto compression = AskedCompression(context());
  if (!compression.ok()) return End(compression.status());
  compression_ = *compression;
  WhenOpen([this, request = *std::move(request)]() mutable { Begin(std::move(request)); });
}

void GetStream::Begin(protocol::TicketRequest request) {
  if (auto* search = std::get_if<protocol::SearchCall>(&request)) return BeginSearch(std::move(*search));
  auto& scan = std::get<query::ScanRequest>(request);
  dataset_ = scan.dataset;
  heavy_ = scan.filter.has_value();
  if (!heavy_ && shared().handlers.AnotherIsFree()) return BeginScan(scan);
  Post([this, scan = std::move(scan)] { BeginScan(scan); });
}

void GetStream::BeginScan(const query::ScanRequest& request) {
  auto scan = serving().query()->OpenScan(request);
  shared().counters.get_open.Add(scan.ok());
  if (!scan.ok()) return Refuse(scan.status(), request.dataset);
  scan_ = *std::move(scan);
  auto messages = SchemaMessages(*scan_->schema());
  if (!messages.ok()) return End(messages.status());
  NextOfScan(*std::move(messages));
}

void GetStream::BeginSearch(protocol::SearchCall call) {
  dataset_ = call.request.dataset;
  if (call.limit > 0 && call.request.explain == query::Explain::kNo) most_hits_ = call.limit;
  FillLimits(&call, shared(), deadline_ns(), stop());
  const Status placed = shared().RunSearch(
      std::move(call), [this, self = shared_from_this()](Result<query::SearchAnswer> answer) {
        Guard([&] { BeginHits(std::move(answer)); });
      });
  if (!placed.ok()) End(placed);
}

void GetStream::BeginHits(Result<query::SearchAnswer> answer) {
  shared().counters.get_open.Add(answer.ok());
  if (!answer.ok()) return Refuse(answer.status(), dataset_);
  hits_ = std::move(answer->hits);
  if (hits_->num_rows() > most_hits_) hits_ = hits_->Slice(0, most_hits_);
  auto messages = SchemaMessages(*hits_->schema());
  if (!messages.ok()) return End(messages.status());
  NextOfSearch(*std::move(messages));
}

void GetStream::OnSent() {
  if (hits_) return NextOfSearch({});
  if (!heavy_ && shared().handlers.AnotherIsFree()) return NextOfScan({});
  Post([this] { NextOfScan({}); });
}

void GetStream::NextOfScan(std::vector<grpc::ByteBuffer> before) {
  if (Over()) return scan_.reset();
  auto batch = scan_->Next();
  if (!batch.ok()) return FailBatch(batch.status());
  if (*batch) return SendBatch(std::move(before), **batch);
  scan_.reset();
  EndWith(std::move(before));
}

void GetStream::NextOfSearch(std::vector<grpc::ByteBuffer> before) {
  if (next_hit_ < hits_->num_rows()) {
    const int64_t rows = std::min(kSearchBatchRows, hits_->num_rows() - next_hit_);
    const auto batch = hits_->Slice(next_hit_, rows);
    next_hit_ += rows;
    return SendBatch(std::move(before), *batch);
  }
  EndWith(std::move(before));
}

Result<std::vector<grpc::ByteBuffer>> GetStream::SchemaMessages(const arrow::Schema& schema) {
  LB_ASSIGN_OR_RETURN(const BufferChain message, protocol::EncodeSchemaMessage(schema));
  std::vector<grpc::ByteBuffer> out;
  out.push_back(ToByteBuffer(message));
  return out;
}

void GetStream::SendBatch(std::vector<grpc::ByteBuffer> before, const arrow::RecordBatch& batch) {
  auto message = protocol::EncodeBatchMessage(batch, {}, compression_);
  if (!message.ok()) return FailBatch(message.status());
  if (message->size() > shared().options.max_send_bytes) {
    return FailBatch(Error(ErrorCode::kResourceExhausted, "a batch of ", message->size(),
                           " bytes exceeds the limit of ", shared().options.max_send_bytes,
                           " bytes a message: ask for fewer columns or rows"));
  }
  shared().counters.get_batch.Add(true);
  if (!std::exchange(sent_batch_, true)) {
    shared().counters.first_chunk_nanos.Record(shared().clock().MonotonicNanos() - start_ns());
  }
  shared().counters.rows_got.Add(batch.num_rows());
  if (compression_ == engine::BodyCompression::kNone) {
    (hits_ ? shared().counters.batches_found_out : shared().counters.batches_scanned_out).Add();
  }
  before.push_back(ToByteBuffer(*message));
  Send(std::move(before));  // the last step: OnSent may run before this returns
}

void GetStream::FailBatch(const Status& why) {
  shared().counters.get_batch.Add(false);
  End(why);
}

// DoGet's clients know a missing dataset by these words. What else is not found, a row to search by, is
// named as it is.
void GetStream::Refuse(const Status& status, const std::string& dataset) {
  const bool no_dataset =
      CodeOf(status) == ErrorCode::kNotFound && status.message().starts_with("dataset not found");
  if (!no_dataset) return End(status);
  End(NotFound("dataset ", dataset, " not found"));
}

}  // namespace longbow::server
