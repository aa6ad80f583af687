#include "longbow/engine/catalog_state.h"

#include <arrow/type.h>

#include <algorithm>
#include <cstring>

#include "longbow/base/buffer_chain.h"
#include "longbow/engine/batch_codec.h"
#include "longbow/engine/column_type.h"
#include "longbow/index/vector_index.h"

namespace longbow::engine {
namespace {

constexpr uint32_t kVersion = 1;

class Writer {
 public:
  template <typename T>
  Writer& Number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Writer& Count(size_t count) { return Number(static_cast<uint32_t>(count)); }
  Writer& Text(std::string_view text) {
    Count(text.size());
    bytes_.append(text);
    return *this;
  }
  std::string Finish() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Takes fields off the front; what is not there is zero or empty, and noted. Confined.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}
  template <typename T>
  T Number() {
    T value{};
    if (left_.size() < sizeof(T)) {
      Fail();
    } else {
      std::memcpy(&value, left_.data(), sizeof(T));
      left_.remove_prefix(sizeof(T));
    }
    return value;
  }
  std::string Text() {
    const auto size = Number<uint32_t>();
    if (size > left_.size()) {
      Fail();
      return {};
    }
    std::string text(left_.substr(0, size));
    left_.remove_prefix(size);
    return text;
  }
  // A number of things that each take at least a byte.
  uint64_t Count(uint64_t count) {
    if (count > left_.size()) Fail();
    return failed_ ? 0 : count;
  }
  bool AtEnd() const { return !failed_ && left_.empty(); }
  bool failed() const { return failed_; }

 private:
  void Fail() {
    failed_ = true;
    left_ = {};
  }
  std::string_view left_;
  bool failed_ = false;
};

Status Damaged() {
  return Error(ErrorCode::kCorruption, "manifest: its catalog does not have the layout of one");
}

void AppendLinks(const std::vector<EdgeStore::Link>& links, Writer* out) {
  out->Count(links.size());
  for (const auto& link : links) out->Number(link.node).Number(link.predicate).Number(link.weight);
}

void AppendEdges(const EdgeStore::Content& edges, Writer* out) {
  out->Count(edges.predicates.size());
  for (const auto& predicate : edges.predicates) out->Text(predicate);
  out->Count(edges.nodes.size());
  for (const auto& node : edges.nodes) {
    out->Number(node.key.number).Text(node.key.text);
    AppendLinks(node.out, out);
    AppendLinks(node.in, out);
  }
}

std::vector<EdgeStore::Link> TakeLinks(Reader* in) {
  std::vector<EdgeStore::Link> links(in->Count(in->Number<uint32_t>()));
  for (auto& link : links) {
    link.node = in->Number<uint32_t>();
    link.predicate = in->Number<uint32_t>();
    link.weight = in->Number<float>();
  }
  return links;
}

EdgeStore::Content TakeEdges(Reader* in) {
  EdgeStore::Content edges;
  for (uint64_t left = in->Count(in->Number<uint32_t>()); left > 0; --left) {
    edges.predicates.push_back(in->Text());
  }
  for (uint64_t left = in->Count(in->Number<uint32_t>()); left > 0 && !in->failed(); --left) {
    auto& node = edges.nodes.emplace_back();
    node.key.number = in->Number<uint64_t>();
    node.key.text = in->Text();
    node.out = TakeLinks(in);
    node.in = TakeLinks(in);
  }
  return edges;
}

Status AppendDataset(const DatasetState& dataset, Writer* out) {
  const DatasetSchema& schema = *dataset.schema;
  LB_ASSIGN_OR_RETURN(const auto message, EncodeSchema(*schema.arrow));
  out->Number(dataset.id).Text(dataset.name).Number(dataset.rows).Number(dataset.next_hidden_key);
  out->Number(schema.version)
      .Number(static_cast<uint8_t>(schema.durability))
      .Number(static_cast<uint8_t>(schema.key))
      .Number(static_cast<uint32_t>(schema.key_field))
      .Number(static_cast<uint32_t>(schema.default_vector));
  out->Text({reinterpret_cast<const char*>(message.metadata->data()),
             static_cast<size_t>(message.metadata->size())});
  out->Count(schema.vectors.size());
  for (const auto& column : schema.vectors) {
    out->Number(static_cast<uint32_t>(column.field))
        .Number(static_cast<uint8_t>(column.type))
        .Number(static_cast<uint8_t>(column.metric))
        .Number(column.dim)
        .Text(column.index)
        .Text(column.codec);
  }
  AppendEdges(dataset.edges, out);
  return Status::OK();
}

Status TakeVectors(Reader* in, DatasetSchema* schema) {
  const int fields = schema->arrow->num_fields();
  for (uint64_t left = in->Count(in->Number<uint32_t>()); left > 0; --left) {
    VectorColumn column;
    column.field = static_cast<int>(in->Number<uint32_t>());
    const auto type = in->Number<uint8_t>(), metric = in->Number<uint8_t>();
    column.dim = in->Number<uint32_t>();
    column.index = in->Text();
    column.codec = in->Text();
    if (in->failed() || column.field < 0 || column.field >= fields || type >= distance::kElementTypes ||
        metric >= distance::kMetrics) {
      return Damaged();
    }
    column.type = static_cast<distance::ElementType>(type);
    column.metric = static_cast<distance::Metric>(metric);
    const auto& field = *schema->arrow->field(column.field);
    column.name = field.name();
    const int64_t scalars = int64_t{column.dim} * distance::ScalarsPerElement(column.type);
    if (field.type()->id() != arrow::Type::FIXED_SIZE_LIST || scalars == 0 ||
        static_cast<const arrow::FixedSizeListType&>(*field.type()).list_size() != scalars) {
      return Damaged();
    }
    LB_RETURN_NOT_OK(index::FindIndexType(column.index).status());
    schema->vectors.push_back(std::move(column));
  }
  return Status::OK();
}

Status TakeDataset(Reader* in, DatasetState* dataset) {
  dataset->id = in->Number<DatasetId>();
  dataset->name = in->Text();
  dataset->rows = in->Number<RowOrdinal>();
  dataset->next_hidden_key = in->Number<uint64_t>();
  auto schema = std::make_shared<DatasetSchema>();
  schema->version = in->Number<SchemaVersion>();
  const auto durability = in->Number<uint8_t>(), key = in->Number<uint8_t>();
  schema->key_field = static_cast<int>(in->Number<uint32_t>());
  schema->default_vector = static_cast<int>(in->Number<uint32_t>());
  IpcMessage message;
  message.metadata = arrow::Buffer::FromString(in->Text());
  if (in->failed() || durability > static_cast<uint8_t>(storage::Durability::kMemory) ||
      key > static_cast<uint8_t>(KeyKind::kString)) {
    return Damaged();
  }
  schema->durability = static_cast<storage::Durability>(durability);
  schema->key = static_cast<KeyKind>(key);
  BatchDecoder decoder;
  IncomingBatch none;
  LB_RETURN_NOT_OK(decoder.Next(message, &none).status());
  LB_ASSIGN_OR_RETURN(schema->arrow, StoredSchema(*decoder.schema()));
  LB_ASSIGN_OR_RETURN(schema->async_window, ReadAsyncWindow(*schema->arrow));
  LB_RETURN_NOT_OK(TakeVectors(in, schema.get()));
  const auto vectors = static_cast<int>(schema->vectors.size());
  if (schema->key_field < -1 || schema->key_field >= schema->arrow->num_fields() ||
      (schema->key == KeyKind::kHidden) != (schema->key_field == -1) || schema->default_vector < -1 ||
      schema->default_vector >= vectors) {
    return Damaged();
  }
  dataset->schema = std::move(schema);
  dataset->edges = TakeEdges(in);
  return Status::OK();
}

void AppendRetry(const KnownBatch& batch, Writer* out) {
  out->Number(batch.dataset).Text(batch.key.client).Text(batch.key.stream).Number(batch.key.sequence);
  out->Number(batch.ack.sequence).Number(batch.ack.rows).Number(static_cast<uint8_t>(batch.ack.durability));
}

KnownBatch TakeRetry(Reader* in) {
  KnownBatch batch;
  batch.dataset = in->Number<DatasetId>();
  batch.key.client = in->Text();
  batch.key.stream = in->Text();
  batch.key.sequence = in->Number<uint64_t>();
  batch.ack.sequence = in->Number<Sequence>();
  batch.ack.rows = in->Number<int64_t>();
  batch.ack.durability = static_cast<storage::Durability>(in->Number<uint8_t>());
  return batch;
}

}  // namespace

Result<std::string> EncodeCatalog(const CatalogState& state) {
  Writer out;
  out.Number(kVersion).Number(state.next_id).Count(state.namespaces.size());
  for (const auto& name : state.namespaces) out.Text(name);
  out.Count(state.datasets.size());
  for (const auto& dataset : state.datasets) LB_RETURN_NOT_OK(AppendDataset(dataset, &out));
  out.Number(uint64_t{state.retries.size()});
  for (const auto& batch : state.retries) AppendRetry(batch, &out);
  return out.Finish();
}

Result<CatalogState> DecodeCatalog(std::string_view bytes) {
  Reader in(bytes);
  CatalogState state;
  if (const auto version = in.Number<uint32_t>(); version != kVersion) {
    if (version < kVersion) return Damaged();
    return Error(ErrorCode::kFailedPrecondition, "manifest: its catalog has format version ", version,
                 ", this program reads ", kVersion, "; use a newer one");
  }
  state.next_id = in.Number<DatasetId>();
  for (uint64_t left = in.Count(in.Number<uint32_t>()); left > 0; --left) {
    state.namespaces.push_back(in.Text());
  }
  for (uint64_t left = in.Count(in.Number<uint32_t>()); left > 0; --left) {
    LB_RETURN_NOT_OK(TakeDataset(&in, &state.datasets.emplace_back()));
  }
  for (uint64_t left = in.Count(in.Number<uint64_t>()); left > 0 && !in.failed(); --left) {
    state.retries.push_back(TakeRetry(&in));
  }
  if (!in.AtEnd()) return Damaged();
  return state;
}

}  // namespace longbow::engine
