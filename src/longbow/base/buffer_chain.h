// Bytes in several pieces that are never joined: a message as the network delivered it, a log payload.
#pragma once

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"

namespace longbow {

// Confined: one owner at a time. Copies share the pieces.
class BufferChain {
 public:
  BufferChain() = default;
  explicit BufferChain(std::shared_ptr<arrow::Buffer> piece) { Append(std::move(piece)); }
  static BufferChain FromString(std::string bytes);

  void Append(std::shared_ptr<arrow::Buffer> piece);  // empty pieces are dropped
  void Append(const BufferChain& other);
  void AppendString(std::string bytes);

  int64_t size() const { return size_; }
  const std::vector<std::shared_ptr<arrow::Buffer>>& pieces() const { return pieces_; }

  // Whether the two are the same memory in the same pieces.
  bool SharesAllOf(const BufferChain& other) const;

  // Copies [offset, offset + length) to `out`. InvalidArgument when the range leaves the chain.
  Status CopyTo(int64_t offset, int64_t length, void* out) const;
  // The same to memory that is not read again soon.
  Status CopyPastCachesTo(int64_t offset, int64_t length, void* out) const;
  // Shares [offset, offset + length).
  Result<BufferChain> Slice(int64_t offset, int64_t length) const;
  // The whole in one piece: shared when there is one already, else copied.
  Result<std::shared_ptr<arrow::Buffer>> Join() const;

  // Calls visit(const uint8_t* data, int64_t n) for each contiguous stretch of [offset, offset + length), in
  // order.
  template <typename Visit>
  void ForEachSpan(int64_t offset, int64_t length, Visit&& visit) const {
    for (size_t i = Locate(&offset); i < pieces_.size() && length > 0; ++i, offset = 0) {
      const int64_t n = std::min(length, pieces_[i]->size() - offset);
      visit(pieces_[i]->data() + offset, n);
      length -= n;
    }
  }

 private:
  size_t Locate(int64_t* offset) const;  // piece that holds *offset, which becomes relative to it

  std::vector<std::shared_ptr<arrow::Buffer>> pieces_;
  std::vector<int64_t> starts_;  // of each piece
  int64_t size_ = 0;
};

}  // namespace longbow
