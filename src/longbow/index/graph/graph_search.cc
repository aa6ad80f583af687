#include "longbow/index/graph/graph_search.h"

#include <algorithm>

namespace longbow::index {
namespace {

constexpr size_t kBatch = 8;    // rows rescored at once
constexpr uint32_t kWiden = 4;  // how much harder to look when too few of the nodes found are wanted
constexpr uint32_t kMostWidened = 4096;

}  // namespace

// Fitted to random selections of 100 k x 768 and 200 k x 128.
GraphWalk::Filtered FilteredEffort(uint32_t ef, float share) {
  const float wide = static_cast<float>(ef) * std::max(1.0f, 0.35f * std::pow(share, -0.58f));
  const auto times = [wide](float by) { return static_cast<uint32_t>(by * wide); };
  return {times(0.75f), times(1.5f), times(1)};
}

void GraphSearch::Begin(SearchHits* hits) {
  hits->neighbors.clear();
  hits->offsets.assign(1, 0);
  hits->work = {};
}

void GraphSearch::MeasureSelection() {
  if (spec_.selection == nullptr || spec_.visibility.end == 0) return;
  const uint64_t selected =
      spec_.selected > 0 ? spec_.selected : static_cast<uint64_t>(spec_.selection->Count());
  share_ = static_cast<float>(selected) / static_cast<float>(spec_.visibility.end);
  share_ = std::clamp(share_, 1e-3f, 1.0f);
}

// As many nodes as it takes to find as much among the selected ones; a filtered walk counts those alone.
uint32_t GraphSearch::Widened(uint32_t ef) const {
  if (share_ == 1) return ef;
  const float by = filtered() ? 1.0f : 1 / share_;
  return std::clamp(static_cast<uint32_t>(static_cast<float>(ef) * by), ef, std::max(ef, kMostWidened));
}

void GraphSearch::Answer(uint32_t query, uint32_t ef, SearchHits* hits) {
  const std::byte* const data = spec_.queries + query * spec_.query_stride;
  const uint32_t k = std::min(spec_.k[query], spec_.visibility.end);
  if (k > kMostK) {
    ScanAll(query, hits);
    hits->offsets.push_back(static_cast<uint32_t>(hits->neighbors.size()));
    return;
  }
  scratch_.heap_.resize(k);
  TopK top(scratch_.heap_.data(), k, NeighborOrder(spec_.ties));
  const bool walk = graph_ != nullptr && spec_.method != Method::kCodeScan;
  if (graph_ != nullptr) PlaceQuery(data);
  bool complete = !walk || k == 0 || WalkAndRescore(data, Widened(ef), k, &top, &hits->work);
  complete = complete && ScanFrom(data, walk ? indexed_end_ : 0, &top, &hits->work);
  partial_ = partial_ || !complete;
  if (complete && top.size() < k) {
    ScanAll(query, hits);
  } else {
    const size_t at = hits->neighbors.size();
    hits->neighbors.resize(at + top.size());
    top.Drain(hits->neighbors.data() + at);
  }
  hits->offsets.push_back(static_cast<uint32_t>(hits->neighbors.size()));
}

void GraphSearch::PlaceQuery(const std::byte* query) {
  const GraphSpace& space = graph_->space();
  scratch_.vector_.resize(space.scratch_doubles());
  scratch_.point_.resize(space.n());
  scale_ = space.PlaceQuery(query, scratch_.vector_.data(), scratch_.point_.data());
}

// By their codes as far as there are any, the rows behind at full precision.
bool GraphSearch::ScanFrom(const std::byte* query, RowOrdinal first, TopK* top, SearchWork* work) {
  const RowOrdinal rows_end = spec_.visibility.end;
  if (first >= rows_end) return true;
  const RowOrdinal coded_end =
      graph_ == nullptr || codes_ == nullptr ? 0 : std::min(codes_->coded_end(), rows_end);
  if (coded_end < rows_end &&
      !scratch_.tail_.Run(store_, kernels_, spec_, query, std::max(first, coded_end), rows_end, top, work))
    return false;
  if (coded_end <= first) return true;
  scratch_.codes_.Aim(*codes_, graph_->space(), scratch_.point_.data());
  return scratch_.codes_.Run(*codes_, graph_->space(), scale_, store_, kernels_, spec_, query, first,
                             coded_end, top, work);
}

// Looks harder while few of the nearest nodes are wanted: the answer is among those further away.
bool GraphSearch::WalkAndRescore(const std::byte* query, uint32_t ef, uint32_t k, TopK* top,
                                 SearchWork* work) {
  scratch_.walk_.Aim(*graph_, scratch_.point_.data(), GraphWalk::Order::kMetric);
  for (;; ef *= kWiden) {
    const bool complete = Walk(ef, work);
    scratch_.walk_.SortVisited();
    if (!Rescore(query, k, top, work) || !complete) return false;
    const float expected = filtered() ? 1 : share_;
    const bool enough = static_cast<float>(passed_ * kWiden * 2) > expected * static_cast<float>(judged_) &&
                        top->size() >= std::min<size_t>(k, judged_);
    if (enough || ef >= kMostWidened || scratch_.walk_.visited().size() < ef) return true;
    top->Clear();
  }
}

bool GraphSearch::Walk(uint32_t ef, SearchWork* work) {
  if (!filtered()) {
    return scratch_.walk_.Run(*graph_, ef, spec_.budget, work);
  }
  const GraphWalk::Filtered effort = FilteredEffort(ef, share_);
  if (!chains_.any_joined()) {
    const auto selected = [this](Slot slot) { return spec_.selection->Contains(graph_->row(slot)); };
    return scratch_.walk_.RunFiltered(*graph_, effort, selected, spec_.budget, work);
  }
  const auto selected = [this](Slot slot) {
    for (RowOrdinal row = graph_->row(slot); row != kNoRow; row = chains_.next(row)) {
      if (spec_.selection->Contains(row)) return true;
    }
    return false;
  };
  return scratch_.walk_.RunFiltered(*graph_, effort, selected, spec_.budget, work);
}

uint32_t GraphSearch::Wanted(RowOrdinal first) const {
  uint32_t wanted = 0;
  for (RowOrdinal row = first; row != kNoRow; row = chains_.next(row)) {
    if (row >= indexed_end_ || !spec_.visibility.Visible(row)) continue;
    if (spec_.selection != nullptr && !spec_.selection->Contains(row)) continue;
    scratch_.rows_.push_back(row);
    ++wanted;
  }
  return wanted;
}

// Nearest first, until what is left cannot be among the k any more.
bool GraphSearch::Rescore(const std::byte* query, uint32_t k, TopK* top, SearchWork* work) {
  scratch_.rows_.clear();
  judged_ = passed_ = 0;
  for (const Candidate& c : scratch_.walk_.visited()) {
    if (top->size() == k) {
      const float bound = scale_.shift + scale_.stretch * top->threshold();
      if (c.distance - scratch_.walk_.Slack(c.distance) > bound) break;
    }
    const RowOrdinal first = graph_->header(c.slot).row.load(std::memory_order_acquire);
    ++judged_;
    passed_ += Wanted(first) > 0;
    const size_t due = std::max<size_t>(kBatch, k - top->size());
    if (scratch_.rows_.size() >= due && !TakeBatch(query, top, work)) return false;
  }
  return scratch_.rows_.empty() || TakeBatch(query, top, work);
}

bool GraphSearch::TakeBatch(const std::byte* query, TopK* top, SearchWork* work) {
  const size_t count = scratch_.rows_.size();
  if (spec_.budget != nullptr && !spec_.budget->Spend(static_cast<int64_t>(count))) return false;
  scratch_.rows_at_.resize(count);
  scratch_.distances_.resize(count);
  for (size_t i = 0; i < count; ++i) scratch_.rows_at_[i] = store_.Row(scratch_.rows_[i]);
  kernels_.gather(query, scratch_.rows_at_.data(), count, store_.scalars(), scratch_.distances_.data());
  top->OfferAll(scratch_.distances_.data(), count, [this](size_t i) { return scratch_.rows_[i]; });
  work->distances += static_cast<int64_t>(count);
  work->bytes += static_cast<int64_t>(count * store_.row_bytes());
  scratch_.rows_.clear();
  return true;
}

void GraphSearch::ScanAll(uint32_t query, SearchHits* hits) {
  SearchSpec spec = spec_;
  spec.queries = spec_.queries + query * spec_.query_stride;
  spec.query_count = 1;
  spec.k = spec_.k.subspan(query, 1);
  FlatScan(&store_, kernels_, spec, &scratch_.flat_).Run(&scratch_.flat_hits_);
  const SearchHits& found = scratch_.flat_hits_;
  hits->neighbors.insert(hits->neighbors.end(), found.neighbors.begin(), found.neighbors.end());
  hits->work += found.work;
  partial_ = partial_ || found.coverage == Coverage::kPartial;
}

}  // namespace longbow::index
