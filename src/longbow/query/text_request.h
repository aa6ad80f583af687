// What a search asks of text beside vectors.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "longbow/text/text_index.h"

namespace longbow::query {

struct TextRequest {
  std::string query;                       // as text::ParseTextQuery reads it
  std::optional<text::TextQuery> clauses;  // the same in parts; instead of `query`
  std::optional<std::vector<std::string>> columns;
  std::vector<text::WeightedTerm> weights;  // a sparse vector; instead of text
  std::string weight_column;
  // 1: vectors only, 0: text only, between: both, weighted; below 0: by the number of words.
  double alpha = 0;
  std::string fusion;  // empty: the default

  bool present() const { return !query.empty() || clauses.has_value() || !weights.empty(); }
};

}  // namespace longbow::query
