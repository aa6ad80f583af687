#include "longbow/engine/ipc_message.h"

#include <cstring>

namespace longbow::engine {
namespace {

// A cursor over a flatbuffer: tables, vectors and scalars by position, each step checked against the end.
class FlatBuffer {
 public:
  FlatBuffer(const uint8_t* data, int64_t size) : data_(data), size_(size) {}

  template <typename T>
  Result<T> Scalar(int64_t at) const {
    T value;
    if (at < 0 || at > size_ - static_cast<int64_t>(sizeof(T)))
      return InvalidArgument("IPC metadata is cut short");
    std::memcpy(&value, data_ + at, sizeof(T));
    return value;
  }
  // The position an offset stored at `at` points to.
  Result<int64_t> Follow(int64_t at) const {
    LB_ASSIGN_OR_RETURN(const auto offset, Scalar<uint32_t>(at));
    return at + static_cast<int64_t>(offset);
  }
  // The position of field `number` of the table at `table`, 0 when absent.
  Result<int64_t> Field(int64_t table, int number) const {
    LB_ASSIGN_OR_RETURN(const auto to_vtable, Scalar<int32_t>(table));
    const int64_t vtable = table - to_vtable;
    LB_ASSIGN_OR_RETURN(const auto vtable_bytes, Scalar<uint16_t>(vtable));
    const int64_t slot = 4 + 2 * static_cast<int64_t>(number);
    if (slot + 2 > vtable_bytes) return int64_t{0};
    LB_ASSIGN_OR_RETURN(const auto offset, Scalar<uint16_t>(vtable + slot));
    return offset == 0 ? int64_t{0} : table + offset;
  }

 private:
  const uint8_t* const data_;
  const int64_t size_;
};

// Field numbers and union tags of Arrow's Message.fbs.
constexpr int kMessageHeaderType = 1, kMessageHeader = 2;
constexpr uint8_t kHeaderDictionaryBatch = 2, kHeaderRecordBatch = 3;
constexpr int kDictionaryData = 1;
constexpr int kBatchBuffers = 2, kBatchCompression = 3;
constexpr int64_t kBufferStructBytes = 16;  // offset, length

// The record batch table of the message, 0 when it has none.
Result<int64_t> FindBatch(const FlatBuffer& flat) {
  LB_ASSIGN_OR_RETURN(const int64_t root, flat.Follow(0));
  LB_ASSIGN_OR_RETURN(const int64_t type_at, flat.Field(root, kMessageHeaderType));
  LB_ASSIGN_OR_RETURN(const int64_t header_at, flat.Field(root, kMessageHeader));
  if (type_at == 0 || header_at == 0) return int64_t{0};
  LB_ASSIGN_OR_RETURN(const auto type, flat.Scalar<uint8_t>(type_at));
  LB_ASSIGN_OR_RETURN(const int64_t header, flat.Follow(header_at));
  if (type == kHeaderRecordBatch) return header;
  if (type != kHeaderDictionaryBatch) return int64_t{0};
  LB_ASSIGN_OR_RETURN(const int64_t data_at, flat.Field(header, kDictionaryData));
  return data_at == 0 ? Result<int64_t>(int64_t{0}) : flat.Follow(data_at);
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Buffer>> UnreadBody::ReadAt(int64_t position, int64_t nbytes) {
  if (position < 0 || nbytes < 0 || nbytes > size_ || position > size_ - nbytes) {
    return InvalidArgument("IPC buffer [", position, ", +", nbytes, ") lies outside the message body of ",
                           size_, " bytes");
  }
  if (nbytes > size_ - handed_out_) {
    return InvalidArgument("IPC buffers overlap: they claim more than the message body of ", size_, " bytes");
  }
  handed_out_ += nbytes;
  return std::make_shared<PlaceholderBuffer>(position, nbytes);
}
arrow::Result<std::shared_ptr<arrow::Buffer>> UnreadBody::ReadAt(int64_t position, int64_t nbytes, bool) {
  return ReadAt(position, nbytes);
}

namespace {
Status Unreadable() { return Error(ErrorCode::kInternal, "a message body is only handed out by position"); }
}  // namespace
arrow::Result<int64_t> UnreadBody::ReadAt(int64_t, int64_t, void*) { return Unreadable(); }
arrow::Result<int64_t> UnreadBody::ReadAt(int64_t, int64_t, bool, void*) { return Unreadable(); }
arrow::Result<int64_t> UnreadBody::Read(int64_t, void*) { return Unreadable(); }
arrow::Result<std::shared_ptr<arrow::Buffer>> UnreadBody::Read(int64_t) { return Unreadable(); }
arrow::Status UnreadBody::Seek(int64_t) { return Unreadable(); }

Result<std::shared_ptr<arrow::Buffer>> GatherBytes(const BufferChain& body, int64_t position, int64_t size) {
  if (position < 0 || size < 0 || size > body.size() || position > body.size() - size) {
    return InvalidArgument("IPC buffer lies outside the message body");
  }
  LB_ASSIGN_OR_RETURN(auto out, arrow::AllocateBuffer(size));
  if (size > 0) LB_RETURN_NOT_OK(body.CopyTo(position, size, out->mutable_data()));
  return std::shared_ptr<arrow::Buffer>(std::move(out));
}

Result<BodyLayout> ReadBodyLayout(const arrow::Buffer& metadata, const BufferChain& body) {
  const FlatBuffer flat(metadata.data(), metadata.size());
  BodyLayout out;
  LB_ASSIGN_OR_RETURN(const int64_t batch, FindBatch(flat));
  if (batch == 0) return out;
  LB_ASSIGN_OR_RETURN(const int64_t compression_at, flat.Field(batch, kBatchCompression));
  out.compressed = compression_at != 0;
  LB_ASSIGN_OR_RETURN(const int64_t buffers_at, flat.Field(batch, kBatchBuffers));
  if (!out.compressed || buffers_at == 0) return out;
  LB_ASSIGN_OR_RETURN(const int64_t buffers, flat.Follow(buffers_at));
  LB_ASSIGN_OR_RETURN(const auto count, flat.Scalar<uint32_t>(buffers));
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t entry = buffers + 4 + static_cast<int64_t>(i) * kBufferStructBytes;
    LB_ASSIGN_OR_RETURN(const auto offset, flat.Scalar<int64_t>(entry));
    LB_ASSIGN_OR_RETURN(const auto length, flat.Scalar<int64_t>(entry + 8));
    if (offset < 0 || length < 0 || length > body.size() || offset > body.size() - length) {
      return InvalidArgument("IPC buffer [", offset, ", +", length, ") lies outside the message body of ",
                             body.size(), " bytes");
    }
    if (length < 8) continue;
    // A compressed buffer begins with its decompressed size; -1 says that it was left uncompressed.
    int64_t size = 0;
    LB_RETURN_NOT_OK(body.CopyTo(offset, 8, &size));
    if (size == -1) size = length - 8;
    if (size < 0) return InvalidArgument("IPC buffer claims a decompressed size of ", size, " bytes");
    if (__builtin_add_overflow(out.decompressed_bytes, size, &out.decompressed_bytes)) {
      return InvalidArgument("IPC buffers claim an impossible decompressed size");
    }
  }
  return out;
}

}  // namespace longbow::engine
