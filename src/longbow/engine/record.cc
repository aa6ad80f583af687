#include "longbow/engine/record.h"

#include <bit>
#include <cstring>

#include "longbow/engine/ipc_message.h"

namespace longbow::engine {
namespace {

static_assert(std::endian::native == std::endian::little, "records are little-endian");

constexpr uint32_t kVersion = 1;
constexpr uint32_t kHiddenKeys = 1;

// Builds the fixed part of a payload.
class Writer {
 public:
  Writer() { Number(kVersion); }
  template <typename T>
  Writer& Number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Writer& Bytes(std::string_view bytes) {
    bytes_.append(bytes);
    return *this;
  }
  Writer& Text(std::string_view text) { return Number(static_cast<uint32_t>(text.size())).Bytes(text); }
  Writer& Metadata(const IpcMessage& message) {
    const auto& metadata = *message.metadata;
    return Text({reinterpret_cast<const char*>(metadata.data()), static_cast<size_t>(metadata.size())});
  }
  Writer& AddKey(KeyKind kind, const Key& key) {
    return kind == KeyKind::kString ? Text(key.text) : Number(key.number);
  }
  BufferChain Finish() { return BufferChain::FromString(std::move(bytes_)); }

 private:
  std::string bytes_;
};

Status Damaged() {
  return Error(ErrorCode::kCorruption, "a log record's payload does not have the layout of its kind");
}

// Takes a payload apart, each step checked against what is left.
class Reader {
 public:
  explicit Reader(const BufferChain& payload) : payload_(payload) {}

  Status Version() {
    uint32_t version = 0;
    LB_RETURN_NOT_OK(Number(&version));
    if (version > kVersion) {
      return Error(ErrorCode::kFailedPrecondition, "a log record has format version ", version,
                   ", this program reads ", kVersion, "; use a newer one");
    }
    return version == kVersion ? Status::OK() : Damaged();
  }
  template <typename T>
  Status Number(T* value) {
    if (left() < static_cast<int64_t>(sizeof(T))) return Damaged();
    LB_RETURN_NOT_OK(payload_.CopyTo(at_, sizeof(T), value));
    at_ += static_cast<int64_t>(sizeof(T));
    return Status::OK();
  }
  Status Bytes(uint64_t count, std::string* out) {
    if (count > static_cast<uint64_t>(left())) return Damaged();
    out->resize(count);
    LB_RETURN_NOT_OK(payload_.CopyTo(at_, static_cast<int64_t>(count), out->data()));
    at_ += static_cast<int64_t>(count);
    return Status::OK();
  }
  Status Text(std::string* out) {
    uint32_t size = 0;
    LB_RETURN_NOT_OK(Number(&size));
    return Bytes(size, out);
  }
  Status ReadKey(KeyKind kind, Key* key) {
    if (kind != KeyKind::kString) return Number(&key->number);
    LB_RETURN_NOT_OK(Text(&key->text));
    key->number = StringKeyNumber(key->text);
    return Status::OK();
  }
  Status Metadata(uint32_t size, IpcMessage* message) {
    if (size > left()) return Damaged();
    LB_RETURN_NOT_OK(GatherBytes(payload_, at_, size).Value(&message->metadata));
    at_ += size;
    return Status::OK();
  }
  Status Metadata(IpcMessage* message) {
    uint32_t size = 0;
    LB_RETURN_NOT_OK(Number(&size));
    return Metadata(size, message);
  }
  Status Body(uint64_t size, BufferChain* out) {
    if (size > static_cast<uint64_t>(left())) return Damaged();
    LB_RETURN_NOT_OK(payload_.Slice(at_, static_cast<int64_t>(size)).Value(out));
    at_ += static_cast<int64_t>(size);
    return Status::OK();
  }
  Status End() const { return left() == 0 ? Status::OK() : Damaged(); }
  int64_t left() const { return payload_.size() - at_; }

 private:
  const BufferChain& payload_;
  int64_t at_ = 0;
};

}  // namespace

BufferChain Encode(const CreateNamespaceRecord& record) { return Writer().Text(record.name).Finish(); }

Status Decode(const BufferChain& payload, CreateNamespaceRecord* record) {
  Reader in(payload);
  LB_RETURN_NOT_OK(in.Version());
  LB_RETURN_NOT_OK(in.Text(&record->name));
  return in.End();
}

BufferChain Encode(const DropNamespaceRecord& record) {
  Writer out;
  out.Text(record.name).Number(static_cast<uint32_t>(record.datasets.size()));
  for (const DatasetId id : record.datasets) out.Number(id);
  return out.Finish();
}

Status Decode(const BufferChain& payload, DropNamespaceRecord* record) {
  Reader in(payload);
  uint32_t count = 0;
  LB_RETURN_NOT_OK(in.Version());
  LB_RETURN_NOT_OK(in.Text(&record->name));
  LB_RETURN_NOT_OK(in.Number(&count));
  if (count > in.left() / static_cast<int64_t>(sizeof(DatasetId))) return Damaged();
  record->datasets.resize(count);
  for (DatasetId& id : record->datasets) LB_RETURN_NOT_OK(in.Number(&id));
  return in.End();
}

BufferChain Encode(const CreateDatasetRecord& record) {
  return Writer().Number(record.id).Text(record.name).Metadata(record.schema).Finish();
}

Status Decode(const BufferChain& payload, CreateDatasetRecord* record) {
  Reader in(payload);
  LB_RETURN_NOT_OK(in.Version());
  LB_RETURN_NOT_OK(in.Number(&record->id));
  LB_RETURN_NOT_OK(in.Text(&record->name));
  LB_RETURN_NOT_OK(in.Metadata(&record->schema));
  return in.End();
}

BufferChain Encode(const EvolveSchemaRecord& record) { return Writer().Metadata(record.schema).Finish(); }

Status Decode(const BufferChain& payload, EvolveSchemaRecord* record) {
  Reader in(payload);
  LB_RETURN_NOT_OK(in.Version());
  LB_RETURN_NOT_OK(in.Metadata(&record->schema));
  return in.End();
}

BufferChain Encode(const DropDatasetRecord&) { return Writer().Finish(); }

Status Decode(const BufferChain& payload, DropDatasetRecord*) {
  Reader in(payload);
  LB_RETURN_NOT_OK(in.Version());
  return in.End();
}

BufferChain Encode(const PutRecord& record) {
  Writer out;
  out.Number(record.hidden_keys ? kHiddenKeys : 0u);
  out.Number(record.retry.sequence).Number(record.first_hidden_key).Number(record.rows);
  out.Number(static_cast<uint32_t>(record.retry.client.size()));
  out.Number(static_cast<uint32_t>(record.retry.stream.size()));
  out.Number(static_cast<uint32_t>(record.schema.metadata->size()));
  out.Number(static_cast<uint32_t>(record.batch.metadata->size()));
  out.Number(record.batch.body.size());
  out.Bytes(record.retry.client).Bytes(record.retry.stream);
  BufferChain payload = out.Finish();
  payload.Append(record.schema.metadata);
  payload.Append(record.batch.metadata);
  payload.Append(record.batch.body);
  return payload;
}

Status Decode(const BufferChain& payload, PutRecord* record) {
  Reader in(payload);
  uint32_t flags = 0, client = 0, stream = 0, schema = 0, metadata = 0;
  uint64_t body = 0;
  LB_RETURN_NOT_OK(in.Version());
  LB_RETURN_NOT_OK(in.Number(&flags));
  LB_RETURN_NOT_OK(in.Number(&record->retry.sequence));
  LB_RETURN_NOT_OK(in.Number(&record->first_hidden_key));
  LB_RETURN_NOT_OK(in.Number(&record->rows));
  LB_RETURN_NOT_OK(in.Number(&client));
  LB_RETURN_NOT_OK(in.Number(&stream));
  LB_RETURN_NOT_OK(in.Number(&schema));
  LB_RETURN_NOT_OK(in.Number(&metadata));
  LB_RETURN_NOT_OK(in.Number(&body));
  LB_RETURN_NOT_OK(in.Bytes(client, &record->retry.client));
  LB_RETURN_NOT_OK(in.Bytes(stream, &record->retry.stream));
  LB_RETURN_NOT_OK(in.Metadata(schema, &record->schema));
  LB_RETURN_NOT_OK(in.Metadata(metadata, &record->batch));
  LB_RETURN_NOT_OK(in.Body(body, &record->batch.body));
  record->hidden_keys = (flags & kHiddenKeys) != 0;
  return in.End();
}

BufferChain Encode(const DeleteRecord& record) {
  Writer out;
  out.Number(static_cast<uint8_t>(record.kind)).Number(static_cast<uint32_t>(record.keys.size()));
  for (const Key& key : record.keys) out.AddKey(record.kind, key);
  return out.Finish();
}

Status Decode(const BufferChain& payload, DeleteRecord* record) {
  Reader in(payload);
  uint8_t kind = 0;
  uint32_t count = 0;
  LB_RETURN_NOT_OK(in.Version());
  LB_RETURN_NOT_OK(in.Number(&kind));
  LB_RETURN_NOT_OK(in.Number(&count));
  if (kind > static_cast<uint8_t>(KeyKind::kString) || count > in.left() / 4) return Damaged();
  record->kind = static_cast<KeyKind>(kind);
  record->keys.resize(count);
  for (Key& key : record->keys) LB_RETURN_NOT_OK(in.ReadKey(record->kind, &key));
  return in.End();
}

BufferChain Encode(const AddEdgesRecord& record) {
  Writer out;
  out.Number(static_cast<uint8_t>(record.kind)).Number(static_cast<uint32_t>(record.edges.size()));
  for (const Edge& edge : record.edges) {
    out.AddKey(record.kind, edge.subject).Text(edge.predicate).AddKey(record.kind, edge.object);
    out.Number(edge.weight);
  }
  return out.Finish();
}

Status Decode(const BufferChain& payload, AddEdgesRecord* record) {
  constexpr int64_t kLeastEdgeBytes = 16;  // three lengths and a weight
  Reader in(payload);
  uint8_t kind = 0;
  uint32_t count = 0;
  LB_RETURN_NOT_OK(in.Version());
  LB_RETURN_NOT_OK(in.Number(&kind));
  LB_RETURN_NOT_OK(in.Number(&count));
  if (kind > static_cast<uint8_t>(KeyKind::kString) || count > in.left() / kLeastEdgeBytes) return Damaged();
  record->kind = static_cast<KeyKind>(kind);
  record->edges.resize(count);
  for (Edge& edge : record->edges) {
    LB_RETURN_NOT_OK(in.ReadKey(record->kind, &edge.subject));
    LB_RETURN_NOT_OK(in.Text(&edge.predicate));
    LB_RETURN_NOT_OK(in.ReadKey(record->kind, &edge.object));
    LB_RETURN_NOT_OK(in.Number(&edge.weight));
  }
  return in.End();
}

}  // namespace longbow::engine
