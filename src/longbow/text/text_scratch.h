// What one text search works in.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "longbow/text/analyzer.h"
#include "longbow/text/bm25.h"
#include "longbow/text/posting_query.h"

namespace longbow::text {

// Confined to the search that leased it.
class TextScratch {
 public:
  explicit TextScratch(std::unique_ptr<Analyzer> own_analyzer) : analyzer(std::move(own_analyzer)) {}
  // The number of `id` among the query's terms.
  uint32_t SlotOf(TermId id) {
    for (uint32_t slot = 0; slot < query.terms.size(); ++slot) {
      if (query.terms[slot].id == id) return slot;
    }
    query.terms.push_back({id, 0});
    return static_cast<uint32_t>(query.terms.size() - 1);
  }

  std::unique_ptr<Analyzer> analyzer;  // null for weights
  TokenList tokens;
  std::vector<TermId> ids;  // of a text read again
  PostingQuery query;
  std::vector<double> idf;  // by slot
  Bm25Lengths lengths;
  PostingScratch postings;
};

}  // namespace longbow::text
