// One stream of batches on its way into a dataset.
#pragma once

#include <memory>
#include <string>

#include "longbow/engine/dataset.h"

namespace longbow::engine {

// Confined to its stream.
class StreamWriter final : public DatasetWriter {
 public:
  // `schema` as the client sent it; `layout` a version of the dataset's that has all its columns.
  static Result<std::shared_ptr<DatasetWriter>> Make(EngineParts* parts, std::shared_ptr<Dataset> dataset,
                                                     std::shared_ptr<const StoredLayout> layout,
                                                     const arrow::Schema& schema);

  void WhenReady(Done done) override { dataset_->queue().WhenApplied(std::move(done)); }
  void Write(IncomingBatch batch, const IpcMessage& message, RetryKey retry, MemoryReservation reservation,
             WriteDone done) override;
  const std::string& dataset() const override { return dataset_->name(); }
  storage::Durability durability() const override { return layout_->schema->durability; }

 private:
  StreamWriter(EngineParts* parts, std::shared_ptr<Dataset> dataset,
               std::shared_ptr<const StoredLayout> layout)
      : parts_(parts), dataset_(std::move(dataset)), layout_(std::move(layout)) {}
  // What the log says about the batch, beside the rows' keys.
  Result<PutRecord> MakeRecord(const IncomingBatch& batch, const IpcMessage& message, RetryKey retry) const;

  EngineParts* const parts_;
  const std::shared_ptr<Dataset> dataset_;
  const std::shared_ptr<const StoredLayout> layout_;
  IpcMessage schema_;  // goes into every record
  bool has_dictionaries_ = false;
};

}  // namespace longbow::engine
