#include "longbow/engine/text_columns.h"

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>

namespace longbow::engine {
namespace {

constexpr char kTextKey[] = "longbow.text";

bool IsText(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING;
}

bool IsWeights(const arrow::DataType& type) {
  if (type.id() != arrow::Type::MAP) return false;
  const auto& map = static_cast<const arrow::MapType&>(type);
  return map.key_type()->id() == arrow::Type::UINT32 && map.item_type()->id() == arrow::Type::FLOAT;
}

std::optional<std::string> Declared(const arrow::Field& field) {
  if (field.metadata() == nullptr || !field.metadata()->Contains(kTextKey)) return std::nullopt;
  return field.metadata()->Get(kTextKey).ValueOr("");
}

std::string List(const std::vector<std::string>& names) {
  std::string list;
  for (const auto& name : names) list += (list.empty() ? "\"" : ", \"") + name + '"';
  return list.substr(0, 512);
}

std::vector<std::string> DefaultColumns(const DatasetSchema& schema) {
  std::vector<std::string> declared, all;
  for (int i = 0; i < schema.arrow->num_fields(); ++i) {
    const arrow::Field& field = *schema.arrow->field(i);
    if (Declared(field)) declared.push_back(field.name());
    if (IsText(*field.type()) && i != schema.key_field) all.push_back(field.name());
  }
  return declared.empty() ? all : declared;
}

}  // namespace

Status CheckTextMetadata(const arrow::Schema& schema) {
  for (const auto& field : schema.fields()) {
    const auto analyzer = Declared(*field);
    if (!analyzer) continue;
    if (!IsText(*field->type())) {
      return InvalidArgument("column '", field->name(), "': longbow.text is '", analyzer->substr(0, 128),
                             "', but the column is ", field->type()->ToString(),
                             "; only strings are analyzed");
    }
    const Status known = text::FindAnalyzerType(*analyzer).status();
    if (!known.ok()) return WithContext(known, "column '" + field->name() + "': longbow.text");
  }
  return Status::OK();
}

Result<TextColumns> ChooseTextColumns(const DatasetSchema& schema,
                                      const std::optional<std::vector<std::string>>& names) {
  const std::vector<std::string> wanted = names ? *names : DefaultColumns(schema);
  if (names && names->empty()) {
    return InvalidArgument("text_columns: expected names of columns, got none; text is in ",
                           List(DefaultColumns(schema)));
  }
  TextColumns columns;
  for (const auto& field : schema.arrow->fields()) {
    if (std::find(wanted.begin(), wanted.end(), field->name()) == wanted.end()) continue;
    if (!IsText(*field->type())) {
      return InvalidArgument("text_columns: column '", field->name(), "' is ", field->type()->ToString(),
                             "; expected strings");
    }
    LB_ASSIGN_OR_RETURN(
        const auto* analyzer,
        text::FindAnalyzerType(Declared(*field).value_or(std::string(text::kDefaultAnalyzer))));
    if (columns.analyzer != nullptr && columns.analyzer != analyzer) {
      return InvalidArgument("the text columns ", List(wanted), " have different analyzers, ",
                             columns.analyzer->name, " and ", analyzer->name,
                             "; name columns of one analyzer in text_columns");
    }
    columns.analyzer = analyzer;
    columns.names.push_back(field->name());
  }
  for (const auto& name : wanted) {
    if (schema.arrow->GetFieldIndex(name) >= 0) continue;
    return InvalidArgument("text_columns: unknown column \"", name.substr(0, 128), "\"; text is in ",
                           List(DefaultColumns(schema)));
  }
  if (columns.names.empty()) {
    return InvalidArgument("text_query: the dataset has no string column to search in");
  }
  return columns;
}

std::optional<TextColumns> DeclaredTextColumns(const DatasetSchema& schema) {
  const auto& fields = schema.arrow->fields();
  const bool any = std::any_of(fields.begin(), fields.end(),
                               [](const auto& field) { return Declared(*field).has_value(); });
  if (!any) return std::nullopt;
  auto columns = ChooseTextColumns(schema, std::nullopt);
  return columns.ok() ? std::optional(*std::move(columns)) : std::nullopt;
}

Result<TextColumns> ChooseWeightColumn(const DatasetSchema& schema, const std::string& name) {
  std::vector<std::string> found;
  for (const auto& field : schema.arrow->fields()) {
    if (IsWeights(*field->type()) && (name.empty() || name == field->name())) found.push_back(field->name());
  }
  if (found.size() == 1) return TextColumns{std::move(found), nullptr};
  if (found.empty()) {
    return InvalidArgument(
        "sparse_column: ",
        name.empty() ? "the dataset has no column" : "'" + name.substr(0, 128) + "' is no column",
        " of type map<uint32, float>");
  }
  return InvalidArgument("sparse_column: the dataset has ", List(found), "; name one");
}

}  // namespace longbow::engine
