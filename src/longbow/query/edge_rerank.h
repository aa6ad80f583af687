// Searches whose hits lend some of their score to the rows they point at.
#pragma once

#include "longbow/base/status.h"
#include "longbow/query/search.h"

namespace longbow::query {

// Like QueryEngine::Search; then each hit gives each key that it has an edge to `alpha` times its score. A
// hit so favoured rises; a row that was no hit enters with what it was given, when it matches the request's
// filter. Ordered by the new score, at most k a query; `score` holds it, `distance` stays that of the
// vectors. Edges are followed one step. InvalidArgument for an alpha that is negative or not finite.
Result<SearchAnswer> SearchAlongEdges(QueryEngine& query, const engine::Engine& engine,
                                      const SearchRequest& request, double alpha);

}  // namespace longbow::query
