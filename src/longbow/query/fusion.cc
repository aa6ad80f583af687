#include "longbow/query/fusion.h"

#include <algorithm>
#include <limits>
#include <string>

namespace longbow::query {
namespace {

// Reciprocal rank fusion (Cormack, Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet and
// individual rank learning methods", 2009).
double ReciprocalRank(const FusionInput&, size_t rank) {
  return 1.0 / (60.0 + static_cast<double>(rank + 1));
}

// Where a score stands between the list's worst and best; 1 when all are equal.
double Share(double score, double best, double worst) {
  return best > worst ? (score - worst) / (best - worst) : 1.0;
}
double VectorShare(const FusionInput& input, size_t rank) {
  const auto score = [&](const index::Neighbor& hit) {
    return static_cast<double>(distance::UserScore(input.metric, hit.distance));
  };
  return Share(score(input.vectors[rank]), score(input.vectors.front()), score(input.vectors.back()));
}
double TextShare(const FusionInput& input, size_t rank) {
  return Share(input.texts[rank].score, input.texts.front().score, input.texts.back().score);
}

constexpr FusionType kTypes[] = {
    {"rrf", ReciprocalRank, ReciprocalRank},
    {"weighted", VectorShare, TextShare},
};

}  // namespace

std::span<const FusionType> FusionTypes() { return kTypes; }

Result<const FusionType*> FindFusionType(std::string_view name) {
  if (name.empty()) return &kTypes[0];
  std::string known;
  for (const FusionType& type : kTypes) {
    if (type.name == name) return &type;
    known.append(known.empty() ? "" : ", ").append(type.name);
  }
  return InvalidArgument("fusion: unknown method \"", name.substr(0, 128), "\"; known are ", known);
}

void Fuse(const FusionType& type, const FusionInput& input, size_t k, const TieOrder& ties,
          std::vector<FusedHit>* out) {
  struct Worth {
    RowOrdinal row;
    double worth;
    float distance;
  };
  std::vector<Worth> all;
  all.reserve(input.vectors.size() + input.texts.size());
  for (size_t rank = 0; rank < input.vectors.size(); ++rank) {
    const auto& hit = input.vectors[rank];
    all.push_back({hit.row, input.alpha * type.vector_worth(input, rank), hit.distance});
  }
  for (size_t rank = 0; rank < input.texts.size(); ++rank) {
    all.push_back({input.texts[rank].row, (1 - input.alpha) * type.text_worth(input, rank),
                   std::numeric_limits<float>::quiet_NaN()});
  }
  std::stable_sort(all.begin(), all.end(), [](const Worth& a, const Worth& b) { return a.row < b.row; });
  out->clear();
  for (size_t i = 0; i < all.size(); ++i) {
    double worth = all[i].worth;
    const bool both = i + 1 < all.size() && all[i + 1].row == all[i].row;
    if (both) worth += all[i + 1].worth;
    out->push_back(
        {static_cast<float>(worth), all[i].distance, all[i].row});  // of both, the vector's is first
    if (both) ++i;
  }
  const auto better = [&](const FusedHit& a, const FusedHit& b) {
    return a.score != b.score ? a.score > b.score : ties.Before(a.row, b.row);
  };
  const size_t kept = std::min(k, out->size());
  std::partial_sort(out->begin(), out->begin() + static_cast<ptrdiff_t>(kept), out->end(), better);
  out->resize(kept);
}

}  // namespace longbow::query
