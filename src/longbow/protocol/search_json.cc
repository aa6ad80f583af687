#include "longbow/protocol/search_json.h"

#include <string>
#include <utility>
#include <vector>

#include "longbow/protocol/filter_json.h"

namespace longbow::protocol {
namespace {

using query::VectorFormat;
using simdjson::dom::element;

constexpr std::string_view kVectorColumnAlias = "vector";

Result<std::vector<double>> ReadNumbers(const JsonObject& object, std::string_view key, element list) {
  if (!list.is_array()) return object.Wrong(key, "an array of numbers", list);
  const simdjson::dom::array array(list);
  std::vector<double> out;
  out.reserve(array.size());
  for (element item : array) {
    double number = 0;
    if (item.get(number) != simdjson::SUCCESS) return object.Wrong(key, "an array of numbers", item);
    out.push_back(number);
  }
  return out;
}

Status ReadVectors(const JsonObject& object, query::Queries* queries) {
  if (const auto one = object.Find("vector")) {
    LB_ASSIGN_OR_RETURN(auto numbers, ReadNumbers(object, "vector", *one));
    if (!numbers.empty()) queries->numbers.push_back(std::move(numbers));
  }
  const auto many = object.Find("vectors");
  if (!many) return Status::OK();
  if (!many->is_array()) return object.Wrong("vectors", "an array of arrays of numbers", *many);
  if (!queries->numbers.empty())
    return object.Invalid("\"vector\" and \"vectors\" are both given: send one of them");
  for (element item : simdjson::dom::array(*many)) {
    LB_ASSIGN_OR_RETURN(queries->numbers.emplace_back(), ReadNumbers(object, "vectors", item));
  }
  return Status::OK();
}

// Old clients name element types here; what they get is the stored vector's bytes.
Result<VectorFormat> FormatFromName(const JsonObject& object, std::string_view name) {
  if (name.empty() || name == "stored") return VectorFormat::kStored;
  if (name == "f32" || name == "float32") return VectorFormat::kFloat32;
  if (name == "f16" || name == "float16") return VectorFormat::kFloat16;
  if (name == "sq8") return VectorFormat::kSq8;
  for (std::string_view old : {"int8", "uint8", "float64", "complex64", "complex128", "quantized"}) {
    if (name == old) return VectorFormat::kStored;
  }
  return object.Invalid("vector_format: expected stored, f32, f16 or sq8, got '" + std::string(name) + "'");
}

// Asked for by name among the columns the vectors come as lists; by the old switch they come as binary.
Status ReadVectorFormat(const JsonObject& object, query::SearchRequest* request) {
  std::string name;
  bool include = false;
  LB_RETURN_NOT_OK(object.Read("vector_format", &name));
  LB_RETURN_NOT_OK(object.Read("include_vectors", &include));
  LB_ASSIGN_OR_RETURN(const VectorFormat format, FormatFromName(object, name));
  if (request->columns && std::erase(*request->columns, kVectorColumnAlias) > 0) {
    request->vectors = format;
  } else if (include) {
    request->vectors = VectorFormat::kBinary;
  }
  return Status::OK();
}

Status ReadEffort(const JsonObject& object, index::Effort* effort) {
  int64_t ef = effort->ef;
  double recall = effort->recall;
  LB_RETURN_NOT_OK(object.Read("ef", &ef));
  LB_RETURN_NOT_OK(object.Read("recall", &recall));
  if (ef < 0 || ef > UINT32_MAX) return InvalidArgument(object.what(), ": ef: expected 0 or more, got ", ef);
  if (!(recall > 0 && recall <= 1)) {
    return InvalidArgument(object.what(), ": recall: expected a share above 0 and up to 1, got ", recall);
  }
  effort->ef = static_cast<uint32_t>(ef);
  effort->recall = static_cast<float>(recall);
  return Status::OK();
}

// Text is searched when there is some and alpha does not say "vectors only".
Status CheckText(const JsonObject& object) {
  std::string text;
  double alpha = 0;
  LB_RETURN_NOT_OK(object.Read("text_query", &text));
  LB_RETURN_NOT_OK(object.Read("alpha", &alpha));
  if (text.empty() || alpha == 1.0) return Status::OK();
  return Error(
      ErrorCode::kUnimplemented,
      "text_query: this server does not search text; leave text_query out, or send alpha 1 to search by "
      "vector only");
}

Status ReadLimits(const JsonObject& object, SearchCall* call) {
  LB_RETURN_NOT_OK(object.Read("deadline_ms", &call->deadline_ms));
  LB_RETURN_NOT_OK(object.Read("max_distances", &call->request.max_distances));
  if (call->deadline_ms < 0 || call->request.max_distances < 0) {
    return object.Invalid("deadline_ms and max_distances: expected 0 or more");
  }
  return Status::OK();
}

}  // namespace

Status ReadSearch(const JsonObject& object, SearchCall* call) {
  query::SearchRequest& request = call->request;
  LB_RETURN_NOT_OK(object.Read("name", &request.dataset));
  LB_RETURN_NOT_OK(object.Read("dataset", &request.dataset));
  LB_RETURN_NOT_OK(object.Read("vector_column", &request.vector_column));
  LB_RETURN_NOT_OK(ReadVectors(object, &request.queries));
  int64_t k = request.k.empty() ? 0 : request.k[0];
  LB_RETURN_NOT_OK(object.Read("k", &k));
  request.k = {k};
  LB_ASSIGN_OR_RETURN(auto filters, ReadFilters(object));
  request.filter = AllOf(std::move(request.filter), std::move(filters));
  LB_RETURN_NOT_OK(ReadEffort(object, &request.effort));
  LB_RETURN_NOT_OK(object.Read("exact", &request.exact));
  LB_RETURN_NOT_OK(object.Read("columns", &request.columns));
  LB_RETURN_NOT_OK(ReadVectorFormat(object, &request));
  LB_RETURN_NOT_OK(ReadLimits(object, call));
  LB_RETURN_NOT_OK(object.Read("local_only", &call->local_only));
  LB_RETURN_NOT_OK(object.Read("graph_alpha", &call->graph_alpha));
  return CheckText(object);
}

Status CheckHasQuery(const SearchCall& call) {
  const query::Queries& queries = call.request.queries;
  if (queries.numbers.empty() && !queries.array && queries.keys.empty()) {
    return InvalidArgument("no query vector provided: expected \"vector\" to be an array of numbers");
  }
  return Status::OK();
}

}  // namespace longbow::protocol
