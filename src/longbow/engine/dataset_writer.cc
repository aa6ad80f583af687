#include "longbow/engine/dataset_writer.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "longbow/engine/column_type.h"

namespace longbow::engine {

Result<std::shared_ptr<DatasetWriter>> StreamWriter::Make(EngineParts* parts,
                                                          std::shared_ptr<Dataset> dataset,
                                                          std::shared_ptr<const StoredLayout> layout,
                                                          const arrow::Schema& schema) {
  auto writer = std::shared_ptr<StreamWriter>(new StreamWriter(parts, std::move(dataset), std::move(layout)));
  for (const auto& field : schema.fields()) {
    writer->has_dictionaries_ = writer->has_dictionaries_ || HasDictionary(*field->type());
  }
  if (writer->has_dictionaries_) {
    LB_ASSIGN_OR_RETURN(auto stored, StoredSchema(schema));
    LB_ASSIGN_OR_RETURN(writer->schema_, EncodeSchema(*stored));
  } else {
    LB_ASSIGN_OR_RETURN(writer->schema_, EncodeSchema(schema));
  }
  return writer;
}

Result<PutRecord> StreamWriter::MakeRecord(const IncomingBatch& batch, const IpcMessage& message,
                                           RetryKey retry) const {
  if (retry.client.size() > kMaxRetryName || retry.stream.size() > kMaxRetryName) {
    return InvalidArgument("client and stream names: at most ", kMaxRetryName, " bytes, given ",
                           retry.client.size(), " and ", retry.stream.size());
  }
  PutRecord record;
  record.retry = std::move(retry);
  record.schema = schema_;
  record.batch = message;
  if (has_dictionaries_) {
    LB_ASSIGN_OR_RETURN(record.batch, EncodeBatch(*batch.batch));
  }
  return record;
}

void StreamWriter::Write(IncomingBatch batch, const IpcMessage& message, RetryKey retry,
                         MemoryReservation reservation, WriteDone done) {
  const auto prepare = [&]() -> Status {
    LB_ASSIGN_OR_RETURN(auto put, PreparePut(*layout_, batch));
    LB_RETURN_NOT_OK(CheckRows(*layout_, batch, parts_->options.max_row_bytes, &put));
    LB_ASSIGN_OR_RETURN(auto record, MakeRecord(batch, message, std::move(retry)));
    LB_ASSIGN_OR_RETURN(auto memory,
                        parts_->ledger->Reserve(MemoryUse::kRows, put.MemoryNeeded(*layout_->schema)));
    dataset_->AppendPut(std::move(put), std::move(record), std::move(reservation), std::move(memory),
                        [parts = parts_, bytes = message.body.size(), done](Result<WriteAck> ack) {
                          parts->answer(bytes, std::move(ack), done);
                        });
    return Status::OK();
  };
  const Status status = prepare();
  if (status.ok()) return;
  parts_->counters.batches_rejected.Add();
  done(status);
}

}  // namespace longbow::engine
