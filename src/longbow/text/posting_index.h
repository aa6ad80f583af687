// The segments of one column: appended to, merged, asked.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "longbow/base/chunked_array.h"
#include "longbow/text/posting_query.h"
#include "longbow/text/posting_segment.h"

namespace longbow::text {

// Ascending, without gaps; what one search goes through.
using SegmentList = std::vector<std::shared_ptr<const PostingSegment>>;

// Statistics of a view: of the rows that it shows, however they lie in segments. So equal rows give equal
// answers, before and after any merge.
struct ViewTotals {
  uint64_t documents = 0;  // rows with at least one term
  uint64_t terms = 0;      // their lengths together
};
ViewTotals CountTotals(const SegmentList& segments, const Visibility& visibility);
// Visible rows that hold the term.
uint64_t CountFrequency(const SegmentList& segments, TermId term, const Visibility& visibility);

// Joins neighbouring segments without the rows erased when it began. Confined; done in steps.
class SegmentMerge {
 public:
  SegmentMerge(std::vector<std::shared_ptr<const PostingSegment>> segments,
               std::vector<std::vector<bool>> dropped, MemoryLedger* ledger);
  // Copies about `postings` postings; true when all are.
  bool Step(int64_t postings);
  // Once Step said so.
  std::shared_ptr<PostingSegment> Finish() { return writer_->Finish(); }
  const std::vector<std::shared_ptr<const PostingSegment>>& segments() const { return segments_; }
  bool Dropped(size_t segment, uint32_t document) const {
    return !dropped_[segment].empty() && dropped_[segment][document];
  }

 private:
  int64_t CopyTerm(TermId term);

  const std::vector<std::shared_ptr<const PostingSegment>> segments_;
  const std::vector<std::vector<bool>> dropped_;  // by document; empty: none
  std::vector<size_t> next_;                      // list of each segment
  std::unique_ptr<SegmentWriter> writer_;
  PostingCursor cursor_;
};

// Guarded by its mutex; the segments themselves are read without.
class PostingIndex {
 public:
  PostingIndex(PostingValue value, MemoryLedger* ledger)
      : value_(value), ledger_(ledger), erased_(ledger, MemoryUse::kIndex, 0) {}

  // Rows [.., end) are known, written or not yet. By apply.
  void Grow(RowOrdinal end) { erased_.Grow(end / 64 + 1); }
  void RowsDied(Sequence at, std::span<const RowOrdinal> rows);
  void Erase(std::span<const RowOrdinal> rows);
  bool erased(RowOrdinal row) const { return (erased_.GetRelaxed(row / 64) >> (row % 64) & 1) != 0; }

  // Behind all segments so far. By one builder at a time.
  void Append(std::shared_ptr<PostingSegment> segment);
  // Joins the small segments at the end, as a binary counter carries. By the one that appends.
  void MergeTail();
  // The next merge of larger segments, or null. One at a time.
  std::unique_ptr<SegmentMerge> BeginMerge();
  void EndMerge(SegmentMerge* merge);

  std::shared_ptr<const SegmentList> segments() const;
  int64_t memory_bytes() const;
  int64_t merges() const { return merges_.load(std::memory_order_relaxed); }

 private:
  // Below it, segments are joined at once; from it on, in the background, kFanout at a time.
  static constexpr RowOrdinal kTailRows = 16384;
  static constexpr uint64_t kTailPostings = 1 << 18;
  static constexpr size_t kFanout = 4;
  // A segment of which more than 1 / kDeadShare is erased is written anew.
  static constexpr uint64_t kDeadShare = 5;

  static bool InTail(const PostingSegment& segment);
  std::unique_ptr<SegmentMerge> Merge(size_t first, size_t end) const;
  static void NoteDeath(const PostingSegment& segment, Sequence at, RowOrdinal row);
  const PostingSegment* SegmentOf(RowOrdinal row) const;
  void Publish(SegmentList segments);
  uint64_t CountErased(const PostingSegment& segment) const;

  const PostingValue value_;
  MemoryLedger* const ledger_;
  ChunkedArray<uint64_t> erased_;  // bits by row; written under mutex_
  std::atomic<int64_t> merges_{0};

  mutable std::mutex mutex_;
  std::shared_ptr<const SegmentList> segments_ = std::make_shared<const SegmentList>();  // guarded by mutex_
  struct Waiting {
    Sequence at;
    RowOrdinal row;
  };
  std::vector<Waiting> waiting_;  // guarded by mutex_: died before they were indexed, in order
  // Guarded by mutex_: rows erased and still held, by segment, as `segments_` has them.
  std::vector<uint64_t> erased_held_;
};

}  // namespace longbow::text
