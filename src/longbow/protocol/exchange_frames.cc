#include "longbow/protocol/exchange_frames.h"

#include <arrow/array.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "longbow/protocol/error_text.h"
#include "longbow/protocol/json_document.h"
#include "longbow/protocol/put_frames.h"
#include "longbow/protocol/search_json.h"
#include "longbow/query/vector_values.h"

namespace longbow::protocol {
namespace {

using arrow::Array;
using arrow::internal::checked_cast;

bool IsSearchCommand(std::string_view name) { return name == "VectorSearch" || name == "search"; }

Status UnknownCommand(std::string_view given) {
  return InvalidArgument(
      "unknown DoExchange command '", PrintableText(given, 128),
      "': expected the command VectorSearch or search, JSON with that \"command\", or the path "
      "[\"ingest\", dataset]");
}

Result<ExchangeCommand> ReadJsonCommand(const std::string& text) {
  LB_ASSIGN_OR_RETURN(auto document, JsonDocument::Parse(text, kMaxDescriptorBytes, "command"));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  std::string name;
  LB_RETURN_NOT_OK(object.Read("command", &name));
  if (!IsSearchCommand(name)) return UnknownCommand(name);
  ExchangeSearch search;
  search.defaults.request.k = {kDefaultK};
  LB_RETURN_NOT_OK(ReadSearch(object, &search.defaults));
  if (!search.defaults.request.queries.numbers.empty() || !search.defaults.request.queries.keys.empty()) {
    return object.Invalid(
        "query vectors and ids belong into the request batches, columns query_vector and id");
  }
  return ExchangeCommand(std::move(search));
}

bool IsText(const Array& column) {
  return column.type_id() == arrow::Type::STRING || column.type_id() == arrow::Type::LARGE_STRING;
}

std::string_view TextAt(const Array& column, int64_t row) {
  if (column.type_id() == arrow::Type::STRING)
    return checked_cast<const arrow::StringArray&>(column).GetView(row);
  return checked_cast<const arrow::LargeStringArray&>(column).GetView(row);
}

Status WrongColumn(std::string_view name, std::string_view expected, const Array& given) {
  return InvalidArgument("column '", name, "': expected ", expected, ", got ", given.type()->ToString());
}

// Every row of a small column as text.
Result<std::vector<std::string>> ReadTexts(std::string_view name, const Array& column) {
  if (column.null_count() > 0) return InvalidArgument("column '", name, "': expected no nulls");
  std::vector<std::string> out;
  out.reserve(static_cast<size_t>(column.length()));
  if (IsText(column)) {
    for (int64_t row = 0; row < column.length(); ++row) out.emplace_back(TextAt(column, row));
    return out;
  }
  if (!arrow::is_integer(column.type_id())) return WrongColumn(name, "utf8 or an integer type", column);
  LB_ASSIGN_OR_RETURN(auto text, arrow::compute::Cast(column, arrow::utf8()));
  return ReadTexts(name, *text);
}

Result<std::vector<int64_t>> ReadIntegers(std::string_view name, const Array& column) {
  if (!arrow::is_integer(column.type_id())) return WrongColumn(name, "an integer type", column);
  if (column.null_count() > 0) return InvalidArgument("column '", name, "': expected no nulls");
  LB_ASSIGN_OR_RETURN(auto wide, arrow::compute::Cast(column, arrow::int64()));
  const auto& values = checked_cast<const arrow::Int64Array&>(*wide);
  return std::vector<int64_t>(values.raw_values(), values.raw_values() + values.length());
}

Status ReadDataset(const arrow::RecordBatch& batch, query::SearchRequest* request) {
  const auto column = batch.GetColumnByName("dataset");
  if (!column) {
    if (!request->dataset.empty()) return Status::OK();
    return InvalidArgument("column 'dataset' is missing: expected utf8, or \"dataset\" in the command");
  }
  if (!IsText(*column)) return WrongColumn("dataset", "utf8", *column);
  if (column->null_count() > 0) return InvalidArgument("column 'dataset': expected no nulls");
  request->dataset = TextAt(*column, 0);
  for (int64_t row = 1; row < column->length(); ++row) {
    if (TextAt(*column, row) != request->dataset) {
      return InvalidArgument("column 'dataset': expected one dataset in a batch, got '", request->dataset,
                             "' and '", TextAt(*column, row), "'");
    }
  }
  return Status::OK();
}

Status ReadKeysBeside(const Array& vectors, const Array& keys, std::vector<std::string>* out) {
  if (!IsText(keys) && !arrow::is_integer(keys.type_id()))
    return WrongColumn("id", "utf8 or an integer type", keys);
  std::shared_ptr<Array> text;
  if (!IsText(keys)) {
    LB_ASSIGN_OR_RETURN(text, arrow::compute::Cast(keys, arrow::utf8()));
  }
  const Array& texts = text ? *text : keys;
  for (int64_t row = 0; row < keys.length(); ++row) {
    if (vectors.IsNull(row) && keys.IsNull(row)) {
      return InvalidArgument("row ", row, " has neither 'query_vector' nor 'id'");
    }
    out->emplace_back(keys.IsNull(row) ? std::string_view() : TextAt(texts, row));
  }
  return Status::OK();
}

// A column text_query, which takes the place of the command's; the index of texts is asked one at a time.
Status ReadText(const arrow::RecordBatch& batch, query::TextRequest* text) {
  const auto column = batch.GetColumnByName("text_query");
  if (!column) return Status::OK();
  if (!IsText(*column)) return WrongColumn("text_query", "utf8", *column);
  if (batch.num_rows() != 1) {
    return InvalidArgument("column 'text_query': expected a batch of one row, got ", batch.num_rows(),
                           "; send each text in a batch of its own");
  }
  if (column->IsNull(0)) return Status::OK();
  text->query = TextAt(*column, 0);
  text->clauses.reset();
  return Status::OK();
}

Status NoQuery(const arrow::RecordBatch& batch, const query::TextRequest& text) {
  if (!text.present() || text.alpha == 1.0) {
    return InvalidArgument(
        "column 'query_vector' is missing: expected one query a row (or 'id', stored rows, or a text_query)");
  }
  if (batch.num_rows() == 1) return Status::OK();
  return InvalidArgument("by text alone a batch asks one query, and this one has ", batch.num_rows(),
                         " rows: expected one, or a column 'query_vector' or 'id'");
}

Status ReadQueries(const arrow::RecordBatch& batch, const query::TextRequest& text, query::Queries* queries) {
  if (const auto vectors = batch.GetColumnByName("query_vector")) {
    const auto type = vectors->type_id();
    if (type != arrow::Type::FIXED_SIZE_LIST && type != arrow::Type::LIST &&
        type != arrow::Type::LARGE_LIST) {
      return WrongColumn("query_vector", "a list or fixed-size list of numbers", *vectors);
    }
    const auto element = vectors->type()->field(0)->type()->id();
    if (!arrow::is_integer(element) && !arrow::is_floating(element)) {
      return WrongColumn("query_vector", "a list or fixed-size list of numbers", *vectors);
    }
    queries->array = vectors;
    if (vectors->null_count() == 0) return Status::OK();
    // Rows without a vector are asked by their id.
    const auto keys = batch.GetColumnByName("id");
    if (!keys) {
      return InvalidArgument(
          "column 'query_vector': expected no nulls, or a column 'id' for the rows where "
          "it is null");
    }
    return ReadKeysBeside(*vectors, *keys, &queries->keys);
  }
  const auto keys = batch.GetColumnByName("id");
  if (!keys) return NoQuery(batch, text);
  LB_ASSIGN_OR_RETURN(queries->keys, ReadTexts("id", *keys));
  return Status::OK();
}

Status ReadEffort(const arrow::RecordBatch& batch, index::Effort* effort) {
  if (const auto column = batch.GetColumnByName("ef")) {
    LB_ASSIGN_OR_RETURN(const auto values, ReadIntegers("ef", *column));
    const int64_t ef = *std::max_element(values.begin(), values.end());
    if (ef < 0 || ef > int64_t{UINT32_MAX})
      return InvalidArgument("column 'ef': expected 0 or more, got ", ef);
    effort->ef = static_cast<uint32_t>(ef);
  }
  if (const auto column = batch.GetColumnByName("recall")) {
    if (!arrow::is_floating(column->type_id()))
      return WrongColumn("recall", "a floating-point type", *column);
    if (column->null_count() > 0) return InvalidArgument("column 'recall': expected no nulls");
    LB_ASSIGN_OR_RETURN(auto wide, arrow::compute::Cast(*column, arrow::float64()));
    const auto& values = checked_cast<const arrow::DoubleArray&>(*wide);
    double recall = 0;
    for (int64_t row = 0; row < values.length(); ++row) {
      if (!(values.Value(row) > 0 && values.Value(row) <= 1)) {
        return InvalidArgument("column 'recall': expected a share above 0 and up to 1, got ",
                               values.Value(row));
      }
      recall = std::max(recall, values.Value(row));
    }
    effort->recall = static_cast<float>(recall);
  }
  return Status::OK();
}

Status ReadRequestId(const arrow::RecordBatch& batch, std::string* out) {
  const auto column = batch.GetColumnByName("request_id");
  if (!column || column->IsNull(0)) return Status::OK();
  LB_ASSIGN_OR_RETURN(const auto texts, ReadTexts("request_id", *column->Slice(0, 1)));
  *out = IsText(*column) ? nlohmann::json(PrintableText(texts[0], kMaxClientName)).dump() : texts[0];
  return Status::OK();
}

// What the field of an sq8 column says, as numbers.
void AppendSq8Range(const arrow::Schema& schema, std::string* out) {
  const auto field = schema.GetFieldByName("vector");
  if (!field || !field->HasMetadata()) return;
  const auto scale = field->metadata()->Get(query::kSq8ScaleKey);
  const auto offset = field->metadata()->Get(query::kSq8OffsetKey);
  if (!scale.ok() || !offset.ok()) return;
  out->append(",\"sq8\":{\"scale\":").append(*scale).append(",\"offset\":").append(*offset).append("}");
}

}  // namespace

Result<ExchangeCommand> ReadExchangeCommand(const FlightDescriptor& descriptor) {
  const auto& path = descriptor.path;
  if (!path.empty()) {
    if (path[0] != "ingest") return UnknownCommand(path[0]);
    if (path.size() < 2 || path[1].empty()) {
      return InvalidArgument("DoExchange ingest: expected the path [\"ingest\", dataset]");
    }
    return ExchangeCommand(ExchangeIngest{path[1]});
  }
  if (descriptor.command.starts_with('{')) return ReadJsonCommand(descriptor.command);
  if (!IsSearchCommand(descriptor.command)) return UnknownCommand(descriptor.command);
  ExchangeSearch search;
  search.defaults.request.k = {kDefaultK};
  search.defaults.request.columns.emplace();
  return ExchangeCommand(std::move(search));
}

Result<ExchangeRequest> ReadExchangeRequest(const arrow::RecordBatch& batch, const SearchCall& defaults) {
  if (batch.num_rows() == 0) return InvalidArgument("empty request batch: expected one query a row");
  ExchangeRequest out{defaults, {}};
  query::SearchRequest& request = out.call.request;
  LB_RETURN_NOT_OK(ReadDataset(batch, &request));
  LB_RETURN_NOT_OK(ReadText(batch, &request.text));
  LB_RETURN_NOT_OK(ReadQueries(batch, request.text, &request.queries));
  if (const auto column = batch.GetColumnByName("k")) {
    LB_ASSIGN_OR_RETURN(request.k, ReadIntegers("k", *column));
  }
  LB_RETURN_NOT_OK(ReadEffort(batch, &request.effort));
  LB_RETURN_NOT_OK(ReadRequestId(batch, &out.request_id));
  request.number_queries = batch.num_rows() > 1;
  return out;
}

// Built by hand: it accompanies every answer, and nothing in it needs escaping but request_id, which is JSON
// already.
std::string WriteExchangeMetadata(const std::string& request_id, const query::SearchAnswer& answer) {
  std::string out = "{";
  if (!request_id.empty()) out.append("\"request_id\":").append(request_id).append(",");
  out.append("\"sequence\":\"").append(SequenceToken(answer.sequence));
  out.append("\",\"coverage\":\"").append(query::CoverageName(answer.coverage));
  out.append("\"");
  AppendSq8Range(*answer.hits->schema(), &out);
  return out.append(",\"stats\":").append(query::StatsJson(answer)).append("}");
}

Result<std::shared_ptr<arrow::Schema>> WithoutSq8Range(const std::shared_ptr<arrow::Schema>& schema) {
  const int place = schema->GetFieldIndex("vector");
  if (place < 0) return schema;
  const auto& field = schema->field(place);
  if (!field->HasMetadata() || !field->metadata()->Contains(query::kSq8ScaleKey)) return schema;
  return schema->SetField(place, field->RemoveMetadata());
}

}  // namespace longbow::protocol
