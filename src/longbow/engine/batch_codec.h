// Arrow IPC messages in and out, without joining what the network delivered.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "longbow/base/buffer_chain.h"
#include "longbow/base/status.h"

namespace arrow {
class Buffer;
class RecordBatch;
class Schema;
}  // namespace arrow

namespace longbow::engine {

// One IPC message: the flatbuffer, and the body in whatever pieces it came.
struct IpcMessage {
  std::shared_ptr<arrow::Buffer> metadata;
  BufferChain body;
};

// The values of a FixedSizeList column as they lie in a message body: never brought into one piece. Row r
// begins at offset + r * row_bytes. Pieces are not aligned.
struct LazyVectors {
  BufferChain body;
  int64_t offset = 0;
  int64_t row_bytes = 0;
};

// A decoded batch whose vector columns are still in the message. `batch` has all columns in the stream's
// order; the values buffer of a lazy column must not be touched through it (validity may).
struct IncomingBatch {
  std::shared_ptr<arrow::RecordBatch> batch;
  std::vector<LazyVectors> vectors;  // by column; row_bytes == 0: not lazy
};

// Brings every lazy column into memory of its own, so that `batch` may be read like any other: for batches of
// queries, which are small.
Status GatherVectors(IncomingBatch* incoming);

// Decodes one direction of a Flight data stream. Confined.
// Dictionaries and views are decoded to plain columns. Compressed bodies are decompressed within a bound of
// kMaxDecompressed. Anything that is not a sound schema, dictionary or record batch is InvalidArgument;
// nothing else is trusted: every non-lazy column is validated in full.
class BatchDecoder {
 public:
  BatchDecoder();
  ~BatchDecoder();
  static constexpr int64_t kMaxDecompressed = int64_t{512} << 20;

  // True when the message was the schema or a dictionary, false when it was a batch, which is then in
  // `*batch`.
  Result<bool> Next(const IpcMessage& message, IncomingBatch* batch);
  // Null before the schema came. As the client sent it.
  const std::shared_ptr<arrow::Schema>& schema() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// For what does not come from the network: tests, replay of small batches, the Python-free tools.
Result<IpcMessage> EncodeSchema(const arrow::Schema& schema);
enum class BodyCompression : uint8_t { kNone, kLz4, kZstd };
// Without compression bodies refer to the batch's own buffers.
Result<IpcMessage> EncodeBatch(const arrow::RecordBatch& batch,
                               BodyCompression compression = BodyCompression::kNone);

}  // namespace longbow::engine
