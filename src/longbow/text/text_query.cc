#include "longbow/text/text_query.h"

#include <charconv>
#include <cmath>

namespace longbow::text {
namespace {

constexpr std::string_view kSpaces = " \t\n\v\f\r";

// Takes "^2.5" from the front of `text` when it is there.
float TakeBoost(std::string_view* text) {
  if (text->size() < 2 || text->front() != '^') return 1;
  float boost = 1;
  const auto [end, error] = std::from_chars(text->data() + 1, text->data() + text->size(), boost);
  if (error != std::errc() || !std::isfinite(boost) || boost <= 0 || boost > 1e6f) return 1;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return boost;
}

Occur TakeOccur(std::string_view* text) {
  if (text->size() < 2 || kSpaces.find((*text)[1]) != kSpaces.npos) return Occur::kShould;
  const char sign = text->front();
  if (sign != '+' && sign != '-') return Occur::kShould;
  text->remove_prefix(1);
  return sign == '+' ? Occur::kMust : Occur::kMustNot;
}

TextQuery::Clause TakeClause(std::string_view* text) {
  TextQuery::Clause clause;
  clause.occur = TakeOccur(text);
  const size_t quote = text->front() == '"' ? text->find('"', 1) : text->npos;
  if (quote != text->npos) {
    clause.phrase = true;
    clause.text = text->substr(1, quote - 1);
    text->remove_prefix(quote + 1);
    clause.boost = TakeBoost(text);
    return clause;
  }
  const size_t end = std::min(text->find_first_of(kSpaces), text->size());
  std::string_view word = text->substr(0, end);
  text->remove_prefix(end);
  const size_t caret = word.rfind('^');
  if (caret != word.npos && caret > 0) {
    std::string_view behind = word.substr(caret);
    const float boost = TakeBoost(&behind);
    if (behind.empty()) clause.boost = boost, word = word.substr(0, caret);
  }
  clause.text = word;
  return clause;
}

}  // namespace

Result<TextQuery> ParseTextQuery(std::string_view text) {
  if (text.size() > TextQuery::kMaxBytes) {
    return InvalidArgument("text_query has ", text.size(), " bytes; at most ", TextQuery::kMaxBytes,
                           " are allowed");
  }
  TextQuery query;
  for (size_t begin; (begin = text.find_first_not_of(kSpaces)) != text.npos;) {
    text.remove_prefix(begin);
    if (query.clauses.size() == TextQuery::kMaxClauses) {
      return InvalidArgument("text_query has more than ", TextQuery::kMaxClauses, " words and phrases");
    }
    query.clauses.push_back(TakeClause(&text));
  }
  return query;
}

size_t CountWords(std::string_view text) {
  size_t words = 0;
  for (size_t begin; (begin = text.find_first_not_of(kSpaces)) != text.npos; ++words) {
    text.remove_prefix(begin);
    text.remove_prefix(std::min(text.find_first_of(kSpaces), text.size()));
  }
  return words;
}

}  // namespace longbow::text
