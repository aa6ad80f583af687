#include "longbow/text/text_index.h"

#include <algorithm>
#include <bit>

#include "longbow/base/check.h"
#include "longbow/text/document_collector.h"
#include "longbow/text/text_scratch.h"

namespace longbow::text {
namespace {

// What building and asking cost about, for estimates.
constexpr double kSearchNanos = 30000, kRowNanos = 2700, kPostingNanos = 1;
// A step from one selected row to the next costs about as much as so many postings in a row.
constexpr uint64_t kPostingsARow = 16;

}  // namespace

TextIndex::TextIndex(const TextIndexInput& input)
    : input_(input),
      dictionary_(input.ledger),
      postings_(input.analyzer != nullptr ? PostingValue::kFrequency : PostingValue::kWeight, input.ledger),
      collector_(std::make_unique<DocumentCollector>(
          input.analyzer != nullptr ? input.analyzer->make() : nullptr, &dictionary_, &postings_)) {}

TextIndex::~TextIndex() {
  {
    std::lock_guard lock(turn_mutex_);
    stopping_ = true;
  }
  if (input_.builders != nullptr) {
    input_.builders->WaitUntil([this] {
      std::lock_guard lock(turn_mutex_);
      return !turning_;
    });
  }
  for (Waiter& waiter : waiters_) {
    waiter.done(Error(ErrorCode::kCancelled, "index: closed before row ", waiter.end, " was indexed"));
  }
}

void TextIndex::Begin(RowOrdinal end, Sequence horizon) {
  LB_CHECK(appended_end() == 0);
  struct Dead {
    Sequence at;
    RowOrdinal row;
  };
  std::vector<Dead> dead;
  std::vector<RowOrdinal> gone;
  for (RowOrdinal row = 0; row < end; ++row) {
    const Sequence died = input_.versions->died(row);
    if (died == kNever) continue;
    if (died <= horizon) {
      gone.push_back(row);
    } else {
      dead.push_back({died, row});
    }
  }
  std::sort(dead.begin(), dead.end(),
            [](const Dead& a, const Dead& b) { return a.at != b.at ? a.at < b.at : a.row < b.row; });
  postings_.Grow(end);
  postings_.Erase(gone);
  for (const Dead& death : dead) postings_.RowsDied(death.at, {&death.row, 1});
}

void TextIndex::RowsAppended(RowOrdinal first, RowOrdinal end) {
  LB_CHECK(first >= appended_end());
  LB_CHECK(end >= first);
  postings_.Grow(end);
  appended_end_.store(end, std::memory_order_release);
  StartTurn();
}

void TextIndex::RowsDied(Sequence at, std::span<const RowOrdinal> rows) { postings_.RowsDied(at, rows); }

void TextIndex::Erase(std::span<const RowOrdinal> rows) {
  postings_.Erase(rows);
  StartTurn();
}

void TextIndex::StartTurn() {
  {
    std::lock_guard lock(turn_mutex_);
    more_ = true;
    if (turning_ || stopping_) return;
    turning_ = true;
  }
  if (input_.builders == nullptr) return Turn();
  try {
    PostTurn();
  } catch (...) {
    std::lock_guard lock(turn_mutex_);
    turning_ = false;
    throw;
  }
}

// A turn that fails is the last one, and has ended like any other when all were told.
void TextIndex::PostTurn() {
  input_.builders->Post([this] {
    try {
      Turn();
    } catch (...) {
      const struct End {
        TextIndex* index;
        ~End() {
          std::lock_guard lock(index->turn_mutex_);
          index->stopping_ = true;
          index->turning_ = false;
        }
      } end{this};
      Fail(CurrentFailure());
    }
  });
}

void TextIndex::Fail(const std::string& what) {
  std::vector<Waiter> waiters;
  Status failure;
  {
    std::lock_guard lock(waiters_mutex_);
    failure = failure_ = Error(ErrorCode::kInternal, "text index: building it failed: ", what);
    waiters.swap(waiters_);
  }
  if (input_.failed != nullptr) input_.failed(what);
  for (Waiter& waiter : waiters) waiter.done(failure);
}

bool TextIndex::TurnGoesOn(bool worked) {
  std::lock_guard lock(turn_mutex_);
  turning_ = !stopping_ && (worked || more_);
  more_ = false;
  return turning_;
}

// One slice of rows and one of a merge, then behind others' work again.
void TextIndex::Turn() {
  for (;;) {
    const bool built = BuildSlice(), merged = MergeSlice();
    if (!TurnGoesOn(built || merged)) return;
    if (input_.builders == nullptr) continue;
    return PostTurn();
  }
}

// Indexes the next rows; false when there are none.
bool TextIndex::BuildSlice() {
  {
    std::lock_guard lock(build_mutex_);
    const RowOrdinal first = indexed_end(), end = std::min(appended_end(), first + kRowsASlice);
    if (first == end) return false;
    collector_->Begin(first, end);
    input_.source->Read(first, end, collector_.get());
    auto segment = collector_->Finish(input_.ledger);
    if (input_.documents != nullptr) {
      input_.documents->Add(static_cast<int64_t>(segment->TotalsBelow(end).documents));
    }
    postings_.Append(std::move(segment));
    postings_.MergeTail();
    indexed_end_.store(end, std::memory_order_release);
  }
  WakeWaiters();
  return true;
}

bool TextIndex::MergeSlice() {
  if (merge_ == nullptr) merge_ = postings_.BeginMerge();
  if (merge_ == nullptr) return false;
  if (merge_->Step(kMergedASlice)) {
    postings_.EndMerge(merge_.get());
    merge_.reset();
  }
  return true;
}

// Indexes what builders have not come to; false when the budget ended before.
bool TextIndex::CatchUp(RowOrdinal end, Budget* budget) {
  while (indexed_end() < end) {
    if (budget != nullptr && !budget->Spend(kRowsASlice)) return false;
    BuildSlice();
  }
  return true;
}

void TextIndex::WhenIndexed(RowOrdinal end, std::function<void(Status)> done) {
  Status failure;
  {
    std::lock_guard lock(waiters_mutex_);
    if (indexed_end() < end) failure = failure_;
    if (failure.ok()) waiters_.push_back({end, std::move(done)});
  }
  if (!failure.ok()) return done(failure);
  WakeWaiters();
}

void TextIndex::WakeWaiters() {
  std::vector<Waiter> ready;
  {
    std::lock_guard lock(waiters_mutex_);
    const auto waiting = std::partition(waiters_.begin(), waiters_.end(),
                                        [&](const Waiter& waiter) { return waiter.end > indexed_end(); });
    std::move(waiting, waiters_.end(), std::back_inserter(ready));
    waiters_.erase(waiting, waiters_.end());
  }
  for (Waiter& waiter : ready) waiter.done(Status::OK());
}

double EstimateNanos(RowOrdinal end, RowOrdinal indexed_end) {
  return kSearchNanos + (end > indexed_end ? kRowNanos * (end - indexed_end) : 0);
}

TextCost TextIndex::Estimate(const TextSearchSpec& spec, TextScratch* scratch) const {
  TextCost cost;
  const auto segments = postings_.segments();
  const bool any = Compile(spec, *segments, scratch);
  for (const auto& segment : *segments) {
    if (any) cost.postings += static_cast<int64_t>(CountPostings(*segment, scratch->query));
  }
  const double before = EstimateNanos(spec.visibility.end, indexed_end());
  cost.lists_nanos = before + kPostingNanos * static_cast<double>(cost.postings);
  if (spec.selection != nullptr && scratch->query.clauses.empty()) {
    cost.selected_nanos = before + kPostingNanos * static_cast<double>(kPostingsARow * spec.selected);
  }
  return cost;
}

std::unique_ptr<TextScratch> TextIndex::NewScratch() const {
  return std::make_unique<TextScratch>(input_.analyzer != nullptr ? input_.analyzer->make() : nullptr);
}

Status TextIndex::Search(const TextSearchSpec& spec, TextScratch* scratch, TextHits* hits) {
  hits->partial = !CatchUp(spec.visibility.end, spec.budget);
  hits->postings = 0;
  TopScores top(&hits->hits, spec.k, spec.ties);
  const auto segments = postings_.segments();
  if (!Compile(spec, *segments, scratch)) return Status::OK();
  for (const auto& segment : *segments) {
    if (segment->first() >= spec.visibility.end) break;
    if (!SearchSegment(*segment, spec, scratch, &top, &hits->postings)) {
      hits->partial = true;
      break;
    }
  }
  top.Sort();
  return Status::OK();
}

bool TextIndex::SearchSegment(const PostingSegment& segment, const TextSearchSpec& spec, TextScratch* scratch,
                              TopScores* top, int64_t* postings) const {
  SegmentRows rows;
  rows.first = segment.first();
  rows.limit = std::min(segment.end(), spec.visibility.end) - segment.first();
  rows.all_visible = segment.deaths().CountUntil(spec.visibility.at) == 0;
  rows.visibility = spec.visibility;
  rows.selection = spec.selection;
  const PostingQuery& query = scratch->query;
  const float* norm = scratch->lengths.norm.data();
  const auto in_lists = static_cast<uint64_t>(CountPostings(segment, query));
  *postings += static_cast<int64_t>(in_lists);
  if (in_lists == 0) return true;
  if (!query.clauses.empty()) {
    return SearchClauses(segment, query, norm, rows, &scratch->postings, spec.budget, top);
  }
  // The selection's rows are taken to be spread evenly.
  const double share = static_cast<double>(rows.limit) / std::max<RowOrdinal>(spec.visibility.end, 1);
  const double selected = static_cast<double>(spec.selected) * share;
  if (spec.selection != nullptr && selected * kPostingsARow < static_cast<double>(in_lists)) {
    return SearchSelected(segment, query, norm, rows, &scratch->postings, spec.budget, top);
  }
  return SearchUnion(segment, query, norm, rows, &scratch->postings, spec.budget, top);
}

bool TextIndex::Compile(const TextSearchSpec& spec, const SegmentList& segments, TextScratch* scratch) const {
  scratch->query.terms.clear();
  scratch->query.clauses.clear();
  scratch->query.occurrences = nullptr;
  if (input_.analyzer == nullptr) {
    LB_CHECK(spec.query == nullptr);
    for (const WeightedTerm& term : spec.weights) {
      if (term.weight != 0) scratch->query.terms.push_back({term.term, term.weight});
    }
    return !scratch->query.terms.empty();
  }
  LB_CHECK(spec.query != nullptr);
  if (!CompileText(*spec.query, scratch)) return false;
  Weigh(segments, spec.visibility, scratch);
  return true;
}

bool TextIndex::CompileText(const TextQuery& query, TextScratch* scratch) const {
  auto& clauses = scratch->query.clauses;
  bool plain = true, wanted = false;
  for (const TextQuery::Clause& clause : query.clauses) {
    scratch->tokens.Clear();
    scratch->analyzer->Analyze(clause.text, &scratch->tokens);
    const size_t tokens = scratch->tokens.size();
    const bool phrase = tokens > 1 && (clause.phrase || clause.occur == Occur::kMustNot);
    std::vector<uint32_t> slots;
    bool known = true;
    for (size_t i = 0; i < tokens; ++i) {
      const TermId id = dictionary_.Find(scratch->tokens[i]);
      if (id == kNoTerm) {
        known = false;
        if (clause.occur == Occur::kMust) return false;
      } else if (phrase) {
        slots.push_back(scratch->SlotOf(id));
      } else {
        clauses.push_back({clause.occur, clause.boost, {scratch->SlotOf(id)}});
      }
    }
    if (phrase && known) clauses.push_back({clause.occur, clause.boost, std::move(slots)});
  }
  for (const auto& clause : clauses) {
    plain &= clause.occur == Occur::kShould && !clause.phrase();
    wanted |= clause.occur != Occur::kMustNot;
  }
  if (plain) {
    for (const auto& clause : clauses) scratch->query.terms[clause.terms[0]].weight += clause.weight;
    clauses.clear();
  }
  return wanted;
}

void TextIndex::Weigh(const SegmentList& segments, const Visibility& visibility, TextScratch* scratch) const {
  const ViewTotals totals = CountTotals(segments, visibility);
  scratch->lengths.Prepare(
      totals.documents == 0 ? 0 : static_cast<double>(totals.terms) / static_cast<double>(totals.documents));
  scratch->idf.clear();
  for (auto& term : scratch->query.terms) {
    scratch->idf.push_back(Idf(totals.documents, CountFrequency(segments, term.id, visibility)) *
                           (kBm25K1 + 1));
    term.weight *= static_cast<float>(scratch->idf.back());
  }
  bool phrases = false;
  for (auto& clause : scratch->query.clauses) {
    double idf = 0;  // a phrase says what its terms say together
    for (const uint32_t slot : clause.terms) idf += scratch->idf[slot];
    clause.weight *= static_cast<float>(idf);
    phrases |= clause.phrase();
  }
  if (!phrases) return;
  scratch->query.occurrences = [this, scratch](RowOrdinal row, const PostingQuery::Clause& phrase) {
    PhraseCounter counter(&dictionary_, scratch, phrase);
    input_.source->Read(row, row + 1, &counter);
    return counter.count();
  };
}

}  // namespace longbow::text
