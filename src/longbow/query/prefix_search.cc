#include "longbow/query/prefix_search.h"

#include <algorithm>

#include "longbow/index/flat/wanted_rows.h"
#include "longbow/index/top_k.h"

namespace longbow::query {
namespace {

using index::Neighbor;
using index::TopK;
using index::WantedRows;

// One query at a time: prefixes are short, and so is a scan of them. Confined.
class PrefixScan {
 public:
  PrefixScan(const engine::View& view, int vector_column, const index::SearchSpec& spec, uint32_t scalars,
             Workspace* workspace)
      : store_(view.Vectors(vector_column)),
        kernels_(distance::Kernels(view.schema()->vectors[static_cast<size_t>(vector_column)].metric,
                                   view.schema()->vectors[static_cast<size_t>(vector_column)].type)),
        spec_(spec),
        scalars_(scalars),
        prefix_stride_(spec.query_stride / store_.scalars() * scalars),
        workspace_(*workspace) {}

  void Run() {
    index::SearchHits& hits = workspace_.hits;
    hits.neighbors.clear();
    hits.offsets.assign(1, 0);
    for (uint32_t query = 0; query < spec_.query_count; ++query) {
      Answer(query);
      hits.offsets.push_back(static_cast<uint32_t>(hits.neighbors.size()));
    }
    hits.coverage = partial_ ? index::Coverage::kPartial
                    : exact_ ? index::Coverage::kExact
                             : index::Coverage::kApproximate;
    hits.work = work_;
  }

 private:
  void Answer(uint32_t query) {
    const uint32_t k = spec_.k[query];
    const uint32_t candidates = workspace_.whole ? std::max(k * kRescoredTimes, kLeastRescored) : k;
    const RowOrdinal end = spec_.visibility.end;
    workspace_.heap.resize(std::min<size_t>(candidates, std::max<RowOrdinal>(end, 1)));
    TopK top(workspace_.heap.data(), workspace_.heap.size(), index::NeighborOrder(spec_.ties));
    Scan(workspace_.prefixes.data() + query * prefix_stride_, &top);
    const size_t found = top.Drain(workspace_.heap.data());
    workspace_.heap.resize(found);
    if (workspace_.whole) Rescore(query, found < candidates);
    const auto begin = workspace_.heap.begin();
    workspace_.hits.neighbors.insert(workspace_.hits.neighbors.end(), begin,
                                     begin + std::min<std::ptrdiff_t>(k, workspace_.heap.end() - begin));
  }

  void Scan(const std::byte* prefix, TopK* top) {
    WantedRows wanted(&store_, spec_.visibility, spec_.selection);
    workspace_.distances.resize(WantedRows::kRows);
    for (uint64_t first = 0; first < wanted.end() && !partial_; first += WantedRows::kRows) {
      if (wanted.Load(static_cast<RowOrdinal>(first)) == 0) continue;
      wanted.ForEachRun([&](RowOrdinal row, uint32_t count) {
        while (count > 0) {
          const uint32_t n = std::min(count, store_.ContiguousFrom(row));
          kernels_.rows(prefix, store_.Row(row), store_.row_bytes(), n, scalars_,
                        workspace_.distances.data());
          top->OfferAll(workspace_.distances.data(), n,
                        [row](size_t i) { return row + static_cast<RowOrdinal>(i); });
          work_.distances += n;
          work_.bytes += static_cast<int64_t>(n) * BytesOf(scalars_);
          if (spec_.budget != nullptr && !spec_.budget->Spend(n)) return !(partial_ = true);
          row += n;
          count -= n;
        }
        return true;
      });
    }
  }

  // `all`: every wanted row is among the candidates.
  void Rescore(uint32_t query, bool all) {
    auto& found = workspace_.heap;
    workspace_.rows_at.resize(found.size());
    workspace_.distances.resize(std::max<size_t>(found.size(), WantedRows::kRows));
    for (size_t i = 0; i < found.size(); ++i) workspace_.rows_at[i] = store_.Row(found[i].row);
    kernels_.gather(spec_.queries + query * spec_.query_stride, workspace_.rows_at.data(), found.size(),
                    store_.scalars(), workspace_.distances.data());
    for (size_t i = 0; i < found.size(); ++i) found[i].distance = workspace_.distances[i];
    std::sort(found.begin(), found.end(), index::NeighborOrder(spec_.ties));
    work_.distances += static_cast<int64_t>(found.size());
    work_.bytes += static_cast<int64_t>(found.size()) * BytesOf(static_cast<uint32_t>(store_.scalars()));
    exact_ = exact_ && all;
  }

  int64_t BytesOf(uint32_t scalars) const {
    return static_cast<int64_t>(scalars * distance::ScalarBytes(store_.type()));
  }

  const index::VectorStore& store_;
  const distance::KernelSet& kernels_;
  const index::SearchSpec& spec_;
  const uint32_t scalars_;
  const size_t prefix_stride_;
  Workspace& workspace_;
  index::SearchWork work_;
  bool partial_ = false;
  bool exact_ = true;
};

}  // namespace

void PrefixSearch(const engine::View& view, int vector_column, const index::SearchSpec& spec,
                  uint32_t scalars, Workspace* workspace) {
  PrefixScan(view, vector_column, spec, scalars, workspace).Run();
}

}  // namespace longbow::query
