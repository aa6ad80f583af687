#include "longbow/base/buffer_chain.h"

#include <algorithm>
#include <cstring>

#include "longbow/base/streaming_copy.h"

namespace longbow {
namespace {

Status CheckRange(int64_t offset, int64_t length, int64_t size) {
  if (offset >= 0 && length >= 0 && offset <= size && length <= size - offset) return Status::OK();
  return InvalidArgument("byte range leaves the message: ", length, " bytes at offset ", offset, " of ",
                         size);
}

template <typename Copy>
Status CopyWith(const BufferChain& chain, int64_t offset, int64_t length, void* out, Copy&& copy) {
  LB_RETURN_NOT_OK(CheckRange(offset, length, chain.size()));
  auto* to = static_cast<uint8_t*>(out);
  chain.ForEachSpan(offset, length, [&](const uint8_t* data, int64_t n) {
    copy(to, data, static_cast<size_t>(n));
    to += n;
  });
  return Status::OK();
}

}  // namespace

BufferChain BufferChain::FromString(std::string bytes) {
  BufferChain chain;
  chain.AppendString(std::move(bytes));
  return chain;
}

void BufferChain::Append(std::shared_ptr<arrow::Buffer> piece) {
  if (piece == nullptr || piece->size() == 0) return;
  starts_.push_back(size_);
  size_ += piece->size();
  pieces_.push_back(std::move(piece));
}

void BufferChain::Append(const BufferChain& other) {
  const size_t n = other.pieces_.size();  // read first: `other` may be this chain
  for (size_t i = 0; i < n; ++i) Append(other.pieces_[i]);
}

void BufferChain::AppendString(std::string bytes) { Append(arrow::Buffer::FromString(std::move(bytes))); }

bool BufferChain::SharesAllOf(const BufferChain& other) const {
  return std::equal(
      pieces_.begin(), pieces_.end(), other.pieces_.begin(), other.pieces_.end(),
      [](const auto& a, const auto& b) { return a->data() == b->data() && a->size() == b->size(); });
}

Status BufferChain::CopyTo(int64_t offset, int64_t length, void* out) const {
  return CopyWith(*this, offset, length, out, std::memcpy);
}

Status BufferChain::CopyPastCachesTo(int64_t offset, int64_t length, void* out) const {
  return CopyWith(*this, offset, length, out, CopyPastCaches);
}

Result<BufferChain> BufferChain::Slice(int64_t offset, int64_t length) const {
  LB_RETURN_NOT_OK(CheckRange(offset, length, size_));
  BufferChain slice;
  for (size_t i = Locate(&offset); i < pieces_.size() && length > 0; ++i, offset = 0) {
    const int64_t n = std::min(length, pieces_[i]->size() - offset);
    slice.Append(n == pieces_[i]->size() ? pieces_[i] : arrow::SliceBuffer(pieces_[i], offset, n));
    length -= n;
  }
  return slice;
}

Result<std::shared_ptr<arrow::Buffer>> BufferChain::Join() const {
  if (pieces_.size() == 1) return pieces_[0];
  LB_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> joined, arrow::AllocateBuffer(size_));
  LB_RETURN_NOT_OK(CopyTo(0, size_, joined->mutable_data()));
  return joined;
}

size_t BufferChain::Locate(int64_t* offset) const {
  if (*offset >= size_) return pieces_.size();
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), *offset);
  const auto index = static_cast<size_t>(after - starts_.begin()) - 1;
  *offset -= starts_[index];
  return index;
}

}  // namespace longbow
