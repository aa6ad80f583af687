// Many small batches of one layout, encoded without laying each out anew.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>

#include "longbow/engine/batch_codec.h"

namespace longbow::engine {

// Answers to one query after the other differ in their values only: their IPC metadata is the same bytes.
// Guarded: batches of one stream may be encoded on several threads.
class BatchEncoder {
 public:
  // As EncodeBatch without compression.
  Result<IpcMessage> Encode(const arrow::RecordBatch& batch);

 private:
  static constexpr size_t kMaxColumns = 15;
  // All that IPC metadata tells of columns of plain numbers without nulls: rows, then each column's bytes.
  using Layout = std::array<int64_t, 1 + kMaxColumns>;
  static bool ReadLayout(const arrow::RecordBatch& batch, Layout* layout);

  std::mutex mutex_;
  Layout layout_{};  // of metadata_
  std::shared_ptr<arrow::Buffer> metadata_;
};

}  // namespace longbow::engine
