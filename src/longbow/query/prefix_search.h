// Search on the first elements of each vector, as Matryoshka embeddings allow (Kusupati et al., "Matryoshka
// Representation Learning").
#pragma once

#include <cstdint>

#include "longbow/engine/view.h"
#include "longbow/index/vector_index.h"
#include "longbow/query/workspace.h"

namespace longbow::query {

// How many times k rows are taken by their prefixes and ordered again by whole vectors.
inline constexpr uint32_t kRescoredTimes = 4, kLeastRescored = 64;

// Scans the first `scalars` stored numbers of each wanted row for the workspace's prefixes (each row's own
// prefix norm under cosine), then orders the best by the workspace's prepared whole queries, if it has such.
// Leaves the hits in the workspace.
void PrefixSearch(const engine::View& view, int vector_column, const index::SearchSpec& spec,
                  uint32_t scalars, Workspace* workspace);

}  // namespace longbow::query
