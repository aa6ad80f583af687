#include "longbow/protocol/search_json.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "longbow/protocol/filter_json.h"
#include "longbow/protocol/text_json.h"

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

// Stored rows to search by.
Status ReadKeys(const JsonObject& object, std::vector<std::string>* keys) {
  std::optional<std::string> one;
  LB_RETURN_NOT_OK(object.ReadKey("id", &one));
  if (one) keys->push_back(*std::move(one));
  const auto many = object.Find("ids");
  if (!many) return Status::OK();
  if (!many->is_array()) return object.Wrong("ids", "an array of strings or integers", *many);
  for (element item : simdjson::dom::array(*many)) {
    auto text = KeyText(item);
    if (!text.ok()) return object.Wrong("ids", "an array of strings or integers", item);
    keys->push_back(*std::move(text));
  }
  return Status::OK();
}

Status ReadVectors(const JsonObject& object, query::Queries* queries) {
  if (const auto one = object.Find("vector")) {
    LB_ASSIGN_OR_RETURN(auto numbers, ReadNumbers(object, "vector", *one));
    if (!numbers.empty()) queries->numbers.push_back(std::move(numbers));
  }
  LB_RETURN_NOT_OK(ReadKeys(object, &queries->keys));
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
Status ReadReturnedVectors(const JsonObject& object, query::SearchRequest* request) {
  bool include = false;
  LB_RETURN_NOT_OK(object.Read("include_vectors", &include));
  LB_ASSIGN_OR_RETURN(const VectorFormat format, ReadVectorFormat(object));
  request->named_vectors = format;
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

Status ReadLimits(const JsonObject& object, SearchCall* call) {
  query::SearchRequest& request = call->request;
  LB_RETURN_NOT_OK(object.Read("timeout_ms", &call->deadline_ms));
  LB_RETURN_NOT_OK(object.Read("deadline_ms", &call->deadline_ms));
  LB_RETURN_NOT_OK(object.Read("max_distances", &request.max_distances));
  LB_RETURN_NOT_OK(object.Read("allow_partial", &request.allow_partial));
  if (call->deadline_ms < 0 || request.max_distances < 0) {
    return object.Invalid("timeout_ms and max_distances: expected 0 or more");
  }
  return Status::OK();
}

// k, limit and offset: who gives an offset, also 0, asks for a page, `limit` long and cut from `k`, where
// both are there. Without one `limit` says how many hits, as `k` does.
Status ReadPage(const JsonObject& object, query::SearchRequest* request) {
  const bool given = object.Find("k").has_value();
  int64_t k = request->k.empty() ? 0 : request->k[0], limit = 0, offset = request->offset.value_or(0);
  LB_RETURN_NOT_OK(object.Read("k", &k));
  LB_RETURN_NOT_OK(object.Read("limit", &limit));
  LB_RETURN_NOT_OK(object.Read("offset", &offset));
  if (limit < 0 || offset < 0) return object.Invalid("limit and offset: expected 0 or more");
  if (object.Find("offset")) request->offset = offset;
  if (limit > 0 && given && k > 0 && k <= offset) {
    return object.Invalid("offset: expected less than k, got " + std::to_string(offset) + " of " +
                          std::to_string(k));
  }
  if (limit > 0) k = given && k > 0 ? std::min(limit, k - offset) : limit;
  double radius = 0;
  LB_RETURN_NOT_OK(object.Read("radius", &radius));
  if (object.Find("radius")) {
    request->radius = radius;
    if (!given && limit == 0) k = 0;
  }
  request->k = {k};
  return Status::OK();
}

Status ReadExplain(const JsonObject& object, query::Explain* explain) {
  const auto value = object.Find("explain");
  if (!value) return Status::OK();
  bool plan = false;
  std::string_view word;
  if (value->get(plan) == simdjson::SUCCESS) {
    *explain = plan ? query::Explain::kPlan : query::Explain::kNo;
    return Status::OK();
  }
  if (value->get(word) == simdjson::SUCCESS && (word == "plan" || word == "analyze")) {
    *explain = word == "plan" ? query::Explain::kPlan : query::Explain::kAnalyze;
    return Status::OK();
  }
  return object.Wrong("explain", "true, false, \"plan\" or \"analyze\"", *value);
}

Status ReadDims(const JsonObject& object, uint32_t* dims) {
  int64_t wanted = *dims;
  LB_RETURN_NOT_OK(object.Read("dims", &wanted));
  if (wanted < 0 || wanted > UINT32_MAX) return object.Invalid("dims: expected 0 (all) or more");
  *dims = static_cast<uint32_t>(wanted);
  return Status::OK();
}

bool EndsWithWord(std::string_view text, std::string_view word) {
  if (text.size() <= word.size()) return false;
  text.remove_prefix(text.size() - word.size());
  return std::equal(text.begin(), text.end(), word.begin(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

}  // namespace

Status ReadSearch(const JsonObject& object, SearchCall* call) {
  query::SearchRequest& request = call->request;
  LB_RETURN_NOT_OK(object.Read("name", &request.dataset));
  LB_RETURN_NOT_OK(object.Read("dataset", &request.dataset));
  LB_RETURN_NOT_OK(object.Read("vector_column", &request.vector_column));
  LB_RETURN_NOT_OK(ReadVectors(object, &request.queries));
  LB_RETURN_NOT_OK(ReadPage(object, &request));
  LB_ASSIGN_OR_RETURN(auto filters, ReadFilters(object));
  request.filter = AllOf(std::move(request.filter), std::move(filters));
  LB_RETURN_NOT_OK(ReadEffort(object, &request.effort));
  LB_RETURN_NOT_OK(object.Read("exact", &request.exact));
  LB_RETURN_NOT_OK(object.Read(object.Find("columns") ? "columns" : "projection", &request.columns));
  LB_RETURN_NOT_OK(ReadReturnedVectors(object, &request));
  LB_RETURN_NOT_OK(ReadLimits(object, call));
  LB_RETURN_NOT_OK(ReadOrder(object, &request.order_by));
  LB_RETURN_NOT_OK(ReadDims(object, &request.dims));
  LB_RETURN_NOT_OK(ReadExplain(object, &request.explain));
  LB_RETURN_NOT_OK(object.Read("check_recall", &request.check_recall));
  LB_RETURN_NOT_OK(object.Read("local_only", &call->local_only));
  LB_RETURN_NOT_OK(ReadText(object, &request.text));
  return object.Read("graph_alpha", &call->graph_alpha);
}

Result<VectorFormat> ReadVectorFormat(const JsonObject& object) {
  std::string name;
  LB_RETURN_NOT_OK(object.Read("vector_format", &name));
  return FormatFromName(object, name);
}

// "year", "year desc", or {"column": "year", "descending": true}.
Status ReadOrder(const JsonObject& object, std::optional<query::OrderBy>* order) {
  const auto value = object.Find("order_by");
  if (!value) return Status::OK();
  query::OrderBy by;
  std::string_view text;
  if (value->get(text) == simdjson::SUCCESS) {
    by.column = text;
    for (const auto& [ending, descending] : {std::pair(" desc", true), std::pair(" asc", false)}) {
      if (!EndsWithWord(text, ending)) continue;
      by.column = text.substr(0, text.size() - std::string_view(ending).size());
      by.descending = descending;
    }
  } else {
    LB_ASSIGN_OR_RETURN(const auto inner, object.ReadObject("order_by"));
    LB_RETURN_NOT_OK(inner->Read("column", &by.column));
    LB_RETURN_NOT_OK(inner->Read("descending", &by.descending));
  }
  if (by.column.empty()) return object.Invalid("order_by: expected a column's name");
  *order = std::move(by);
  return Status::OK();
}

Status CheckHasQuery(const SearchCall& call) {
  const query::Queries& queries = call.request.queries;
  const bool text = call.request.text.present() && call.request.text.alpha != 1.0;
  if (queries.numbers.empty() && !queries.array && queries.keys.empty() && !text) {
    return InvalidArgument("no query vector provided: expected \"vector\" to be an array of numbers");
  }
  return Status::OK();
}

}  // namespace longbow::protocol
