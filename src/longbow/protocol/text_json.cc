#include "longbow/protocol/text_json.h"

#include <cmath>
#include <set>
#include <string>

namespace longbow::protocol {
namespace {

using simdjson::dom::element;
using text::TextQuery;

constexpr std::string_view kClause = "texts, or objects with \"text\" or \"phrase\" and \"boost\"";

Result<TextQuery::Clause> ReadClause(const JsonObject& object, std::string_view key, text::Occur occur,
                                     element item) {
  TextQuery::Clause clause;
  clause.occur = occur;
  if (item.is_string()) {
    clause.text = std::string_view(item);
    return clause;
  }
  if (!item.is_object()) return object.Wrong(key, kClause, item);
  const JsonObject parts{simdjson::dom::object(item), object.what()};
  double boost = 1;
  LB_RETURN_NOT_OK(parts.Read("boost", &boost));
  LB_RETURN_NOT_OK(parts.Read("text", &clause.text));
  clause.phrase = parts.Find("phrase").has_value();
  LB_RETURN_NOT_OK(parts.Read("phrase", &clause.text));
  if (clause.text.empty()) return object.Wrong(key, kClause, item);
  if (!(boost > 0 && boost <= 1e6)) {
    return object.Invalid("boost: expected a number above 0 and up to 1e6, got " + std::to_string(boost));
  }
  clause.boost = static_cast<float>(boost);
  return clause;
}

Result<TextQuery> ReadClauses(const JsonObject& object, element given) {
  const JsonObject parts{simdjson::dom::object(given), object.what()};
  constexpr std::pair<std::string_view, text::Occur> kKinds[] = {
      {"must", text::Occur::kMust}, {"should", text::Occur::kShould}, {"must_not", text::Occur::kMustNot}};
  TextQuery query;
  size_t bytes = 0;
  for (const auto& [key, occur] : kKinds) {
    const auto list = parts.Find(key);
    if (!list) continue;
    if (!list->is_array()) return parts.Wrong(key, "an array", *list);
    for (element item : simdjson::dom::array(*list)) {
      LB_ASSIGN_OR_RETURN(query.clauses.emplace_back(), ReadClause(parts, key, occur, item));
      bytes += query.clauses.back().text.size();
    }
  }
  if (query.clauses.empty())
    return object.Invalid("text_query: expected must, should or must_not with texts");
  if (query.clauses.size() > TextQuery::kMaxClauses || bytes > TextQuery::kMaxBytes) {
    return object.Invalid("text_query: at most " + std::to_string(TextQuery::kMaxClauses) + " clauses of " +
                          std::to_string(TextQuery::kMaxBytes) + " bytes together are allowed");
  }
  return query;
}

Status ReadWeights(const JsonObject& object, std::vector<text::WeightedTerm>* weights) {
  LB_ASSIGN_OR_RETURN(const auto sparse, object.ReadObject("sparse_query"));
  if (!sparse) return Status::OK();
  const auto indices = sparse->Find("indices"), values = sparse->Find("values");
  if (!indices || !indices->is_array() || !values || !values->is_array()) {
    return object.Invalid("sparse_query: expected arrays \"indices\" and \"values\"");
  }
  const simdjson::dom::array terms(*indices), numbers(*values);
  if (terms.size() != numbers.size() || terms.size() == 0 || terms.size() > 4096) {
    return object.Invalid("sparse_query: expected 1 to 4096 indices and as many values");
  }
  std::set<uint64_t> seen;
  auto number = numbers.begin();
  for (element term : terms) {
    uint64_t index = 0;
    double value = 0;
    if (term.get(index) != simdjson::SUCCESS || index >= text::kNoTerm || !seen.insert(index).second) {
      return object.Wrong("indices", "distinct integers from 0 to 4294967294", term);
    }
    if ((*number).get(value) != simdjson::SUCCESS || !std::isfinite(static_cast<float>(value))) {
      return object.Wrong("values", "finite float32 numbers", *number);
    }
    weights->push_back({static_cast<text::TermId>(index), static_cast<float>(value)});
    ++number;
  }
  return Status::OK();
}

}  // namespace

Status ReadText(const JsonObject& object, query::TextRequest* text) {
  const auto given = object.Find("text_query");
  if (given && given->is_object()) {
    LB_ASSIGN_OR_RETURN(text->clauses, ReadClauses(object, *given));
  } else {
    LB_RETURN_NOT_OK(object.Read("text_query", &text->query));
  }
  LB_RETURN_NOT_OK(object.Read("text_columns", &text->columns));
  LB_RETURN_NOT_OK(object.Read("alpha", &text->alpha));
  LB_RETURN_NOT_OK(object.Read("fusion", &text->fusion));
  LB_RETURN_NOT_OK(object.Read("sparse_column", &text->weight_column));
  return ReadWeights(object, &text->weights);
}

}  // namespace longbow::protocol
