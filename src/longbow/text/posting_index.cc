#include "longbow/text/posting_index.h"

#include <algorithm>
#include <limits>

#include "longbow/base/check.h"

namespace longbow::text {
namespace {

// Finding one posting in a list costs about as much as reading so many in a row.
constexpr uint64_t kPostingsALookup = 128;

uint32_t CountBelow(const PostingSegment& segment, const PostingList& list, RowOrdinal end) {
  if (end >= segment.end()) return list.count;
  if (end <= segment.first()) return 0;
  PostingCursor cursor;
  cursor.Open(&segment, &list);
  cursor.Seek(end - segment.first());
  return cursor.at_end() ? list.count : cursor.block() * kBlockPostings + cursor.position();
}

// Of the segment's first `until` deaths, those that the list has postings of.
uint32_t CountDead(const PostingSegment& segment, const PostingList& list, size_t until) {
  const size_t position = segment.PositionOf(&list);
  SegmentDeaths::Counted counted = segment.deaths().Known(position);
  if (counted.deaths > until) counted = {};
  if (counted.deaths == until) return counted.postings;
  std::vector<uint32_t> dead;
  dead.reserve(until - counted.deaths);
  segment.deaths().ForEach(counted.deaths, until, [&](uint32_t document) { dead.push_back(document); });
  std::sort(dead.begin(), dead.end());
  PostingCursor cursor;
  cursor.Open(&segment, &list);
  if (dead.size() * kPostingsALookup < list.count) {
    for (const uint32_t document : dead) {
      cursor.Seek(document);
      counted.postings += cursor.document() == document;
    }
  } else {
    auto next = dead.begin();
    cursor.Decode();
    for (; next != dead.end() && cursor.document() != kNoDocument; cursor.Next()) {
      while (next != dead.end() && *next < cursor.document()) ++next;
      counted.postings += next != dead.end() && *next == cursor.document();
    }
  }
  counted.deaths = until;
  segment.deaths().Remember(position, counted);
  return counted.postings;
}

}  // namespace

ViewTotals CountTotals(const SegmentList& segments, const Visibility& visibility) {
  ViewTotals totals;
  for (const auto& segment : segments) {
    if (segment->first() >= visibility.end) break;
    const auto below = segment->TotalsBelow(visibility.end);
    totals.documents += below.documents;
    totals.terms += below.terms;
    const size_t deaths = segment->deaths().CountUntil(visibility.at);
    totals.documents -= deaths;
    totals.terms -= segment->deaths().TermsUntil(deaths);
  }
  return totals;
}

uint64_t CountFrequency(const SegmentList& segments, TermId term, const Visibility& visibility) {
  uint64_t frequency = 0;
  for (const auto& segment : segments) {
    const PostingList* list = segment->Find(term);
    if (list == nullptr) continue;
    frequency += CountBelow(*segment, *list, visibility.end);
    const size_t deaths = segment->deaths().CountUntil(visibility.at);
    if (deaths > 0) frequency -= CountDead(*segment, *list, deaths);
  }
  return frequency;
}

SegmentMerge::SegmentMerge(std::vector<std::shared_ptr<const PostingSegment>> segments,
                           std::vector<std::vector<bool>> dropped, MemoryLedger* ledger)
    : segments_(std::move(segments)), dropped_(std::move(dropped)), next_(segments_.size(), 0) {
  std::vector<LengthCode> lengths;
  lengths.reserve(segments_.back()->end() - segments_.front()->first());
  for (size_t i = 0; i < segments_.size(); ++i) {
    const PostingSegment& segment = *segments_[i];
    for (uint32_t document = 0; document < segment.end() - segment.first(); ++document) {
      lengths.push_back(Dropped(i, document) ? 0 : segment.length(document));
    }
  }
  writer_ = std::make_unique<SegmentWriter>(segments_.front()->value(), ledger, segments_.front()->first(),
                                            std::move(lengths));
}

bool SegmentMerge::Step(int64_t postings) {
  while (postings > 0) {
    TermId term = kNoTerm;
    for (size_t i = 0; i < segments_.size(); ++i) {
      if (next_[i] < segments_[i]->lists()) term = std::min(term, segments_[i]->term(next_[i]));
    }
    if (term == kNoTerm) return true;
    postings -= CopyTerm(term) + 1;
  }
  return false;
}

int64_t SegmentMerge::CopyTerm(TermId term) {
  int64_t copied = 0;
  bool begun = false;
  for (size_t i = 0; i < segments_.size(); ++i) {
    const PostingSegment& segment = *segments_[i];
    if (next_[i] == segment.lists() || segment.term(next_[i]) != term) continue;
    const uint32_t shift = segment.first() - segments_.front()->first();
    cursor_.Open(&segment, &segment.list(next_[i]++));
    for (; !cursor_.at_end(); cursor_.NextBlock()) {
      cursor_.Decode();
      const uint32_t* values = cursor_.values();
      for (uint32_t j = 0; j < cursor_.size(); ++j) {
        const uint32_t document = cursor_.documents()[j];
        ++copied;
        if (Dropped(i, document)) continue;
        if (!begun) writer_->BeginTerm(term);
        begun = true;
        writer_->Add(document + shift, values[j]);
      }
    }
  }
  if (begun) writer_->EndTerm();
  return copied;
}

void PostingIndex::RowsDied(Sequence at, std::span<const RowOrdinal> rows) {
  std::lock_guard lock(mutex_);
  for (const RowOrdinal row : rows) {
    const PostingSegment* segment = SegmentOf(row);
    if (segment == nullptr) {
      waiting_.push_back({at, row});
    } else {
      NoteDeath(*segment, at, row);
    }
  }
}

// A row without terms is in no posting and in no total.
void PostingIndex::NoteDeath(const PostingSegment& segment, Sequence at, RowOrdinal row) {
  const uint32_t document = row - segment.first();
  if (segment.length(document) != 0) segment.deaths().Add(at, document, segment.length(document));
}

void PostingIndex::Erase(std::span<const RowOrdinal> rows) {
  std::lock_guard lock(mutex_);
  for (const RowOrdinal row : rows) {
    erased_.Set(row / 64, erased_.GetRelaxed(row / 64) | uint64_t{1} << (row % 64));
    const auto& list = *segments_;
    const auto found = std::upper_bound(list.begin(), list.end(), row,
                                        [](RowOrdinal wanted, const auto& s) { return wanted < s->end(); });
    if (found != list.end()) ++erased_held_[static_cast<size_t>(found - list.begin())];
  }
}

const PostingSegment* PostingIndex::SegmentOf(RowOrdinal row) const {
  const auto& list = *segments_;
  const auto found = std::upper_bound(list.begin(), list.end(), row,
                                      [](RowOrdinal wanted, const auto& s) { return wanted < s->end(); });
  return found == list.end() ? nullptr : found->get();
}

std::shared_ptr<const SegmentList> PostingIndex::segments() const {
  std::lock_guard lock(mutex_);
  return segments_;
}

int64_t PostingIndex::memory_bytes() const {
  const auto list = segments();
  int64_t bytes = 0;
  for (const auto& segment : *list) bytes += segment->memory_bytes();
  return bytes;
}

void PostingIndex::Publish(SegmentList segments) {
  segments_ = std::make_shared<const SegmentList>(std::move(segments));
}

void PostingIndex::Append(std::shared_ptr<PostingSegment> segment) {
  std::lock_guard lock(mutex_);
  LB_CHECK(segments_->empty() || segments_->back()->end() == segment->first());
  const auto behind = [&](const Waiting& death) { return death.row >= segment->end(); };
  for (const Waiting& death : waiting_) {
    if (!behind(death)) NoteDeath(*segment, death.at, death.row);
  }
  std::erase_if(waiting_, [&](const Waiting& death) { return !behind(death); });
  SegmentList segments = *segments_;
  erased_held_.push_back(CountErased(*segment));
  segments.push_back(std::move(segment));
  Publish(std::move(segments));
}

// Rows erased that the segment has postings of.
uint64_t PostingIndex::CountErased(const PostingSegment& segment) const {
  uint64_t count = 0;
  for (RowOrdinal row = segment.first(); row < segment.end(); ++row) {
    count += erased(row) && segment.length(row - segment.first()) != 0;
  }
  return count;
}

bool PostingIndex::InTail(const PostingSegment& segment) {
  return segment.end() - segment.first() < kTailRows && segment.postings() < kTailPostings;
}

std::unique_ptr<SegmentMerge> PostingIndex::Merge(size_t first, size_t end) const {
  std::vector<std::shared_ptr<const PostingSegment>> parts(segments_->begin() + static_cast<ptrdiff_t>(first),
                                                           segments_->begin() + static_cast<ptrdiff_t>(end));
  std::vector<std::vector<bool>> dropped(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    if (erased_held_[first + i] == 0) continue;
    dropped[i].resize(parts[i]->end() - parts[i]->first());
    for (size_t document = 0; document < dropped[i].size(); ++document) {
      // A row without postings was left out before; leaving it out again changes nothing.
      dropped[i][document] = erased(parts[i]->first() + static_cast<RowOrdinal>(document));
    }
  }
  return std::make_unique<SegmentMerge>(std::move(parts), std::move(dropped), ledger_);
}

void PostingIndex::MergeTail() {
  std::unique_ptr<SegmentMerge> merge;
  {
    std::lock_guard lock(mutex_);
    const auto& list = *segments_;
    size_t first = list.size();
    uint64_t rows = 0;
    while (first > 0 && InTail(*list[first - 1])) {
      const uint64_t here = list[first - 1]->end() - list[first - 1]->first();
      if (first < list.size() && here >= 2 * rows) break;
      rows += here;
      --first;
    }
    if (list.size() - first < 2) return;
    merge = Merge(first, list.size());
  }
  merge->Step(std::numeric_limits<int64_t>::max());
  EndMerge(merge.get());
}

std::unique_ptr<SegmentMerge> PostingIndex::BeginMerge() {
  std::lock_guard lock(mutex_);
  const auto& list = *segments_;
  size_t size = list.size();
  while (size > 0 && InTail(*list[size - 1])) --size;
  // kFanout neighbours of which none is kFanout times another's size.
  for (size_t end = size; end >= kFanout; --end) {
    uint64_t least = std::numeric_limits<uint64_t>::max(), most = 0;
    for (size_t i = end - kFanout; i < end; ++i) {
      least = std::min<uint64_t>(least, list[i]->end() - list[i]->first());
      most = std::max<uint64_t>(most, list[i]->end() - list[i]->first());
    }
    if (most < kFanout * least) return Merge(end - kFanout, end);
  }
  for (size_t i = 0; i < size; ++i) {
    if (erased_held_[i] * kDeadShare > list[i]->end() - list[i]->first()) return Merge(i, i + 1);
  }
  return nullptr;
}

void PostingIndex::EndMerge(SegmentMerge* merge) {
  const std::shared_ptr<PostingSegment> joined = merge->Finish();
  merges_.fetch_add(1, std::memory_order_relaxed);
  std::lock_guard lock(mutex_);
  struct Held {
    Sequence at;
    RowOrdinal row;
  };
  std::vector<Held> deaths;
  const auto& parts = merge->segments();
  for (const auto& part : parts) {
    for (const auto& death : part->deaths().Copy())
      deaths.push_back({death.at, part->first() + death.document});
  }
  std::stable_sort(deaths.begin(), deaths.end(), [](const Held& a, const Held& b) { return a.at < b.at; });
  for (const Held& death : deaths) NoteDeath(*joined, death.at, death.row);  // but of rows that are gone

  SegmentList segments = *segments_;
  const auto first = std::find(segments.begin(), segments.end(), parts.front());
  LB_CHECK(first != segments.end());
  const auto end = first + static_cast<ptrdiff_t>(parts.size());
  const auto held = erased_held_.begin() + (first - segments.begin());
  const auto held_end = held + static_cast<ptrdiff_t>(parts.size());
  const bool any_erased = std::any_of(held, held_end, [](uint64_t count) { return count > 0; });
  *held = any_erased ? CountErased(*joined) : 0;
  erased_held_.erase(held + 1, held_end);
  *first = joined;
  segments.erase(first + 1, end);
  Publish(std::move(segments));
}

}  // namespace longbow::text
