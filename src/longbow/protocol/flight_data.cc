#include "longbow/protocol/flight_data.h"

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>

#include <algorithm>
#include <cstring>

#include "longbow/engine/batch_codec.h"

namespace longbow::protocol {
namespace {

// Field numbers of Flight.proto; all are length-delimited.
enum Field : uint64_t { kDescriptor = 1, kHeader = 2, kAppMetadata = 3, kBody = 1000 };
enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

constexpr uint64_t Tag(Field field) { return field << 3 | kLengthDelimited; }

// Reads protobuf's wire format across the borders of pieces. Confined.
class Cursor {
 public:
  explicit Cursor(const BufferChain& chain) : pieces_(chain.pieces()), left_(chain.size()) {}
  int64_t left() const { return left_; }

  bool Varint(uint64_t* out) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && left_ > 0; shift += 7) {
      const uint8_t byte = *Here();
      Advance(1);
      if (shift == 63 && byte > 1) return false;  // a 65th bit
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) {
        *out = value;
        return true;
      }
    }
    return false;
  }
  // The rest need n <= left().
  void Copy(int64_t n, void* out) {
    auto* to = static_cast<uint8_t*>(out);
    Walk(n, [&](const std::shared_ptr<arrow::Buffer>& piece, int64_t at, int64_t length) {
      std::memcpy(to, piece->data() + at, static_cast<size_t>(length));
      to += length;
    });
  }
  BufferChain Share(int64_t n) {
    BufferChain out;
    Walk(n, [&](const std::shared_ptr<arrow::Buffer>& piece, int64_t at, int64_t length) {
      out.Append(length == piece->size() ? piece : arrow::SliceBuffer(piece, at, length));
    });
    return out;
  }
  void Skip(int64_t n) {
    Walk(n, [](const std::shared_ptr<arrow::Buffer>&, int64_t, int64_t) {});
  }

 private:
  const uint8_t* Here() {
    while (offset_ == pieces_[index_]->size()) ++index_, offset_ = 0;
    return pieces_[index_]->data() + offset_;
  }
  void Advance(int64_t n) { offset_ += n, left_ -= n; }
  template <typename Visit>
  void Walk(int64_t n, Visit&& visit) {
    while (n > 0) {
      Here();
      const int64_t step = std::min(n, pieces_[index_]->size() - offset_);
      visit(pieces_[index_], offset_, step);
      Advance(step);
      n -= step;
    }
  }

  const std::vector<std::shared_ptr<arrow::Buffer>>& pieces_;
  int64_t left_;
  size_t index_ = 0;
  int64_t offset_ = 0;
};

Status Undecodable(std::string_view why) { return InvalidArgument("message is no FlightData: ", why); }

Status SkipUnknown(uint64_t wire_type, Cursor* in) {
  uint64_t n = 0;
  switch (wire_type) {
    case kVarint:
      return in->Varint(&n) ? Status::OK() : Undecodable("number cut short");
    case kFixed64:
    case kFixed32:
      n = wire_type == kFixed64 ? 8 : 4;
      break;
    case kLengthDelimited:
      if (!in->Varint(&n)) return Undecodable("length cut short");
      break;
    default:
      return Undecodable("unknown wire type");
  }
  if (n > static_cast<uint64_t>(in->left())) return Undecodable("field is longer than the message");
  in->Skip(static_cast<int64_t>(n));
  return Status::OK();
}

Status ReadPart(uint64_t field, int64_t n, Cursor* in, FlightData* out) {
  if (field != kBody && n > static_cast<int64_t>(kMaxSmallPart)) {
    return InvalidArgument("FlightData field ", field, " has ", n, " bytes, at most ", kMaxSmallPart,
                           " are allowed");
  }
  switch (field) {
    case kDescriptor:
      if (out->descriptor) return Undecodable("two descriptors");
      in->Copy(n, out->descriptor.emplace(static_cast<size_t>(n), '\0').data());
      return Status::OK();
    case kHeader: {
      if (out->header) return Undecodable("two headers");
      LB_ASSIGN_OR_RETURN(auto header, arrow::AllocateBuffer(n));  // aligned, as flatbuffers must be
      in->Copy(n, header->mutable_data());
      out->header = std::move(header);
      return Status::OK();
    }
    case kAppMetadata:
      if (!out->app_metadata.empty()) return Undecodable("two app_metadata");
      out->app_metadata.resize(static_cast<size_t>(n));
      in->Copy(n, out->app_metadata.data());
      return Status::OK();
    default:
      if (out->body) return Undecodable("two bodies");
      out->body = in->Share(n);
      return Status::OK();
  }
}

bool IsKnown(uint64_t tag) {
  return tag == Tag(kDescriptor) || tag == Tag(kHeader) || tag == Tag(kAppMetadata) || tag == Tag(kBody);
}

void PutVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

void PutPart(Field field, std::string_view bytes, std::string* out) {
  PutVarint(Tag(field), out);
  PutVarint(bytes.size(), out);
  out->append(bytes);
}

}  // namespace

Result<FlightData> ParseFlightData(const BufferChain& message) {
  Cursor in(message);
  FlightData out;
  bool known = message.size() == 0;  // an empty message is protobuf for "all defaults"
  while (in.left() > 0) {
    uint64_t tag = 0;
    if (!in.Varint(&tag) || tag > UINT32_MAX || tag >> 3 == 0) return Undecodable("bad tag");
    if (!IsKnown(tag)) {
      LB_RETURN_NOT_OK(SkipUnknown(tag & 7, &in));
      continue;
    }
    known = true;
    uint64_t n = 0;
    if (!in.Varint(&n)) return Undecodable("length cut short");
    if (n > static_cast<uint64_t>(in.left())) return Undecodable("field is longer than the message");
    LB_RETURN_NOT_OK(ReadPart(tag >> 3, static_cast<int64_t>(n), &in, &out));
  }
  if (!known) return Undecodable("it has no field that Flight knows");
  return out;
}

BufferChain EncodeFlightData(const FlightData& data) {
  std::string head;
  const size_t header_bytes = data.header ? static_cast<size_t>(data.header->size()) : 0;
  head.reserve(40 + header_bytes + data.app_metadata.size() +
               (data.descriptor ? data.descriptor->size() : 0));
  if (data.descriptor) PutPart(kDescriptor, *data.descriptor, &head);
  if (data.header) PutPart(kHeader, std::string_view(*data.header), &head);
  if (!data.app_metadata.empty()) PutPart(kAppMetadata, data.app_metadata, &head);
  if (data.body) {
    PutVarint(Tag(kBody), &head);
    PutVarint(static_cast<uint64_t>(data.body->size()), &head);
  }
  BufferChain out = BufferChain::FromString(std::move(head));
  if (data.body) out.Append(*data.body);
  return out;
}

Result<BufferChain> EncodeSchemaMessage(const arrow::Schema& schema, std::string_view app_metadata) {
  LB_ASSIGN_OR_RETURN(engine::IpcMessage message, engine::EncodeSchema(schema));
  FlightData data;
  data.header = std::move(message.metadata);
  data.app_metadata = app_metadata;
  return EncodeFlightData(data);
}

Result<BufferChain> EncodeBatchMessage(const arrow::RecordBatch& batch, std::string_view app_metadata,
                                       engine::BodyCompression compression) {
  LB_ASSIGN_OR_RETURN(engine::IpcMessage message, engine::EncodeBatch(batch, compression));
  return EncodeBatchMessage(std::move(message), app_metadata);
}

BufferChain EncodeBatchMessage(engine::IpcMessage message, std::string_view app_metadata) {
  FlightData data;
  data.header = std::move(message.metadata);
  data.app_metadata = app_metadata;
  data.body = std::move(message.body);  // present even when empty: readers of a batch expect one
  return EncodeFlightData(data);
}

BufferChain EncodeMetadataMessage(std::string_view app_metadata) {
  FlightData data;
  data.app_metadata = app_metadata;
  return EncodeFlightData(data);
}

}  // namespace longbow::protocol
