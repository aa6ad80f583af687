// What a text search asks, before any analyzer saw it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"
#include "longbow/text/posting_query.h"

namespace longbow::text {

// Immutable once made. A clause that an analyzer turns into nothing (a stop word) asks nothing; one that it
// turns into several terms is a phrase when it is quoted or excluded, and all its terms otherwise.
struct TextQuery {
  static constexpr size_t kMaxClauses = 256, kMaxBytes = size_t{1} << 16;
  struct Clause {
    Occur occur = Occur::kShould;
    bool phrase = false;
    float boost = 1;
    std::string text;
  };
  std::vector<Clause> clauses;
};

// Words between spaces; a quoted run is a phrase; `+` before either says that it must occur, `-` that it must
// not, `^2.5` behind it how much it counts. Anything else stands for itself, so that any text is a query; a
// quote without its end is left out. InvalidArgument for more than kMaxClauses or kMaxBytes.
Result<TextQuery> ParseTextQuery(std::string_view text);

// Words of a query as people count them: what adaptive fusion goes by.
size_t CountWords(std::string_view text);

}  // namespace longbow::text
