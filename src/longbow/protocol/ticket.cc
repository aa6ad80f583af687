#include "longbow/protocol/ticket.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "longbow/protocol/error_text.h"
#include "longbow/protocol/filter_json.h"
#include "longbow/protocol/flight_messages.h"
#include "longbow/protocol/json_document.h"
#include "longbow/protocol/search_json.h"

namespace longbow::protocol {
namespace {

using filter::FilterTree;
using filter::Operator;

Result<TicketRequest> ReadNameTicket(std::string_view name) {
  if (name.empty())
    return InvalidArgument("invalid ticket format: it is empty, expected a dataset's name or JSON");
  if (PrintableText(name, name.size()) != name) {
    return InvalidArgument("invalid ticket format: neither a dataset's name nor JSON: '",
                           PrintableText(name, 64), "'");
  }
  query::ScanRequest scan;
  scan.dataset = name;
  return TicketRequest(std::move(scan));
}

// The comparisons of a tree that is one comparison or joins some by AND.
void CollectTerms(const FilterTree& tree, std::vector<FilterTree>* out) {
  if (tree.op == Operator::kAnd) {
    for (const auto& child : tree.children) CollectTerms(child, out);
  } else if (tree.values.size() == 1) {
    out->push_back(tree);
  }
}

std::optional<double> NumberOf(const filter::Value& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return static_cast<double>(*integer);
  if (const auto* large = std::get_if<uint64_t>(&value)) return static_cast<double>(*large);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* text = std::get_if<std::string>(&value)) {
    double number = 0;
    const auto end = text->data() + text->size();
    if (std::from_chars(text->data(), end, number).ptr == end && !text->empty()) return number;
  }
  return std::nullopt;
}

bool MatchesName(const FilterTree& term, std::string_view name) {
  const auto* text = std::get_if<std::string>(&term.values[0]);
  if (text == nullptr) return true;
  switch (term.op) {
    case Operator::kEqual:
      return name == *text;
    case Operator::kNotEqual:
      return name != *text;
    case Operator::kContains:
      return name.find(*text) != std::string_view::npos;
    case Operator::kPrefix:
      return name.starts_with(*text);
    default:
      return true;
  }
}

bool MatchesRows(const FilterTree& term, int64_t rows) {
  const auto bound = NumberOf(term.values[0]);
  if (!bound) return true;
  const auto count = static_cast<double>(rows);
  switch (term.op) {
    case Operator::kEqual:
      return count == *bound;
    case Operator::kNotEqual:
      return count != *bound;
    case Operator::kLess:
      return count < *bound;
    case Operator::kLessEqual:
      return count <= *bound;
    case Operator::kGreater:
      return count > *bound;
    case Operator::kGreaterEqual:
      return count >= *bound;
    default:
      return true;
  }
}

}  // namespace

Result<TicketRequest> ReadTicket(std::string_view bytes) {
  if (bytes.empty() || bytes[0] != '{') return ReadNameTicket(bytes);
  LB_ASSIGN_OR_RETURN(auto document, JsonDocument::Parse(bytes, kMaxTicketBytes, "ticket"));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  query::ScanRequest scan;
  LB_RETURN_NOT_OK(object.Read("dataset", &scan.dataset));
  LB_RETURN_NOT_OK(object.Read("name", &scan.dataset));
  LB_RETURN_NOT_OK(object.Read("limit", &scan.limit));
  if (scan.limit < 0) return object.Invalid("field 'limit': expected 0 (all) or more");
  LB_ASSIGN_OR_RETURN(scan.filter, ReadFilters(object));
  LB_RETURN_NOT_OK(object.Read("columns", &scan.columns));
  LB_ASSIGN_OR_RETURN(scan.vectors, ReadVectorFormat(object));
  LB_RETURN_NOT_OK(object.Read("offset", &scan.offset));
  if (scan.offset < 0) return object.Invalid("field 'offset': expected 0 or more");
  LB_RETURN_NOT_OK(object.Read("timeout_ms", &scan.timeout_ms));
  if (scan.timeout_ms < 0) return object.Invalid("field 'timeout_ms': expected 0 (none) or more");
  LB_RETURN_NOT_OK(object.Read("count", &scan.count));
  LB_RETURN_NOT_OK(object.Read("strict", &scan.strict));
  LB_RETURN_NOT_OK(ReadOrder(object, &scan.order_by));
  LB_ASSIGN_OR_RETURN(const auto search, object.ReadObject("search"));
  if (search) {
    SearchCall call;
    call.request.k = {0};
    call.request.describe = true;
    call.limit = scan.limit;
    call.request.filter = std::move(scan.filter);
    call.request.columns = std::move(scan.columns);
    LB_RETURN_NOT_OK(ReadSearch(*search, &call));
    if (call.request.dataset.empty()) call.request.dataset = scan.dataset;
    if (call.request.dataset.empty()) return object.Invalid("\"search\" names no \"dataset\"");
    LB_RETURN_NOT_OK(CheckHasQuery(call));
    const query::Queries& queries = call.request.queries;
    call.request.number_queries = queries.numbers.size() + queries.keys.size() > 1;
    return TicketRequest(std::move(call));
  }
  if (scan.dataset.empty()) return object.Invalid("expected \"name\" to be a dataset's name");
  return TicketRequest(std::move(scan));
}

std::string WriteScanTicket(std::string_view dataset) {
  return nlohmann::json{{"name", std::string(dataset)}}.dump(-1, ' ', false,
                                                             nlohmann::json::error_handler_t::replace);
}

Result<FlightCriteria> FlightCriteria::Read(std::string_view expression) {
  FlightCriteria out;
  if (expression.empty()) return out;
  const auto in_context = [](const Status& status) { return WithContext(status, "Invalid criteria"); };
  auto document = JsonDocument::Parse(expression, kMaxCriteriaBytes, "criteria");
  if (!document.ok()) return in_context(document.status());
  auto object = document->Object();
  if (!object.ok()) return in_context(object.status());
  auto filters = ReadFilters(*object);
  if (!filters.ok()) return in_context(filters.status());
  if (*filters) CollectTerms(**filters, &out.terms_);
  return out;
}

bool FlightCriteria::Matches(std::string_view name, int64_t rows) const {
  for (const FilterTree& term : terms_) {
    if (term.column == "name" && !MatchesName(term, name)) return false;
    if (term.column == "rows" && !MatchesRows(term, rows)) return false;
  }
  return true;
}

}  // namespace longbow::protocol
