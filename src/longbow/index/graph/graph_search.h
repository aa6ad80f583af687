// One search by way of the graph.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "longbow/index/flat/flat_scan.h"
#include "longbow/index/graph/code_scan.h"
#include "longbow/index/graph/graph.h"
#include "longbow/index/graph/graph_walk.h"
#include "longbow/index/graph/row_chains.h"
#include "longbow/index/graph/tail_scan.h"
#include "longbow/index/top_k.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {

// What a filtered walk does where `share` of the rows are selected, to find what a walk of `ef` finds without
// a filter; estimates are by codes of `bits` (docs/decisions/filtered-walk.md).
GraphWalk::Filtered FilteredEffort(uint32_t ef, uint32_t k, float share, uint32_t bits);

// How long a walk is. With a reach, one without a filter goes on while nodes are left that are by less than
// that share of its distance farther than the k-th nearest found; where that finds too few that are wanted,
// and without a reach, until the `ef` nearest known are visited.
struct WalkLength {
  uint32_t ef = 0;
  float reach = 0;
  uint32_t hops = 0;  // expected
};

// From this share on a walk over all nodes is as good as one that looks for those that pass.
inline constexpr float kManyPass = 0.25f;

// For more a walk's sorted pool is slower than a scan.
inline constexpr uint32_t kMostK = 4096;

// What a search through the graph works in. Confined to one search at a time.
class GraphScratch : public SearchScratch {
 private:
  friend class GraphSearch;
  friend class GraphIndex;
  friend class RecallCalibration;
  GraphWalk walk_;
  std::vector<double> vector_;
  std::vector<float> point_;
  std::vector<Neighbor> heap_;
  std::vector<Candidate> batch_;
  std::vector<RowOrdinal> rows_;
  std::vector<const std::byte*> rows_at_;
  std::vector<float> distances_;
  std::vector<CodeScan> scans_{1};  // of queries answered together
  std::vector<TopK> tops_;
  TailScan tail_;
  FlatScratch flat_;
  SearchHits flat_hits_;
};

// Walks, takes the exact distances of what was found nearest and scans the rows beyond, by their codes as far
// as there are any. Scans all rows so where that is asked for, or where a walk goes astray: where hardly any
// of the nodes it finds are wanted. When all that is less than k, scans all rows themselves. Confined.
class GraphSearch {
 public:
  // `codes` may be null.
  GraphSearch(const Graph* graph, const RowCodes* codes, const RowChains& chains, RowOrdinal indexed_end,
              const VectorStore& store, const distance::KernelSet& kernels, const SearchSpec& spec,
              GraphScratch* scratch)
      : graph_(graph),
        codes_(codes),
        chains_(chains),
        indexed_end_(indexed_end),
        store_(store),
        kernels_(kernels),
        spec_(spec),
        scratch_(*scratch) {}

  // `length_for`(k, share): the length of a walk for k when `share` of the nodes it visits are wanted.
  // `most_visits`: more cost more than a scan.
  template <typename LengthFor>
  void Run(SearchHits* hits, LengthFor&& length_for, uint32_t most_visits = kMostVisits) {
    Begin(hits);
    MeasureSelection();
    most_visits_ = std::min(most_visits, kMostVisits);
    const bool together = spec_.method == Method::kCodeScan && graph_ != nullptr && codes_ != nullptr &&
                          spec_.query_count > 1 && std::ranges::max(spec_.k) <= kMostK;
    if (together) ScanTogether(hits);
    for (uint32_t query = 0; query < spec_.query_count && !together; ++query) {
      WalkLength length = length_for(spec_.k[query], filtered() ? 1.0f : share_);
      length.ef = std::min(length.ef, kMostVisits);
      Answer(query, length, hits);
    }
    hits->coverage = partial_ ? Coverage::kPartial : Coverage::kApproximate;
  }

 private:
  static constexpr uint32_t kMostVisits = 8192;
  enum class Walked { kThere, kAstray, kCut };  // cut: by the budget

  static void Begin(SearchHits* hits);
  void MeasureSelection();
  bool filtered() const { return spec_.method == Method::kFilteredWalk && share_ < kManyPass; }
  void Answer(uint32_t query, const WalkLength& length, SearchHits* hits);
  void ScanTogether(SearchHits* hits);
  void ScanGroup(uint32_t first, uint32_t count, SearchHits* hits);
  void Deliver(uint32_t query, bool complete, TopK* top, SearchHits* hits);
  const std::byte* QueryAt(uint32_t query) const { return spec_.queries + query * spec_.query_stride; }
  // What is aimed at where all that is known is how many nodes a walk shall visit.
  float ScanRecall() const { return spec_.effort.ef > 0 ? 0.98f : spec_.effort.recall; }
  void PlaceQuery(const std::byte* query);
  Walked WalkAndRescore(const std::byte* query, const WalkLength& length, uint32_t k, TopK* top,
                        SearchWork* work);
  bool ScanFrom(const std::byte* query, RowOrdinal first, TopK* top, SearchWork* work);
  bool Reach(const WalkLength& length, uint32_t k, SearchWork* work);
  bool Walk(uint32_t ef, uint32_t k, SearchWork* work);
  bool Rescore(const std::byte* query, uint32_t k, TopK* top, SearchWork* work);
  bool TakeBatch(const std::byte* query, TopK* top, SearchWork* work);
  bool Shared(Slot slot) const { return chains_.any_joined() && graph_->shared(slot); }
  uint32_t Wanted(Slot slot) const;
  void ScanAll(uint32_t query, SearchHits* hits);

  const Graph* const graph_;
  const RowCodes* const codes_;
  const RowChains& chains_;
  const RowOrdinal indexed_end_;
  const VectorStore& store_;
  const distance::KernelSet& kernels_;
  const SearchSpec& spec_;
  GraphScratch& scratch_;
  GraphSpace::Scale scale_;           // of the query placed last
  uint32_t judged_ = 0, passed_ = 0;  // nodes of the last rescore, and those with a wanted row
  float share_ = 1;                   // of the rows that is selected
  uint32_t most_visits_ = 0;
  bool partial_ = false;
};

}  // namespace longbow::index
