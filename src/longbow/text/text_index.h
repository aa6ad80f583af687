// An index of the terms of rows: ranked by BM25 of analyzed text, or by the product with weights that users
// give. It knows ordinals, documents and visibility; it never sees a dataset, a filter tree or an Arrow
// array.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/counters.h"
#include "longbow/base/executor.h"
#include "longbow/text/analyzer.h"
#include "longbow/text/posting_index.h"
#include "longbow/text/term_dictionary.h"
#include "longbow/text/text_query.h"
#include "longbow/text/top_scores.h"

namespace longbow::text {

class DocumentCollector;

class DocumentVisitor {
 public:
  virtual ~DocumentVisitor() = default;
  // Pieces of one row follow each other; no phrase goes from one into the next.
  virtual void Text(RowOrdinal row, std::string_view text) = 0;
  // Once a row, terms distinct and below kNoTerm, weights finite.
  virtual void Weights(RowOrdinal row, std::span<const TermId> terms, std::span<const float> weights) = 0;
};

// Where the documents lie. Thread-safe.
class DocumentSource {
 public:
  virtual ~DocumentSource() = default;
  // The rows of [first, end) that have a document, ascending.
  virtual void Read(RowOrdinal first, RowOrdinal end, DocumentVisitor* visitor) const = 0;
};

struct WeightedTerm {
  TermId term;
  float weight;
};

struct TextSearchSpec {
  const TextQuery* query = nullptr;       // of an index of text
  std::span<const WeightedTerm> weights;  // of an index of weights; terms distinct
  uint32_t k = 10;
  Visibility visibility;
  const RowSelection* selection = nullptr;  // null: every visible row
  uint64_t selected = 0;                    // about its size
  const TieOrder* ties = nullptr;           // null: by ordinal, which is cheaper
  Budget* budget = nullptr;                 // null: none
};

// Reused between searches.
struct TextHits {
  std::vector<Hit> hits;  // best first
  bool partial = false;   // the budget ended
  int64_t postings = 0;   // of the lists opened
};

// Memory a search works in: pooled by the caller, one a running search of any index with the same analyzer.
class TextScratch;

// What an index is made from. Pointers outlive the index.
struct TextIndexInput {
  const AnalyzerType* analyzer = nullptr;  // null: the documents are weights
  const DocumentSource* source = nullptr;
  const RowVersions* versions = nullptr;
  Executor* builders = nullptr;  // null: whoever appends builds
  MemoryLedger* ledger = nullptr;
  Counter* documents = nullptr;  // counts those indexed; may be null
  // Told once that building has ended with an exception; nothing is built in the background any more. On the
  // task that failed; may be null.
  std::function<void(const std::string& what)> failed = nullptr;
};

// What a search would look at, and about what its two ways would take on one core. They are chosen between
// segment by segment, by the same measure.
struct TextCost {
  int64_t postings = 0;                  // in the lists of its terms, as far as rows are indexed
  double lists_nanos = 0;                // through the lists
  std::optional<double> selected_nanos;  // from one selected row to the next, where that is possible
};

// About what a search takes on one core that sees rows up to `end` when those up to `indexed_end` are
// indexed.
double EstimateNanos(RowOrdinal end, RowOrdinal indexed_end);

// Thread-safe: any number of searches beside appends and erasures, which are one thread's.
class TextIndex {
 public:
  explicit TextIndex(const TextIndexInput& input);
  ~TextIndex();

  // For an index that begins when rows have died already: of [0, end), those that died at or before `horizon`
  // are visible to no view. Before any other call, and no row dies meanwhile.
  void Begin(RowOrdinal end, Sequence horizon);
  // As of index::VectorIndex: rows are findable as soon as this returned, and built later.
  void RowsAppended(RowOrdinal first, RowOrdinal end);
  // The rows died at `at`, which never goes back; called before a view at `at` can be had.
  void RowsDied(Sequence at, std::span<const RowOrdinal> rows);
  // The rows are visible to no view any more, present or future.
  void Erase(std::span<const RowOrdinal> rows);

  std::unique_ptr<TextScratch> NewScratch() const;
  // The k best of the rows that match: exact, unless the budget ends. Rows not yet indexed are indexed first,
  // by the caller if need be. Statistics are those of the visible rows, whatever the selection.
  Status Search(const TextSearchSpec& spec, TextScratch* scratch, TextHits* hits);

  TextCost Estimate(const TextSearchSpec& spec, TextScratch* scratch) const;

  RowOrdinal indexed_end() const { return indexed_end_.load(std::memory_order_acquire); }
  RowOrdinal appended_end() const { return appended_end_.load(std::memory_order_acquire); }
  // `done` once indexed_end() >= end; at once when it already is, or with why it never will be.
  void WhenIndexed(RowOrdinal end, std::function<void(Status)> done);

  size_t terms() const { return dictionary_.size(); }
  size_t segments() const { return postings_.segments()->size(); }
  int64_t merges() const { return postings_.merges(); }
  int64_t memory_bytes() const { return postings_.memory_bytes() + dictionary_.memory_bytes(); }

 private:
  static constexpr RowOrdinal kRowsASlice = 2048;
  static constexpr int64_t kMergedASlice = 1 << 17;  // postings

  struct Waiter {
    RowOrdinal end;
    std::function<void(Status)> done;
  };

  void StartTurn();
  void PostTurn();
  void Turn();
  void Fail(const std::string& what);
  // Whether the turn has to look for work; otherwise it has ended.
  bool TurnGoesOn(bool worked);
  bool BuildSlice();
  bool MergeSlice();
  bool CatchUp(RowOrdinal end, Budget* budget);
  void WakeWaiters();
  // The query by term numbers; false when nothing can match.
  bool Compile(const TextSearchSpec& spec, const SegmentList& segments, TextScratch* scratch) const;
  bool CompileText(const TextQuery& query, TextScratch* scratch) const;
  void Weigh(const SegmentList& segments, const Visibility& visibility, TextScratch* scratch) const;
  bool SearchSegment(const PostingSegment& segment, const TextSearchSpec& spec, TextScratch* scratch,
                     TopScores* top, int64_t* postings) const;

  const TextIndexInput input_;
  TermDictionary dictionary_;
  PostingIndex postings_;
  std::atomic<RowOrdinal> appended_end_{0}, indexed_end_{0};

  std::mutex build_mutex_;                        // held for one slice
  std::unique_ptr<DocumentCollector> collector_;  // guarded by build_mutex_
  std::unique_ptr<SegmentMerge> merge_;           // the turn's

  mutable std::mutex turn_mutex_;
  bool turning_ = false;   // guarded by turn_mutex_: a turn is posted or running
  bool more_ = false;      // guarded by turn_mutex_: there may be work that the turn has not seen
  bool stopping_ = false;  // guarded by turn_mutex_; or failed
  std::mutex waiters_mutex_;
  std::vector<Waiter> waiters_;  // guarded by waiters_mutex_
  Status failure_;               // guarded by waiters_mutex_: why nothing is built any more
};

}  // namespace longbow::text
