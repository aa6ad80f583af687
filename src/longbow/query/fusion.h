// One ranking from two.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"
#include "longbow/base/tie_order.h"
#include "longbow/distance/metric_list.h"
#include "longbow/index/vector_index.h"
#include "longbow/text/top_scores.h"

namespace longbow::query {

// Each list best first, a row at most once in it. `alpha` is the vectors' share.
struct FusionInput {
  std::span<const index::Neighbor> vectors;
  std::span<const text::Hit> texts;
  distance::Metric metric = distance::Metric::kL2;
  double alpha = 0.5;
};

struct FusedHit {
  float score;
  float distance;  // as the index gave it; NaN: not among its candidates
  RowOrdinal row;
};

// One row of the list of fusion methods: what ranks and scores of a list are worth, added up over the lists
// with alpha and 1 - alpha.
struct FusionType {
  std::string_view name;
  double (*vector_worth)(const FusionInput& input, size_t rank);
  double (*text_worth)(const FusionInput& input, size_t rank);
};
std::span<const FusionType> FusionTypes();
// An empty name is the default, rrf. InvalidArgument that names the known ones.
Result<const FusionType*> FindFusionType(std::string_view name);

// The k best by (score, key) into `out`.
void Fuse(const FusionType& type, const FusionInput& input, size_t k, const TieOrder& ties,
          std::vector<FusedHit>* out);

// How deep both lists have to be so that k of the fusion are worth their name.
inline size_t FusionDepth(size_t k) { return std::max<size_t>(100, 4 * k); }
// Pages are cut from one order, so its lists are as deep for each of them; no page goes beyond.
inline constexpr uint32_t kPagedFusionDepth = 1000;

// The share of vectors in a query of so many words.
inline double AdaptiveAlpha(size_t words) { return words < 3 ? 0.3 : words <= 5 ? 0.5 : 0.8; }

}  // namespace longbow::query
