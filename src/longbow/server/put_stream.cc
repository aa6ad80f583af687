#include "longbow/server/put_stream.h"

#include <arrow/record_batch.h>

#include <utility>

#include "longbow/server/byte_buffers.h"

namespace longbow::server {

PutStream::PutStream(std::shared_ptr<FlightShared> shared, grpc::CallbackServerContext* context)
    : StreamReactor(std::move(shared), context, FlightCall::kDoPut, Input::kMessages),
      window_(std::make_shared<WriteWindow>(serving().ledger(), this->shared().options.put_window_bytes)) {}

void PutStream::OnMessage(BufferChain message) {
  auto data = protocol::ParseFlightData(message);
  if (!data.ok()) return Fail(data.status());
  if (opened_) return Handle(*std::move(data));
  const Status first = OnFirst(*data);
  if (!first.ok()) return Fail(first);
  opened_ = true;
  WhenOpen([this, data = *std::move(data)]() mutable { Handle(std::move(data)); });
}

Status PutStream::OnFirst(const protocol::FlightData& data) {
  LB_ASSIGN_OR_RETURN(const auto descriptor, BatchInput::Descriptor(data));
  LB_ASSIGN_OR_RETURN(dataset_, protocol::DatasetOf(descriptor));
  return Status::OK();
}

void PutStream::Handle(protocol::FlightData data) {
  auto input = input_.Next(std::move(data));
  if (!input.ok()) return Fail(input.status());
  const Status handled = HandleInput(*std::move(input));
  if (!handled.ok()) return Fail(handled);
  window_->WhenRoom([self = Self()] { self->Continue(); });
}

Status PutStream::HandleInput(StreamInput input) {
  switch (input.kind) {
    case InputKind::kSchema:
      return OpenWriter();
    case InputKind::kMetadata:
      return HandleMetadata(input.app_metadata);
    case InputKind::kBatch:
      break;
  }
  ++batches_;
  shared().counters.put_batch_rows.Record(input.batch.batch->num_rows());
  shared().counters.put_payload_bytes.Record(input.message.body.size());
  if (mode_ == Mode::kUndecided) LB_RETURN_NOT_OK(DecideMode(input.app_metadata));
  return mode_ == Mode::kAcknowledged ? WriteAcknowledged(std::move(input)) : WriteSimple(std::move(input));
}

Status PutStream::OpenWriter() {
  if (writer_ || !input_.schema()) return Status::OK();  // dictionaries come after the schema
  LB_ASSIGN_OR_RETURN(writer_, serving().engine()->OpenWriter(dataset_, *input_.schema()));
  return Status::OK();
}

Status PutStream::DecideMode(const std::string& app_metadata) {
  LB_ASSIGN_OR_RETURN(const bool acknowledged, protocol::SelectsAcknowledgedMode(app_metadata));
  mode_ = acknowledged ? Mode::kAcknowledged : Mode::kSimple;
  return Status::OK();
}

Result<protocol::PutFrame> PutStream::ReadFrame(const std::string& app_metadata) const {
  LB_ASSIGN_OR_RETURN(auto frame, protocol::ReadPutFrame(app_metadata));
  if (writer_) {
    LB_RETURN_NOT_OK(protocol::CheckPutDurability(frame, storage::DurabilityName(writer_->durability())));
  }
  return frame;
}

// A message without a batch: FIN of an acknowledged stream. Simple streams may carry what they like.
Status PutStream::HandleMetadata(const std::string& app_metadata) {
  if (mode_ == Mode::kUndecided) {
    LB_ASSIGN_OR_RETURN(const bool acknowledged, protocol::SelectsAcknowledgedMode(app_metadata));
    if (acknowledged) mode_ = Mode::kAcknowledged;
  }
  if (mode_ != Mode::kAcknowledged) return Status::OK();
  LB_ASSIGN_OR_RETURN(const auto frame, ReadFrame(app_metadata));
  return sequence_.Next(frame, false, 0).status();
}

Status PutStream::WriteSimple(StreamInput input) {
  {
    std::lock_guard lock(mutex_);
    if (!first_error_.ok()) return Status::OK();  // the stream is about to end with it
  }
  const int64_t rows = input.batch.batch->num_rows();
  window_->Write(writer_.get(), std::move(input.batch), input.message, {},
                 [self = Self(), number = batches_, rows](Result<engine::WriteAck> outcome) {
                   self->Written(number, rows, outcome);
                 });
  return Status::OK();
}

Status PutStream::WriteAcknowledged(StreamInput input) {
  LB_ASSIGN_OR_RETURN(const auto frame, ReadFrame(input.app_metadata));
  const int64_t rows = input.batch.batch->num_rows();
  LB_RETURN_NOT_OK(sequence_.Next(frame, true, rows).status());
  progress_.Begin(frame.sequence, writer_->durability());
  const Status checked = protocol::CheckPutFrame(frame, rows, input.message.body);
  if (!checked.ok()) {
    Written(frame.sequence, rows, checked);
    return Status::OK();
  }
  engine::RetryKey retry;
  if (!sequence_.client().empty()) retry = {sequence_.client(), sequence_.stream(), frame.sequence};
  window_->Write(writer_.get(), std::move(input.batch), input.message, std::move(retry),
                 [self = Self(), number = frame.sequence, rows](Result<engine::WriteAck> outcome) {
                   self->Written(number, rows, outcome);
                 });
  return Status::OK();
}

// From any thread.
void PutStream::Written(uint64_t number, int64_t rows, const Result<engine::WriteAck>& outcome) {
  (outcome.ok() ? shared().counters.rows_put : shared().counters.rows_put_failed).Add(rows);
  if (outcome.ok()) shared().index_timing->RowsWritten(serving().engine(), dataset_);
  if (mode_ == Mode::kAcknowledged) {
    progress_.Finish(number, outcome);
    return TellSoon();
  }
  if (outcome.ok()) return;
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    first = first_error_.ok();
    if (first) first_error_ = outcome.status();
  }
  if (first) Post([this] { Fail(Status::OK()); });  // not from inside the engine's completion
}

// Ends the stream once what is under way is done: batches before the error stay, and are told.
void PutStream::Fail(const Status& why) {
  if (mode_ == Mode::kAcknowledged && !why.ok()) progress_.Reject(sequence_.last(), why);
  window_->WhenDrained([self = Self(), why] { self->Conclude(why); });
}

void PutStream::OnHalfClose() {
  if (!writer_ && mode_ != Mode::kAcknowledged) {
    return Fail(InvalidArgument("the stream ended before its schema: send a schema to create dataset '",
                                dataset_, "'"));
  }
  const Status end = mode_ == Mode::kAcknowledged ? sequence_.End() : Status::OK();
  const auto self = Self();
  const auto drained = [self, end](const Status& ready) {
    self->window_->WhenDrained([self, outcome = ready.ok() ? end : ready] { self->Conclude(outcome); });
  };
  if (writer_) {
    writer_->WhenReady(drained);
  } else {
    drained(Status::OK());
  }
}

void PutStream::Conclude(const Status& outcome) {
  if (mode_ == Mode::kAcknowledged) {
    {
      std::lock_guard lock(mutex_);
      if (!conclusion_) conclusion_ = outcome;
    }
    return Tell();
  }
  Status first_error;
  {
    std::lock_guard lock(mutex_);
    first_error = first_error_;
  }
  End(first_error.ok() ? outcome : first_error);
}

void PutStream::TellSoon() {
  if (progress_.idle() || progress_.untold() >= kAckBatches) return Tell();
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(tell_scheduled_, true)) return;
  }
  const auto self = Self();
  shared().searchers().PostAfter(kAckDelayNanos, [self] {
    {
      std::lock_guard lock(self->mutex_);
      self->tell_scheduled_ = false;
    }
    if (self->progress_.untold() > 0) self->Tell();
  });
}

// One thread tells at a time, so that acknowledgements never go backwards.
void PutStream::Tell() {
  if (Over()) return;  // the engine need not be there any more
  std::unique_lock lock(mutex_);
  if (std::exchange(telling_, true)) {
    tell_again_ = true;
    return;
  }
  do {
    tell_again_ = false;
    lock.unlock();
    const protocol::PutAck ack =
        progress_.Take(serving().engine()->committed(), shared().options.put_window_bytes);
    Send(ToByteBuffer(protocol::EncodePutResult(protocol::WritePutAck(ack))));
    lock.lock();
  } while (tell_again_);
  telling_ = false;
  if (!conclusion_) return;
  const Status outcome = *conclusion_;
  lock.unlock();
  End(outcome);
}

}  // namespace longbow::server
