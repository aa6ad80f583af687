#include "longbow/server/byte_buffers.h"

#include <arrow/buffer.h>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace longbow::server {
namespace {

// Up to these sizes a piece, or a whole message, is cheaper to copy than to send as slices with references to
// count.
constexpr int64_t kCopyBelow = 256;
constexpr int64_t kJoinBelow = 16 << 10;

class SliceBuffer final : public arrow::Buffer {
 public:
  explicit SliceBuffer(grpc::Slice slice) : arrow::Buffer(nullptr, 0), slice_(std::move(slice)) {
    data_ = slice_.begin();  // only now: small slices hold their bytes themselves
    size_ = capacity_ = static_cast<int64_t>(slice_.size());
  }

 private:
  const grpc::Slice slice_;
};

grpc::Slice ToSlice(const std::shared_ptr<arrow::Buffer>& piece) {
  const auto size = static_cast<size_t>(piece->size());
  if (piece->size() <= kCopyBelow) return grpc::Slice(piece->data(), size);
  auto holder = std::make_unique<std::shared_ptr<arrow::Buffer>>(piece);
  // gRPC does not write into slices it sends; its constructor just has no const.
  return grpc::Slice(
      const_cast<uint8_t*>(piece->data()), size,
      [](void* held) { delete static_cast<std::shared_ptr<arrow::Buffer>*>(held); }, holder.release());
}

}  // namespace

BufferChain ToChain(const grpc::ByteBuffer& message) {
  BufferChain out;
  std::vector<grpc::Slice> slices;
  if (!message.Dump(&slices).ok()) return out;
  for (auto& slice : slices) out.Append(std::make_shared<SliceBuffer>(std::move(slice)));
  return out;
}

grpc::ByteBuffer ToByteBuffer(const BufferChain& chain) {
  if (chain.size() <= kJoinBelow) {
    const grpc::Slice joined(static_cast<size_t>(chain.size()));
    auto* out = const_cast<uint8_t*>(joined.begin());  // ours until it is handed on
    chain.ForEachSpan(0, chain.size(), [&](const uint8_t* data, int64_t n) {
      std::memcpy(out, data, static_cast<size_t>(n));
      out += n;
    });
    return grpc::ByteBuffer(&joined, 1);
  }
  std::vector<grpc::Slice> slices;
  slices.reserve(chain.pieces().size());
  for (const auto& piece : chain.pieces()) slices.push_back(ToSlice(piece));
  return grpc::ByteBuffer(slices.data(), slices.size());
}

grpc::ByteBuffer ToByteBuffer(std::string bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToText(const BufferChain& message) {
  std::string out;
  out.reserve(static_cast<size_t>(message.size()));
  for (const auto& piece : message.pieces())
    out.append(reinterpret_cast<const char*>(piece->data()), static_cast<size_t>(piece->size()));
  return out;
}

}  // namespace longbow::server
