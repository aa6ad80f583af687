#include "longbow/engine/dataset_schema.h"

#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/key_value_metadata.h>

#include <charconv>
#include <unordered_set>

#include "longbow/engine/column_type.h"
#include "longbow/engine/text_columns.h"
#include "longbow/index/vector_index.h"

namespace longbow::engine {
namespace {

constexpr uint32_t kMaxDimensions = 32768;
constexpr std::string_view kKeyColumn = "id";
// Columns that sealed blocks add (docs/formats/block.md).
constexpr std::string_view kReservedColumns[] = {"_ordinal", "_seq", "_key"};

using Metadata = std::shared_ptr<const arrow::KeyValueMetadata>;

std::optional<std::string> Lookup(const Metadata& metadata, const char* key) {
  if (metadata == nullptr) return std::nullopt;
  const int at = metadata->FindKey(key);
  if (at < 0) return std::nullopt;
  return metadata->value(at);
}

constexpr const char* kAsyncWindowMs = "longbow.async_window_ms";
constexpr const char* kAsyncWindowBytes = "longbow.async_window_bytes";
constexpr int64_t kNanosPerMs = 1'000'000;
constexpr int64_t kMaxAsyncWindowMs = 3'600'000;
constexpr int64_t kMaxAsyncWindowBytes = int64_t{1} << 30;

// What the metadata say about a vector column: the field's word before the schema's.
std::optional<std::string> Setting(const arrow::Schema& schema, const arrow::Field& field, const char* key) {
  if (auto own = Lookup(field.metadata(), key)) return own;
  return Lookup(schema.metadata(), key);
}

bool IsVector(const arrow::DataType& type) {
  return type.id() == arrow::Type::FIXED_SIZE_LIST && NumberType(*type.field(0)->type()).has_value();
}

std::optional<distance::ElementType> ComplexOf(distance::ElementType physical) {
  if (physical == distance::ElementType::kFloat32) return distance::ElementType::kComplex64;
  if (physical == distance::ElementType::kFloat64) return distance::ElementType::kComplex128;
  return std::nullopt;
}

// The element type that metadata give to a column of `physical` scalars.
Result<distance::ElementType> LogicalElement(const arrow::Schema& schema, const arrow::Field& field,
                                             distance::ElementType physical, bool is_default) {
  const auto complex = ComplexOf(physical);
  const bool own = Lookup(field.metadata(), "longbow.vector_type").has_value();
  if (auto text = Setting(schema, field, "longbow.vector_type")) {
    const auto named = distance::ElementTypeFromName(*text);
    if (named == physical || (named.has_value() && named == complex)) return *named;
    if (own || is_default) {
      return InvalidArgument("column '", field.name(), "': longbow.vector_type is '", *text,
                             "' but the column holds ", distance::ElementTypeName(physical),
                             "; name the type that is sent");
    }
  }
  if (Setting(schema, field, "longbow.complex").value_or("") == "true" && complex.has_value())
    return *complex;
  return physical;
}

Result<VectorColumn> ReadVector(const arrow::Schema& schema, int at, bool is_default,
                                const SchemaLimits& limits) {
  const arrow::Field& field = *schema.field(at);
  const auto& list = static_cast<const arrow::FixedSizeListType&>(*field.type());
  VectorColumn column;
  column.field = at;
  column.name = field.name();
  const distance::ElementType physical = *NumberType(*list.value_type());
  LB_ASSIGN_OR_RETURN(column.type, LogicalElement(schema, field, physical, is_default));
  const int scalars = distance::ScalarsPerElement(column.type);
  if (list.list_size() <= 0) {
    return InvalidArgument("column '", field.name(), "': vectors need at least 1 dimension, given ",
                           list.list_size());
  }
  if (list.list_size() % scalars != 0) {
    return InvalidArgument("column '", field.name(), "': complex vectors need an even list size, given ",
                           list.list_size());
  }
  column.dim = static_cast<uint32_t>(list.list_size() / scalars);
  const uint32_t max_dim = std::min(limits.max_dim, kMaxDimensions);
  if (column.dim > max_dim) {
    return InvalidArgument("column '", field.name(), "': ", column.dim, " dimensions, at most ", max_dim,
                           " are allowed");
  }
  if (auto text = Setting(schema, field, "longbow.metric")) {
    const auto metric = distance::MetricFromName(*text);
    if (!metric.has_value()) {
      return InvalidArgument("column '", field.name(), "': unknown longbow.metric '", *text,
                             "'; known: l2, euclidean, cosine, ip, dot_product");
    }
    column.metric = *metric;
  }
  column.index = Setting(schema, field, "longbow.index").value_or(std::string(kDefaultIndex));
  LB_ASSIGN_OR_RETURN(const index::IndexType* type, index::FindIndexType(column.index));
  column.codec = Setting(schema, field, "longbow.codec").value_or("auto");
  if (const Status known = index::CheckCodec(*type, column.codec); !known.ok()) {
    return InvalidArgument("column '", field.name(), "': ", known.message());
  }
  return column;
}

Result<storage::Durability> ReadDurability(const std::string& text) {
  for (const auto level :
       {storage::Durability::kFsync, storage::Durability::kAsync, storage::Durability::kMemory}) {
    if (storage::DurabilityName(level) == text) return level;
  }
  return InvalidArgument("longbow.durability is '", text, "'; known: fsync, async, memory");
}

Result<KeyKind> ReadKeyKind(const arrow::DataType& type) {
  if (arrow::is_signed_integer(type.id())) return KeyKind::kSigned;
  if (arrow::is_unsigned_integer(type.id())) return KeyKind::kUnsigned;
  if (type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING) return KeyKind::kString;
  return InvalidArgument("column 'id': expected an integer or string type, given ", type.ToString());
}

Status CheckName(const std::string& name, std::unordered_set<std::string>* seen) {
  if (name.empty()) return InvalidArgument("a column has no name; every column needs one");
  for (const auto reserved : kReservedColumns) {
    if (name == reserved) return InvalidArgument("column name '", name, "' is reserved; rename the column");
  }
  if (!seen->insert(name).second) return InvalidArgument("column '", name, "' appears twice in the schema");
  return Status::OK();
}

// Every column but the key can be left out by a later writer, so it can be null.
Result<std::shared_ptr<arrow::Field>> StoredColumn(const arrow::Field& field) {
  LB_ASSIGN_OR_RETURN(auto stored, StoredField(field));
  return stored->name() == kKeyColumn ? stored : stored->WithNullable(true);
}

int DefaultVectorField(const arrow::Schema& schema) {
  int first = -1, embedding = -1;
  for (int i = 0; i < schema.num_fields(); ++i) {
    if (!IsVector(*schema.field(i)->type())) continue;
    if (schema.field(i)->name() == "vector") return i;
    if (schema.field(i)->name() == "embedding") embedding = i;
    if (first < 0) first = i;
  }
  return embedding >= 0 ? embedding : first;
}

void SetDefaultVector(DatasetSchema* schema) {
  const int field = DefaultVectorField(*schema->arrow);
  schema->default_vector = -1;
  for (size_t i = 0; i < schema->vectors.size(); ++i) {
    if (schema->vectors[i].field == field) schema->default_vector = static_cast<int>(i);
  }
}

Status CheckVectorCount(const DatasetSchema& schema) {
  if (schema.vectors.size() <= kMaxVectorColumns) return Status::OK();
  return InvalidArgument("the dataset would have ", schema.vectors.size(), " vector columns, at most ",
                         kMaxVectorColumns, " are allowed");
}

Status CheckKeyUnchanged(const DatasetSchema& current, const DatasetSchema& given) {
  if (current.key_field < 0 && given.key_field >= 0) {
    return InvalidArgument(
        "column 'id' cannot be added: the dataset was created without it and draws its own keys");
  }
  if (current.key_field >= 0 && given.key_field < 0) {
    return InvalidArgument("column 'id' is missing: the dataset was created with it, expected type ",
                           current.arrow->field(current.key_field)->type()->ToString());
  }
  return Status::OK();
}

Status Mismatch(const arrow::Field& expected, const std::string& given) {
  return InvalidArgument("schema mismatch: type mismatch for column '", expected.name(), "': expected ",
                         expected.type()->ToString(), ", given ", given);
}

Status AnotherExtension(const arrow::Field& expected, const arrow::Field& given) {
  const auto named = [](const arrow::Field& field) {
    const std::string name = ExtensionName(field);
    return name.empty() ? field.type()->ToString(/*show_metadata=*/true) : "extension type '" + name + "'";
  };
  const bool renamed = ExtensionName(expected) != ExtensionName(given);
  return InvalidArgument("schema mismatch: type mismatch for column '", expected.name(), "': expected ",
                         named(expected), ", given ", named(given), renamed ? "" : " with other parameters",
                         "; send the storage type, ", expected.type()->ToString());
}

// A stream may repeat a vector column's settings, not change them; settings it does not name are not
// compared.
Status CheckVectorUnchanged(const VectorColumn& current, const arrow::Schema& incoming,
                            const VectorColumn& given, const arrow::Field& field) {
  const arrow::Field& sent = *incoming.field(given.field);
  const bool typed =
      Setting(incoming, sent, "longbow.vector_type") || Setting(incoming, sent, "longbow.complex");
  if (typed && current.type != given.type) {
    return Mismatch(field, std::string(distance::ElementTypeName(given.type)) + " elements where " +
                               std::string(distance::ElementTypeName(current.type)) + " are stored");
  }
  if (Setting(incoming, sent, "longbow.metric") && current.metric != given.metric) {
    return Error(ErrorCode::kFailedPrecondition, "column '", current.name, "': longbow.metric is ",
                 distance::MetricName(current.metric), " since the column was created, given ",
                 distance::MetricName(given.metric));
  }
  if (Setting(incoming, sent, "longbow.index") && current.index != given.index) {
    return Error(ErrorCode::kFailedPrecondition, "column '", current.name, "': longbow.index is ",
                 current.index, " since the column was created, given ", given.index);
  }
  return Status::OK();
}

}  // namespace

const VectorColumn* DatasetSchema::FindVector(std::string_view name) const {
  if (name.empty()) return default_vector < 0 ? nullptr : &vectors[static_cast<size_t>(default_vector)];
  for (const auto& column : vectors) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

Result<std::shared_ptr<const DatasetSchema>> ReadSchema(const arrow::Schema& schema,
                                                        const SchemaLimits& limits) {
  if (schema.num_fields() == 0) return InvalidArgument("the schema has no columns");
  if (schema.num_fields() > limits.max_columns) {
    return InvalidArgument("the schema has ", schema.num_fields(), " columns, at most ", limits.max_columns,
                           " are allowed");
  }
  if (!schema.is_native_endian())
    return InvalidArgument("big-endian data are not supported; send little-endian");
  auto out = std::make_shared<DatasetSchema>();
  arrow::FieldVector fields;
  std::unordered_set<std::string> seen;
  for (const auto& field : schema.fields()) {
    LB_RETURN_NOT_OK(CheckName(field->name(), &seen));
    LB_ASSIGN_OR_RETURN(auto stored, StoredColumn(*field));
    fields.push_back(std::move(stored));
  }
  out->arrow = arrow::schema(std::move(fields), schema.metadata());
  LB_RETURN_NOT_OK(CheckTextMetadata(*out->arrow));
  const int default_field = DefaultVectorField(*out->arrow);
  for (int i = 0; i < out->arrow->num_fields(); ++i) {
    const arrow::Field& field = *out->arrow->field(i);
    if (field.name() == kKeyColumn) {
      LB_ASSIGN_OR_RETURN(out->key, ReadKeyKind(*field.type()));
      out->key_field = i;
    } else if (IsVector(*field.type())) {
      LB_ASSIGN_OR_RETURN(auto column, ReadVector(*out->arrow, i, i == default_field, limits));
      out->vectors.push_back(std::move(column));
    }
  }
  LB_RETURN_NOT_OK(CheckVectorCount(*out));
  SetDefaultVector(out.get());
  if (auto text = Lookup(schema.metadata(), "longbow.durability")) {
    LB_ASSIGN_OR_RETURN(out->durability, ReadDurability(*text));
  }
  LB_ASSIGN_OR_RETURN(out->async_window, ReadAsyncWindow(*out->arrow));
  return out;
}

namespace {

Result<int64_t> ReadNumber(const arrow::Schema& schema, const char* key, int64_t otherwise, int64_t least,
                           int64_t most) {
  const auto text = Lookup(schema.metadata(), key);
  if (!text) return otherwise;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size() || number < least || number > most) {
    return InvalidArgument(key, " is '", text->substr(0, 64), "', expected a number from ", least, " to ",
                           most);
  }
  return number;
}

// A stream that says nothing about the window takes the dataset's.
Status CheckWindowUnchanged(const DatasetSchema& current, const DatasetSchema& given) {
  const auto check = [&](const char* key, int64_t has, int64_t wants) -> Status {
    if (!Lookup(given.arrow->metadata(), key) || has == wants) return Status::OK();
    return Error(ErrorCode::kFailedPrecondition, key, " of the dataset is ", has, ", given ", wants,
                 "; it is set when the dataset is created");
  };
  LB_RETURN_NOT_OK(
      check(kAsyncWindowMs, current.async_window.ns / kNanosPerMs, given.async_window.ns / kNanosPerMs));
  return check(kAsyncWindowBytes, static_cast<int64_t>(current.async_window.bytes),
               static_cast<int64_t>(given.async_window.bytes));
}

}  // namespace

Result<storage::AsyncWindow> ReadAsyncWindow(const arrow::Schema& schema) {
  storage::AsyncWindow window;
  LB_ASSIGN_OR_RETURN(const int64_t ms,
                      ReadNumber(schema, kAsyncWindowMs, window.ns / kNanosPerMs, 1, kMaxAsyncWindowMs));
  LB_ASSIGN_OR_RETURN(
      const int64_t bytes,
      ReadNumber(schema, kAsyncWindowBytes, static_cast<int64_t>(window.bytes), 1, kMaxAsyncWindowBytes));
  window.ns = ms * kNanosPerMs;
  window.bytes = static_cast<uint64_t>(bytes);
  return window;
}

Result<std::shared_ptr<const DatasetSchema>> MergeSchema(const std::shared_ptr<const DatasetSchema>& current,
                                                         const arrow::Schema& incoming,
                                                         const SchemaLimits& limits) {
  // A changed list size is a type change whatever the new size, so widths are judged after types.
  for (const auto& field : incoming.fields()) {
    const auto known = current->arrow->GetFieldByName(field->name());
    if (known == nullptr) continue;
    LB_ASSIGN_OR_RETURN(auto stored, StoredField(*field));
    if (!SameColumnType(*known->type(), *stored->type())) return Mismatch(*known, stored->type()->ToString());
    if (!SameExtensions(*known, *stored)) return AnotherExtension(*known, *stored);
  }
  LB_ASSIGN_OR_RETURN(auto given, ReadSchema(incoming, limits));
  LB_RETURN_NOT_OK(CheckKeyUnchanged(*current, *given));
  if (Lookup(incoming.metadata(), "longbow.durability") && given->durability != current->durability) {
    return Error(ErrorCode::kFailedPrecondition, "longbow.durability of the dataset is ",
                 storage::DurabilityName(current->durability), ", given ",
                 storage::DurabilityName(given->durability), "; it is set when the dataset is created");
  }
  LB_RETURN_NOT_OK(CheckWindowUnchanged(*current, *given));
  for (const auto& column : given->vectors) {
    const VectorColumn* known = current->FindVector(column.name);
    if (known == nullptr) continue;
    LB_RETURN_NOT_OK(
        CheckVectorUnchanged(*known, *given->arrow, column, *current->arrow->field(known->field)));
  }
  auto out = std::make_shared<DatasetSchema>(*current);
  arrow::FieldVector fields = current->arrow->fields();
  for (int i = 0; i < given->arrow->num_fields(); ++i) {
    const auto& field = given->arrow->field(i);
    if (current->arrow->GetFieldByName(field->name()) != nullptr) continue;
    for (auto column : given->vectors) {
      if (column.field != i) continue;
      column.field = static_cast<int>(fields.size());
      out->vectors.push_back(std::move(column));
    }
    fields.push_back(field);
  }
  if (fields.size() == current->arrow->fields().size()) return current;
  if (static_cast<int>(fields.size()) > limits.max_columns) {
    return InvalidArgument("the dataset would have ", fields.size(), " columns, at most ", limits.max_columns,
                           " are allowed");
  }
  out->arrow = arrow::schema(std::move(fields), current->arrow->metadata());
  LB_RETURN_NOT_OK(CheckVectorCount(*out));
  out->version = current->version + 1;
  SetDefaultVector(out.get());
  return out;
}

namespace {

bool IsNamePart(std::string_view text) {
  if (text.empty() || text.size() > 128) return false;
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (!alphanumeric(text.front())) return false;
  for (const char c : text) {
    if (!alphanumeric(c) && c != '.' && c != '_' && c != '-') return false;
  }
  return true;
}

}  // namespace

Result<DatasetName> DatasetName::Parse(std::string_view text) {
  DatasetName out{"default", std::string(text)};
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    out.name_space = text.substr(0, slash);
    out.name = text.substr(slash + 1);
  }
  if (!IsNamePart(out.name_space) || !IsNamePart(out.name)) {
    return InvalidArgument(
        "dataset name '", text.substr(0, 160),
        "': expected name or namespace/name, each a letter or digit followed by at most 127 letters, "
        "digits, '.', '_' or '-'");
  }
  return out;
}

std::string DatasetName::ToString() const { return name_space == "default" ? name : name_space + "/" + name; }

}  // namespace longbow::engine
