#include "longbow/engine/column_type.h"

#include <arrow/array.h>
#include <arrow/array/data.h>
#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <limits>

namespace longbow::engine {
namespace {

Result<std::shared_ptr<arrow::Field>> StoredChild(const arrow::Field& field, std::string_view column,
                                                  int depth);

Result<std::shared_ptr<arrow::DataType>> StoredAtDepth(const arrow::DataType& type, std::string_view column,
                                                       int depth) {
  if (depth > kMaxNesting) {
    return InvalidArgument("column '", column, "': nested deeper than ", kMaxNesting, " levels; flatten it");
  }
  switch (type.id()) {
    case arrow::Type::EXTENSION:
      return StoredAtDepth(*static_cast<const arrow::ExtensionType&>(type).storage_type(), column, depth);
    case arrow::Type::DICTIONARY:
      return StoredAtDepth(*static_cast<const arrow::DictionaryType&>(type).value_type(), column, depth);
    case arrow::Type::STRING_VIEW:
      return arrow::utf8();
    case arrow::Type::BINARY_VIEW:
      return arrow::binary();
    case arrow::Type::LIST:
    case arrow::Type::LIST_VIEW: {
      LB_ASSIGN_OR_RETURN(auto item, StoredChild(*type.field(0), column, depth + 1));
      return arrow::list(std::move(item));
    }
    case arrow::Type::LARGE_LIST:
    case arrow::Type::LARGE_LIST_VIEW: {
      LB_ASSIGN_OR_RETURN(auto item, StoredChild(*type.field(0), column, depth + 1));
      return arrow::large_list(std::move(item));
    }
    case arrow::Type::FIXED_SIZE_LIST: {
      const auto& list = static_cast<const arrow::FixedSizeListType&>(type);
      if (list.list_size() < 0) {
        return InvalidArgument("column '", column, "': list size ", list.list_size(), " is negative");
      }
      LB_ASSIGN_OR_RETURN(auto item, StoredChild(*type.field(0), column, depth + 1));
      return arrow::fixed_size_list(std::move(item), list.list_size());
    }
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      LB_ASSIGN_OR_RETURN(auto key, StoredChild(*map.key_field(), column, depth + 2));
      LB_ASSIGN_OR_RETURN(auto item, StoredChild(*map.item_field(), column, depth + 2));
      return std::make_shared<arrow::MapType>(key->WithNullable(false), item, map.keys_sorted());
    }
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& child : type.fields()) {
        LB_ASSIGN_OR_RETURN(auto stored, StoredChild(*child, column, depth + 1));
        fields.push_back(std::move(stored));
      }
      return arrow::struct_(std::move(fields));
    }
    case arrow::Type::RUN_END_ENCODED: {
      const auto& values = *static_cast<const arrow::RunEndEncodedType&>(type).value_type();
      LB_ASSIGN_OR_RETURN(auto stored, StoredAtDepth(values, column, depth));
      if (stored->num_fields() == 0) return stored;
      return InvalidArgument("column '", column, "': runs of nested values (", values.ToString(),
                             ") are not supported; send the column plain");
    }
    case arrow::Type::SPARSE_UNION:
    case arrow::Type::DENSE_UNION:
      return InvalidArgument("column '", column, "': type ", type.ToString(),
                             " is not supported; send a column for each of its types");
    default:
      return type.GetSharedPtr();
  }
}

Result<std::shared_ptr<arrow::Field>> StoredChild(const arrow::Field& field, std::string_view column,
                                                  int depth) {
  LB_ASSIGN_OR_RETURN(auto type, StoredAtDepth(*field.type(), column, depth));
  auto stored = field.WithType(std::move(type));
  if (field.type()->id() != arrow::Type::EXTENSION) return stored;
  const auto& extension = static_cast<const arrow::ExtensionType&>(*field.type());
  auto metadata =
      field.HasMetadata() ? field.metadata()->Copy() : std::make_shared<arrow::KeyValueMetadata>();
  LB_RETURN_NOT_OK(metadata->Set(kExtensionName, extension.extension_name()));
  LB_RETURN_NOT_OK(metadata->Set(kExtensionMetadata, extension.Serialize()));
  return stored->WithMetadata(std::move(metadata));
}

std::string MetadataValue(const arrow::Field& field, const char* key) {
  return field.HasMetadata() ? field.metadata()->Get(key).ValueOr("") : std::string();
}

bool IsText(arrow::Type::type id) { return id == arrow::Type::STRING || id == arrow::Type::LARGE_STRING; }

// Offsets of `from` width rewritten to `to` width, starting at zero.
template <typename From, typename To>
Result<std::shared_ptr<arrow::Buffer>> RewriteOffsets(const arrow::ArrayData& values) {
  LB_ASSIGN_OR_RETURN(auto out,
                      arrow::AllocateBuffer((values.length + 1) * static_cast<int64_t>(sizeof(To))));
  auto* to = reinterpret_cast<To*>(out->mutable_data());
  if (values.length == 0 && (values.buffers[1] == nullptr || values.buffers[1]->size() == 0)) {
    to[0] = 0;
    return std::shared_ptr<arrow::Buffer>(std::move(out));
  }
  const auto* from = values.GetValues<From>(1);
  for (int64_t i = 0; i <= values.length; ++i) {
    if (static_cast<uint64_t>(from[i]) > static_cast<uint64_t>(std::numeric_limits<To>::max())) {
      return InvalidArgument("text of more than 2 GiB in one batch; send smaller batches");
    }
    to[i] = static_cast<To>(from[i]);
  }
  return std::shared_ptr<arrow::Buffer>(std::move(out));
}

}  // namespace

Result<std::shared_ptr<arrow::DataType>> StoredType(const arrow::DataType& type, std::string_view column) {
  return StoredAtDepth(type, column, 1);
}

Result<std::shared_ptr<arrow::Field>> StoredField(const arrow::Field& field) {
  return StoredChild(field, field.name(), 1);
}

Result<std::shared_ptr<arrow::Schema>> StoredSchema(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    LB_ASSIGN_OR_RETURN(auto stored, StoredField(*field));
    fields.push_back(std::move(stored));
  }
  return arrow::schema(std::move(fields), schema.metadata());
}

std::string ExtensionName(const arrow::Field& field) { return MetadataValue(field, kExtensionName); }

bool SameExtensions(const arrow::Field& known, const arrow::Field& given) {
  if (const std::string name = ExtensionName(given); !name.empty()) {
    if (name != ExtensionName(known)) return false;
    if (MetadataValue(given, kExtensionMetadata) != MetadataValue(known, kExtensionMetadata)) return false;
  }
  const auto& known_children = known.type()->fields();
  const auto& given_children = given.type()->fields();
  return std::equal(known_children.begin(), known_children.end(), given_children.begin(),
                    given_children.end(),
                    [](const auto& a, const auto& b) { return SameExtensions(*a, *b); });
}

std::optional<distance::ElementType> NumberType(const arrow::DataType& type) {
  using distance::ElementType;
  switch (type.id()) {
    case arrow::Type::HALF_FLOAT:
      return ElementType::kFloat16;
    case arrow::Type::FLOAT:
      return ElementType::kFloat32;
    case arrow::Type::DOUBLE:
      return ElementType::kFloat64;
    case arrow::Type::INT8:
      return ElementType::kInt8;
    case arrow::Type::INT16:
      return ElementType::kInt16;
    case arrow::Type::INT32:
      return ElementType::kInt32;
    case arrow::Type::INT64:
      return ElementType::kInt64;
    case arrow::Type::UINT8:
      return ElementType::kUInt8;
    case arrow::Type::UINT16:
      return ElementType::kUInt16;
    case arrow::Type::UINT32:
      return ElementType::kUInt32;
    case arrow::Type::UINT64:
      return ElementType::kUInt64;
    default:
      return std::nullopt;
  }
}

bool HasDictionary(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DICTIONARY) return true;
  if (type.id() == arrow::Type::EXTENSION) {
    return HasDictionary(*static_cast<const arrow::ExtensionType&>(type).storage_type());
  }
  for (const auto& child : type.fields()) {
    if (HasDictionary(*child->type())) return true;
  }
  return false;
}

bool SameColumnType(const arrow::DataType& a, const arrow::DataType& b) {
  if (IsText(a.id()) && IsText(b.id())) return true;
  if (a.id() != b.id()) return false;
  if (a.num_fields() == 0) return a.Equals(b);
  if (a.num_fields() != b.num_fields()) return false;
  if (a.id() == arrow::Type::FIXED_SIZE_LIST &&
      static_cast<const arrow::FixedSizeListType&>(a).list_size() !=
          static_cast<const arrow::FixedSizeListType&>(b).list_size()) {
    return false;
  }
  for (int i = 0; i < a.num_fields(); ++i) {
    if (a.id() == arrow::Type::STRUCT && a.field(i)->name() != b.field(i)->name()) {
      // A map's entries are a struct too, but its names mean nothing: that case is a MAP, one level up.
      return false;
    }
    if (a.id() == arrow::Type::MAP) {
      const auto& entries_a = *a.field(0)->type();
      const auto& entries_b = *b.field(0)->type();
      return SameColumnType(*entries_a.field(0)->type(), *entries_b.field(0)->type()) &&
             SameColumnType(*entries_a.field(1)->type(), *entries_b.field(1)->type());
    }
    if (!SameColumnType(*a.field(i)->type(), *b.field(i)->type())) return false;
  }
  return true;
}

Result<std::shared_ptr<arrow::ArrayData>> AsColumnType(const std::shared_ptr<arrow::ArrayData>& values,
                                                       const std::shared_ptr<arrow::DataType>& type) {
  if (values->type->Equals(*type, /*check_metadata=*/true)) return values;
  auto out = values->Copy();
  out->type = type;
  if (IsText(type->id()) && values->type->id() != type->id()) {
    // GetValues already steps over `offset`; the validity bitmap and the text keep their own positions, so
    // only arrays that begin at zero come here.
    if (values->offset != 0) return InvalidArgument("text column with an offset");
    if (type->id() == arrow::Type::STRING) {
      LB_ASSIGN_OR_RETURN(out->buffers[1], (RewriteOffsets<int64_t, int32_t>(*values)));
    } else {
      LB_ASSIGN_OR_RETURN(out->buffers[1], (RewriteOffsets<int32_t, int64_t>(*values)));
    }
    return out;
  }
  for (int i = 0; i < type->num_fields() && i < static_cast<int>(out->child_data.size()); ++i) {
    LB_ASSIGN_OR_RETURN(out->child_data[i], AsColumnType(values->child_data[i], type->field(i)->type()));
  }
  return out;
}

}  // namespace longbow::engine
