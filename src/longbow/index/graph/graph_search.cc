#include "longbow/index/graph/graph_search.h"

#include <algorithm>
#include <array>

namespace longbow::index {
namespace {

constexpr size_t kBatch = 8;  // rows rescored at once
// Of the nodes nearest to the query about the share selected is wanted, or more. Half of that and some less
// for chance says that the answer is farther away than the walk was made for.
constexpr uint32_t kFewBySpread = 4;
// A walk by reach ends by what it finds, wanted or not. More that is not wanted, and it ended too soon.
constexpr uint32_t kWantedToUnwanted = 8;
constexpr uint32_t kMostReached = 512;
constexpr uint32_t kLeastRank = 10;  // the nearest one or two alone say little about where others lie
// A filtered walk goes on until so many are found that pass, fitted to random selections of 100 k x 768 and
// 200 k x 128.
constexpr float kRankOfEf = 0.4f, kRankOfK = 1.15f;
constexpr uint32_t kMostFilteredVisits = 8192;
constexpr size_t kScansAtOnce = 16;
constexpr RowOrdinal kRowsATile = 4096;  // scanned for one query after the other while they are in cache

}  // namespace

GraphWalk::Filtered FilteredEffort(uint32_t ef, uint32_t k, float share, uint32_t bits) {
  GraphWalk::Filtered effort;
  effort.rank =
      static_cast<uint32_t>(std::max(kRankOfEf * static_cast<float>(ef), kRankOfK * static_cast<float>(k)));
  effort.least = ef + ef / 2;  // where much around the query passes
  effort.keep = std::max(bits == 1 ? 3 * k + 10 : 2 * k + 8, effort.rank + k / 2);
  effort.hops = std::max(effort.least, static_cast<uint32_t>(static_cast<float>(effort.rank) / share));
  effort.most = std::min(2 * effort.hops, kMostFilteredVisits);
  return effort;
}

void GraphSearch::Begin(SearchHits* hits) {
  hits->neighbors.clear();
  hits->offsets.assign(1, 0);
  hits->work = {};
}

// A walk meets the nodes of rows that are there, not those of all that ever were.
void GraphSearch::MeasureSelection() {
  if (spec_.selection == nullptr || spec_.visibility.end == 0) return;
  const uint64_t selected =
      spec_.selected > 0 ? spec_.selected : static_cast<uint64_t>(spec_.selection->Count());
  share_ = static_cast<float>(selected) / static_cast<float>(VisibleRows(spec_));
  share_ = std::clamp(share_, 1e-3f, 1.0f);
}

void GraphSearch::Answer(uint32_t query, const WalkLength& length, SearchHits* hits) {
  const std::byte* const data = QueryAt(query);
  const uint32_t k = std::min(spec_.k[query], spec_.visibility.end);
  if (k > kMostK) {
    ScanAll(query, hits);
    hits->offsets.push_back(static_cast<uint32_t>(hits->neighbors.size()));
    return;
  }
  scratch_.heap_.resize(k);
  TopK top(scratch_.heap_.data(), k, NeighborOrder(spec_.ties));
  // Methods() offers no walk to a selection where lengths differ, but the graph may have come since.
  const bool walk = graph_ != nullptr && spec_.method != Method::kCodeScan && k > 0 &&
                    (spec_.selection == nullptr || !graph_->LengthsDiffer());
  if (graph_ != nullptr) PlaceQuery(data);
  const Walked walked = walk ? WalkAndRescore(data, length, k, &top, &hits->work) : Walked::kAstray;
  if (walked == Walked::kAstray) top.Clear();
  const bool complete = walked != Walked::kCut &&
                        ScanFrom(data, walked == Walked::kThere ? indexed_end_ : 0, &top, &hits->work);
  partial_ = partial_ || !complete;
  Deliver(query, complete, &top, hits);
}

// Several queries by codes: each stretch of codes comes from memory once.
void GraphSearch::ScanTogether(SearchHits* hits) {
  for (uint32_t first = 0; first < spec_.query_count; first += kScansAtOnce) {
    ScanGroup(first, std::min<uint32_t>(spec_.query_count - first, kScansAtOnce), hits);
  }
}

void GraphSearch::ScanGroup(uint32_t first, uint32_t count, SearchHits* hits) {
  std::array<uint32_t, kScansAtOnce + 1> ends{};
  for (uint32_t i = 0; i < count; ++i)
    ends[i + 1] = ends[i] + std::min(spec_.k[first + i], spec_.visibility.end);
  scratch_.heap_.resize(ends[count]);
  if (scratch_.scans_.size() < count) scratch_.scans_.resize(count);
  std::vector<TopK>& tops = scratch_.tops_;
  tops.clear();
  tops.reserve(count);  // scans point into it
  for (uint32_t i = 0; i < count; ++i) {
    tops.emplace_back(scratch_.heap_.data() + ends[i], ends[i + 1] - ends[i], NeighborOrder(spec_.ties));
    PlaceQuery(QueryAt(first + i));
    scratch_.scans_[i].Aim(*codes_, graph_->space(),
                           {QueryAt(first + i), scratch_.point_.data(), scale_, &tops[i]}, ScanRecall());
  }
  const RowOrdinal rows_end = spec_.visibility.end, coded_end = std::min(codes_->coded_end(), rows_end);
  bool complete = true;
  for (uint32_t i = 0; i < count && coded_end < rows_end; ++i) {
    complete = complete && scratch_.tail_.Run(store_, kernels_, spec_, QueryAt(first + i), coded_end,
                                              rows_end, &tops[i], &hits->work);
  }
  for (RowOrdinal row = 0; row < coded_end && complete; row += std::min(kRowsATile, coded_end - row)) {
    const RowOrdinal end = row + std::min(kRowsATile, coded_end - row);
    for (uint32_t i = 0; i < count && complete; i += CodeScan::kMostTogether) {
      const size_t together = std::min<size_t>(CodeScan::kMostTogether, count - i);
      complete = CodeScan::Run({&scratch_.scans_[i], together}, *codes_, graph_->space(), store_, kernels_,
                               spec_, row, end, coded_end, &hits->work);
    }
  }
  partial_ = partial_ || !complete;
  for (uint32_t i = 0; i < count; ++i) Deliver(first + i, complete, &tops[i], hits);
}

// What was found of a query; if that is not enough, what all its rows hold.
void GraphSearch::Deliver(uint32_t query, bool complete, TopK* top, SearchHits* hits) {
  if (complete && top->size() < std::min(spec_.k[query], spec_.visibility.end)) {
    ScanAll(query, hits);
  } else {
    const size_t at = hits->neighbors.size();
    hits->neighbors.resize(at + top->size());
    top->Drain(hits->neighbors.data() + at);
  }
  hits->offsets.push_back(static_cast<uint32_t>(hits->neighbors.size()));
}

void GraphSearch::PlaceQuery(const std::byte* query) {
  const GraphSpace& space = graph_->space();
  scratch_.vector_.resize(space.scratch_doubles());
  scratch_.point_.resize(space.n());
  const float length = space.biased() ? std::sqrt(graph_->SquaredLengths().most) : 0;
  scale_ = space.PlaceQuery(query, length, scratch_.vector_.data(), scratch_.point_.data());
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
  CodeScan& scan = scratch_.scans_.front();
  scan.Aim(*codes_, graph_->space(), {query, scratch_.point_.data(), scale_, top}, ScanRecall());
  return CodeScan::Run({&scan, 1}, *codes_, graph_->space(), store_, kernels_, spec_, first, coded_end,
                       coded_end - first, work);
}

// Looks harder while that costs less than a scan.
GraphSearch::Walked GraphSearch::WalkAndRescore(const std::byte* query, const WalkLength& length, uint32_t k,
                                                TopK* top, SearchWork* work) {
  scratch_.walk_.Aim(*graph_, scratch_.point_.data(), GraphWalk::Order::kMetric);
  if (length.reach > 0 && !filtered()) {
    const bool complete = Reach(length, k, work);
    scratch_.walk_.SortVisited();
    if (!Rescore(query, k, top, work) || !complete) return Walked::kCut;
    if (top->size() == k && judged_ - passed_ <= k / kWantedToUnwanted) return Walked::kThere;
    top->Clear();
  }
  uint32_t ef = length.ef;
  for (;;) {
    const bool complete = Walk(ef, k, work);
    scratch_.walk_.SortVisited();
    if (!Rescore(query, k, top, work) || !complete) return Walked::kCut;
    const float share = filtered() ? 1 : share_, judged = static_cast<float>(judged_);
    const bool few = static_cast<float>(2 * passed_ + kFewBySpread) < share * judged;
    if (!scratch_.walk_.lost() && !few && top->size() >= std::min<size_t>(k, judged_)) return Walked::kThere;
    if (!filtered() && scratch_.walk_.visited().size() < ef) return Walked::kThere;  // that was all
    const float wider = std::max(2.0f, share * judged / static_cast<float>(std::max(passed_, 1u)));
    if (scratch_.walk_.lost() || wider * static_cast<float>(ef) > static_cast<float>(most_visits_))
      return Walked::kAstray;
    ef = static_cast<uint32_t>(wider * static_cast<float>(ef));
    top->Clear();
  }
}

// The lengths of vectors are told from those of the entries. Twice what a product falls short of the longest
// possible one is a distance that is never negative: its share is the same however long the query is.
bool GraphSearch::Reach(const WalkLength& length, uint32_t k, SearchWork* work) {
  GraphWalk::Reaching reaching;
  reaching.most = std::max(kMostReached, 2 * length.ef);
  reaching.rank = std::max(k, kLeastRank);
  reaching.reach = length.reach;
  reaching.hops = length.hops;
  if (graph_->space().biased()) {
    reaching.shift = 2 * std::sqrt(scale_.shift * graph_->SquaredLengths().most) - scale_.shift;
  }
  return scratch_.walk_.RunReaching(*graph_, reaching, spec_.budget, work);
}

bool GraphSearch::Walk(uint32_t ef, uint32_t k, SearchWork* work) {
  if (!filtered()) {
    return scratch_.walk_.Run(*graph_, ef, spec_.budget, work);
  }
  const GraphWalk::Filtered effort = FilteredEffort(ef, k, share_, graph_->layout().bits);
  const auto selected = [this](Slot slot) {
    const bool shared = Shared(slot);
    for (RowOrdinal row = graph_->row(slot); row != kNoRow; row = shared ? chains_.next(row) : kNoRow) {
      if (spec_.selection->Contains(row)) return true;
    }
    return false;
  };
  return scratch_.walk_.RunFiltered(*graph_, effort, selected, spec_.budget, work);
}

uint32_t GraphSearch::Wanted(Slot slot) const {
  uint32_t wanted = 0;
  const bool shared = Shared(slot);
  RowOrdinal row = graph_->header(slot).row.load(std::memory_order_acquire);
  for (; row != kNoRow; row = shared ? chains_.next(row) : kNoRow) {
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
      if (c.distance - scratch_.walk_.Slack(*graph_, c) > bound) break;
    }
    ++judged_;
    passed_ += Wanted(c.slot) > 0;
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
  spec.queries = QueryAt(query);
  spec.query_count = 1;
  spec.k = spec_.k.subspan(query, 1);
  FlatScan(&store_, kernels_, spec, &scratch_.flat_).Run(&scratch_.flat_hits_);
  const SearchHits& found = scratch_.flat_hits_;
  hits->neighbors.insert(hits->neighbors.end(), found.neighbors.begin(), found.neighbors.end());
  hits->work += found.work;
  partial_ = partial_ || found.coverage == Coverage::kPartial;
}

}  // namespace longbow::index
