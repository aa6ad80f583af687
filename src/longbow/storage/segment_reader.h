// Reads a segment front to back in large pieces.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "longbow/base/buffer_chain.h"
#include "longbow/storage/log_format.h"
#include "longbow/storage/segment_store.h"

namespace longbow::storage {

// Confined.
class SegmentReader {
 public:
  // Reads `window_bytes` at a time; a window is also the largest piece of a chain handed out.
  SegmentReader(const Segment* segment, uint64_t window_bytes)
      : segment_(segment), window_bytes_(window_bytes) {}

  // n contiguous bytes, n at most a window, valid until the next call; null when the file ends before them.
  Result<const uint8_t*> Peek(uint64_t offset, uint64_t n);
  // Pieces that keep themselves alive. Corruption when the file ends before them.
  Result<BufferChain> ReadChain(uint64_t offset, uint64_t n);
  // The header of the record at `offset` when a whole one of this use of the segment stands there and its
  // payload fits into the file.
  Result<std::optional<RecordHeader>> ReadHeader(uint64_t offset);

  const Segment& segment() const { return *segment_; }

 private:
  Status Load(uint64_t offset);

  const Segment* const segment_;
  const uint64_t window_bytes_;
  uint64_t window_offset_ = 0;
  std::shared_ptr<arrow::Buffer> window_;
};

// `record` of `reader`'s segment with its payload, or nothing when its checksum is wrong.
Result<std::optional<BufferChain>> ReadPayload(SegmentReader* reader, const RecordHeader& record);

}  // namespace longbow::storage
