// Reading an IPC message without reading its body: where its buffers lie, and a file that hands them out
// unread.
#pragma once

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include <cstdint>
#include <memory>

#include "longbow/base/buffer_chain.h"
#include "longbow/base/status.h"

namespace longbow::engine {

// Stands for bytes of a message body that nobody has read: it has a size and a position, and no memory.
class PlaceholderBuffer final : public arrow::Buffer {
 public:
  PlaceholderBuffer(int64_t position, int64_t size) : arrow::Buffer(nullptr, size), position_(position) {}
  int64_t position() const { return position_; }

 private:
  const int64_t position_;
};

// A message body as a file whose ReadAt returns placeholders, so that Arrow lays out a batch without touching
// a byte of it. Refuses ranges outside the body, and more bytes in total than the body has: sound messages do
// not use a byte twice, and what is gathered later is bounded by that. Confined.
class UnreadBody final : public arrow::io::RandomAccessFile {
 public:
  explicit UnreadBody(int64_t size) : size_(size) {}

  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes,
                                                       bool allow_short_read) override;
  arrow::Result<int64_t> ReadAt(int64_t, int64_t, void*) override;
  arrow::Result<int64_t> ReadAt(int64_t, int64_t, bool, void*) override;
  arrow::Result<int64_t> Read(int64_t, void*) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t) override;
  arrow::Result<int64_t> GetSize() override { return size_; }
  arrow::Result<int64_t> Tell() const override { return 0; }
  arrow::Status Seek(int64_t) override;
  arrow::Status Close() override { return arrow::Status::OK(); }
  bool closed() const override { return false; }

 private:
  const int64_t size_;
  int64_t handed_out_ = 0;
};

// Copies [position, position + size) of `body` into 64-byte aligned memory of its own.
Result<std::shared_ptr<arrow::Buffer>> GatherBytes(const BufferChain& body, int64_t position, int64_t size);

// What a record batch or dictionary message says about its body. `metadata` is a flatbuffer that Arrow has
// verified.
struct BodyLayout {
  bool compressed = false;
  int64_t decompressed_bytes = 0;  // of all buffers together, as the body's length prefixes claim
};
Result<BodyLayout> ReadBodyLayout(const arrow::Buffer& metadata, const BufferChain& body);

}  // namespace longbow::engine
