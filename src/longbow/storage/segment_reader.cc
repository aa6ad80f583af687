#include "longbow/storage/segment_reader.h"

#include <algorithm>
#include <utility>

#include "longbow/base/check.h"
#include "longbow/base/crc32c.h"

namespace longbow::storage {

Result<const uint8_t*> SegmentReader::Peek(uint64_t offset, uint64_t n) {
  LB_CHECK_FATAL(n <= window_bytes_);
  if (offset + n > segment_->bytes) return nullptr;
  const bool inside = window_ != nullptr && offset >= window_offset_ &&
                      offset + n <= window_offset_ + static_cast<uint64_t>(window_->size());
  if (!inside) LB_RETURN_NOT_OK(Load(offset));
  return window_->data() + (offset - window_offset_);
}

Result<BufferChain> SegmentReader::ReadChain(uint64_t offset, uint64_t n) {
  if (n > segment_->bytes || offset > segment_->bytes - n) {
    return Error(ErrorCode::kCorruption, "log segment ", segment_->path, " ends before offset ", offset + n);
  }
  BufferChain chain;
  while (n > 0) {
    const bool inside = window_ != nullptr && offset >= window_offset_ &&
                        offset < window_offset_ + static_cast<uint64_t>(window_->size());
    if (!inside) LB_RETURN_NOT_OK(Load(offset));
    const uint64_t start = offset - window_offset_;
    const uint64_t take = std::min(n, static_cast<uint64_t>(window_->size()) - start);
    chain.Append(arrow::SliceBuffer(window_, static_cast<int64_t>(start), static_cast<int64_t>(take)));
    offset += take;
    n -= take;
  }
  return chain;
}

Result<std::optional<RecordHeader>> SegmentReader::ReadHeader(uint64_t offset) {
  LB_ASSIGN_OR_RETURN(const uint8_t* bytes, Peek(offset, kRecordHeaderBytes));
  if (bytes == nullptr) return std::nullopt;
  std::optional<RecordHeader> record = DecodeRecordHeader(bytes);
  if (!record || record->salt != segment_->header.salt || record->offset != offset) return std::nullopt;
  const uint64_t room = segment_->bytes - offset - kRecordHeaderBytes;
  if (record->payload_bytes > room || record->payload_bytes + PaddingBytes(record->payload_bytes) > room) {
    return std::nullopt;
  }
  return record;
}

Status SegmentReader::Load(uint64_t offset) {
  const uint64_t n = std::min(window_bytes_, segment_->bytes - offset);
  // Whoever kept a piece of the window keeps its memory.
  const bool reusable =
      window_ != nullptr && window_.use_count() == 1 && window_->size() == static_cast<int64_t>(n);
  if (!reusable) {
    LB_ASSIGN_OR_RETURN(window_, arrow::AllocateBuffer(static_cast<int64_t>(n)));
  }
  window_offset_ = offset;
  const Status read = segment_->file->Read(offset, {window_->mutable_data(), static_cast<size_t>(n)});
  if (!read.ok()) {
    window_.reset();
    return WithContext(read, "log segment " + segment_->path + ", offset " + std::to_string(offset));
  }
  return Status::OK();
}

Result<std::optional<BufferChain>> ReadPayload(SegmentReader* reader, const RecordHeader& record) {
  const uint64_t padded = record.payload_bytes + PaddingBytes(record.payload_bytes);
  LB_ASSIGN_OR_RETURN(BufferChain bytes, reader->ReadChain(record.offset + kRecordHeaderBytes, padded));
  if (ExtendCrc32c(0, bytes) != record.payload_crc) return std::nullopt;
  LB_ASSIGN_OR_RETURN(BufferChain payload, bytes.Slice(0, static_cast<int64_t>(record.payload_bytes)));
  return std::make_optional(std::move(payload));
}

}  // namespace longbow::storage
