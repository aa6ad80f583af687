// Searches that ask for text: alone, or fused with a search by vector.
#pragma once

#include "longbow/base/budget.h"
#include "longbow/engine/text_columns.h"
#include "longbow/engine/view.h"
#include "longbow/query/fusion.h"
#include "longbow/query/text_request.h"
#include "longbow/query/workspace.h"
#include "longbow/text/text_index.h"

namespace longbow::query {

// What a request asks for, decided by what it brings and by alpha.
struct SearchParts {
  bool vectors = true, texts = false;
  double alpha = 1;  // of both
  bool both() const { return vectors && texts; }
};
// Text asked for by words and by weights at once is InvalidArgument, as is an alpha above 1, and what only
// searches by vector do.
Result<SearchParts> ChooseParts(const SearchRequest& request);

// The columns that the request's text is looked for in.
Result<engine::TextColumns> TextColumnsOf(const engine::DatasetSchema& schema, const TextRequest& request);

struct TextSearch {
  const engine::View* view = nullptr;
  const TextRequest* request = nullptr;
  const RowSelection* selection = nullptr;
  uint64_t selected = 0;
  uint32_t k = 10;
  Budget* budget = nullptr;
};
// What FindTexts would cost.
Result<text::TextCost> EstimateTexts(const TextSearch& search, Workspace* workspace);
// The k best by text into workspace->texts. Errors as a search by vector has them.
Status FindTexts(const TextSearch& search, Workspace* workspace);

// Makes workspace->texts its hits, for every query those from `offset` up to its `k`: distances NaN, scores
// as they are.
void TakeTexts(std::span<const uint32_t> k, uint32_t offset, Workspace* workspace);
// Fuses workspace->hits, query by query, with workspace->texts, and leaves the hits from `offset` up to `k`.
Status FuseTexts(const engine::View& view, distance::Metric metric, const SearchRequest& request,
                 const SearchParts& parts, std::span<const uint32_t> k, uint32_t offset,
                 Workspace* workspace);

}  // namespace longbow::query
