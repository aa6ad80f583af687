#include "longbow/server/exchange_stream.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>
#include <variant>

#include "longbow/server/byte_buffers.h"
#include "longbow/server/search_call.h"

namespace longbow::server {
namespace {

// Words by which servers of old compared and copied their data among each other. What they hashed and logged
// was theirs: nobody but one of them could use an answer.
Status CheckNoPeerCommand(const std::string& command) {
  if (command != "sync" && command != "merkle_node" && command != "root") return Status::OK();
  return Error(
      ErrorCode::kUnimplemented, "DoExchange command ", command,
      ": servers are not compared or copied by this call; DoGet with {\"name\": dataset} reads all rows "
      "of a dataset");
}

}  // namespace

ExchangeStream::ExchangeStream(std::shared_ptr<FlightShared> shared, grpc::CallbackServerContext* context)
    : StreamReactor(std::move(shared), context, FlightCall::kDoExchange, Input::kMessages),
      window_(std::make_shared<WriteWindow>(serving().ledger(), this->shared().options.put_window_bytes)),
      answers_([this](Answer answer) { Deliver(std::move(answer)); }) {}

void ExchangeStream::OnMessage(BufferChain message) {
  auto data = protocol::ParseFlightData(message);
  if (!data.ok()) return Refuse(data.status());
  if (command_) return Handle(*std::move(data));
  const Status first = OnFirst(*data);
  if (!first.ok()) return Refuse(first);
  WhenOpen([this, data = *std::move(data)]() mutable { Handle(std::move(data)); });
}

Status ExchangeStream::OnFirst(const protocol::FlightData& data) {
  LB_ASSIGN_OR_RETURN(const auto descriptor, BatchInput::Descriptor(data));
  LB_RETURN_NOT_OK(CheckNoPeerCommand(descriptor.command));
  LB_ASSIGN_OR_RETURN(command_, protocol::ReadExchangeCommand(descriptor));
  LB_ASSIGN_OR_RETURN(compression_, AskedCompression(context()));
  json_command_ = descriptor.command.starts_with('{');
  return Status::OK();
}

void ExchangeStream::Handle(protocol::FlightData data) {
  auto input = input_.Next(std::move(data));
  if (!input.ok()) return Refuse(input.status());
  const Status handled = HandleInput(*std::move(input));
  if (!handled.ok()) return Refuse(handled);
  GoOn();
}

Status ExchangeStream::HandleInput(StreamInput input) {
  const auto* ingest = std::get_if<protocol::ExchangeIngest>(&*command_);
  if (input.kind == InputKind::kSchema && ingest != nullptr && !writer_) {
    LB_ASSIGN_OR_RETURN(writer_, serving().engine()->OpenWriter(ingest->dataset, *input_.schema()));
  }
  if (input.kind != InputKind::kBatch) return Status::OK();
  ++batches_;
  shared().counters.exchange_batches_received.Add();
  if (ingest != nullptr) return Ingest(std::move(input));
  LB_RETURN_NOT_OK(engine::GatherVectors(&input.batch));
  return Search(*input.batch.batch);
}

// Reads the next message when there is room for its answer.
void ExchangeStream::GoOn() {
  if (writer_) return window_->WhenRoom([self = Self()] { self->Continue(); });
  {
    std::lock_guard lock(mutex_);
    parked_ = owed_ >= kMaxUnderWay;
    if (parked_) return;
  }
  Continue();
}

// The error takes its place behind the answers that are still being made. No message is read after it.
void ExchangeStream::Refuse(const Status& why) { answers_.Fill(Owe(), why); }

uint64_t ExchangeStream::Owe() {
  {
    std::lock_guard lock(mutex_);
    ++owed_;
  }
  return answers_.Take();
}

// One answer at a time, in order, on whichever thread made it.
void ExchangeStream::Deliver(Answer answer) {
  const Status sent = answer.ok() ? SendReply(*std::move(answer)) : answer.status();
  if (!sent.ok()) return End(sent);
  bool resume = false, last = false;
  {
    std::lock_guard lock(mutex_);
    --owed_;
    resume = std::exchange(parked_, false);
    last = half_closed_ && owed_ == 0;
  }
  if (resume) Continue();
  if (last) End(Status::OK());
}

Status ExchangeStream::SendReply(Reply reply) {
  std::vector<grpc::ByteBuffer> messages;
  if (reply.schema && !sent_schema_) {
    LB_ASSIGN_OR_RETURN(const BufferChain schema, protocol::EncodeSchemaMessage(*reply.schema));
    messages.push_back(ToByteBuffer(schema));
    sent_schema_ = reply.schema;
  } else if (reply.schema && reply.schema != sent_schema_ && !reply.schema->Equals(*sent_schema_)) {
    return InvalidArgument("this answer has other columns than the stream's first (",
                           reply.schema->ToString(),
                           "): search datasets of different columns on different streams");
  }
  messages.push_back(std::move(reply.message));
  shared().counters.exchange_batches_sent.Add();
  Send(std::move(messages));
  return Status::OK();
}

void ExchangeStream::OnHalfClose() {
  if (!command_) return End(InvalidArgument("DoExchange without a message: send a descriptor first"));
  if (!writer_) return Close();
  writer_->WhenReady([self = Self()](const Status& ready) { ready.ok() ? self->Close() : self->End(ready); });
}

bool ExchangeStream::OwesNothing() {
  std::lock_guard lock(mutex_);
  return owed_ == 0;
}

void ExchangeStream::Close() {
  bool last = false;
  {
    std::lock_guard lock(mutex_);
    half_closed_ = true;
    last = owed_ == 0;
  }
  if (last) End(Status::OK());
}

Status ExchangeStream::Search(const arrow::RecordBatch& batch) {
  const auto& defaults = std::get<protocol::ExchangeSearch>(*command_).defaults;
  LB_ASSIGN_OR_RETURN(auto request, protocol::ReadExchangeRequest(batch, defaults));
  if (!number_queries_) number_queries_ = json_command_ || batch.num_rows() > 1;
  if (!*number_queries_ && batch.num_rows() > 1) {
    return InvalidArgument(
        "this stream's first batch asked one query, so its answers have no column query: send the command as "
        "JSON, "
        "{\"command\": \"VectorSearch\"}, to ask several at a time");
  }
  request.call.request.number_queries = *number_queries_;
  FillLimits(&request.call, shared(), deadline_ns(), stop());
  const uint64_t place = Owe();
  const Status placed = shared().RunSearch(
      std::move(request.call),
      [self = Self(), place, id = std::move(request.request_id)](const Result<query::SearchAnswer>& found) {
        Answer answer = Error(ErrorCode::kInternal, "the search failed");
        self->Guard([&] { answer = self->Encode(id, found); });
        self->answers_.Fill(place, std::move(answer));
      });
  if (!placed.ok()) answers_.Fill(place, placed);
  return Status::OK();
}

ExchangeStream::Answer ExchangeStream::Encode(const std::string& request_id,
                                              const Result<query::SearchAnswer>& found) {
  shared().counters.exchange_searches.Add();
  LB_RETURN_NOT_OK(found.status());
  shared().counters.exchange_search_nanos.Record(found->nanos);
  const std::string metadata = protocol::WriteExchangeMetadata(request_id, *found);
  const bool plain = compression_ == engine::BodyCompression::kNone;
  LB_ASSIGN_OR_RETURN(
      auto message, plain ? encoder_.Encode(*found->hits) : engine::EncodeBatch(*found->hits, compression_));
  // What a field says of one answer, an sq8 column's range, would be wrong of the stream's next.
  LB_ASSIGN_OR_RETURN(auto schema, protocol::WithoutSq8Range(found->hits->schema()));
  return Reply{std::move(schema), ToByteBuffer(protocol::EncodeBatchMessage(std::move(message), metadata))};
}

Status ExchangeStream::Ingest(StreamInput input) {
  const int64_t rows = input.batch.batch->num_rows();
  const uint64_t place = Owe();
  progress_.Begin(batches_, writer_->durability());
  window_->Write(writer_.get(), std::move(input.batch), input.message, {},
                 [self = Self(), place, number = batches_, rows](Result<engine::WriteAck> outcome) {
                   self->answers_.Fill(place, self->Acknowledge(number, rows, outcome));
                 });
  return Status::OK();
}

// Durable and visible, or what was wrong. From any thread.
ExchangeStream::Answer ExchangeStream::Acknowledge(uint64_t number, int64_t rows,
                                                   const Result<engine::WriteAck>& outcome) {
  progress_.Finish(number, outcome);
  (outcome.ok() ? shared().counters.rows_put : shared().counters.rows_put_failed).Add(rows);
  LB_RETURN_NOT_OK(outcome.status());
  shared().index_timing->RowsWritten(serving().engine(),
                                     std::get<protocol::ExchangeIngest>(*command_).dataset);
  const protocol::PutAck ack = progress_.Take(outcome->sequence, shared().options.put_window_bytes);
  const std::string metadata = protocol::WriteIngestAck(number, rows, ack);
  return Reply{nullptr, ToByteBuffer(protocol::EncodeMetadataMessage(metadata))};
}

}  // namespace longbow::server
