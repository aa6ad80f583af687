// Recovery: the log's records through the same apply that writes use.
#include "longbow/engine/dataset.h"

namespace longbow::engine {

Status Dataset::Restored(Sequence at, const DatasetState& state) {
  applied_sequence_ = at;
  next_hidden_key_ = state.next_hidden_key;
  rows_appended_ = state.rows;
  return edges_->Restore(state.edges);
}

Status Dataset::ReplayEvolve(const storage::LogRecord& record) {
  EvolveSchemaRecord evolve;
  LB_RETURN_NOT_OK(Decode(record.payload, &evolve));
  BatchDecoder decoder;
  IncomingBatch none;
  LB_RETURN_NOT_OK(decoder.Next(evolve.schema, &none).status());
  LB_ASSIGN_OR_RETURN(auto merged, MergeSchema(applied_->schema, *decoder.schema(), kReplayLimits));
  LB_ASSIGN_OR_RETURN(auto vectors, shard_->MakeVectors(*merged, applied_->schema->vectors.size()));
  ApplyLayout(record.position.sequence, StoredLayout::Make(merged), std::move(vectors));
  appended_ = applied_;
  return Status::OK();
}

Status Dataset::ReplayPut(const storage::LogRecord& record) {
  PutRecord put;
  LB_RETURN_NOT_OK(Decode(record.payload, &put));
  BatchDecoder decoder;
  IncomingBatch incoming;
  LB_RETURN_NOT_OK(decoder.Next(put.schema, &incoming).status());
  LB_ASSIGN_OR_RETURN(const bool no_batch, decoder.Next(put.batch, &incoming));
  if (no_batch) return Error(ErrorCode::kCorruption, "a put record without a batch");
  LB_ASSIGN_OR_RETURN(auto prepared, PreparePut(*applied_, incoming));
  if (prepared.rows != put.rows || put.hidden_keys != (applied_->schema->key == KeyKind::kHidden)) {
    return Error(ErrorCode::kCorruption, "a put record that does not fit its dataset");
  }
  if (put.hidden_keys) {
    prepared.DrawKeys(put.first_hidden_key);
    next_hidden_key_ = put.first_hidden_key + static_cast<uint64_t>(put.rows);
  }
  LB_ASSIGN_OR_RETURN(const WriteAck ack, ApplyPut(record.position.sequence, &prepared));
  rows_appended_ += static_cast<uint64_t>(put.rows);
  parts_->retries.Finish(id_, put.retry, ack);
  return Status::OK();
}

Status Dataset::ReplayDelete(const storage::LogRecord& record) {
  DeleteRecord deletion;
  LB_RETURN_NOT_OK(Decode(record.payload, &deletion));
  if (deletion.kind != applied_->schema->key) {
    return Error(ErrorCode::kCorruption, "a delete record that does not fit its dataset");
  }
  CountRows(0, shard_->Delete(record.position.sequence, deletion.keys));
  applied_sequence_ = record.position.sequence;
  return Status::OK();
}

}  // namespace longbow::engine
