// The postings of a range of rows, compressed.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "longbow/base/ids.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/text/bm25.h"
#include "longbow/text/posting_block.h"

namespace longbow::text {

using TermId = uint32_t;
inline constexpr TermId kNoTerm = ~TermId{0};

// What a posting carries beside its document.
enum class PostingValue : uint8_t {
  kFrequency,  // how often the term occurs in the document
  kWeight,     // a float32, as bits
};

// What scores of a run of postings can reach at most, whatever the statistics: for frequencies the shortest
// length among those of 1, of 2, and of more, with the highest frequency; for weights the extremes.
struct Impact {
  LengthCode shortest[3] = {255, 255, 255};  // 255: none
  uint8_t most = 0;                          // the highest frequency; 255: so many or more
  float least_weight = 0, most_weight = 0;
  void Add(uint32_t frequency, LengthCode length);
  void AddWeight(float weight, bool first);
  void Add(const Impact& other, PostingValue value, bool first);
};

struct PostingBlock {
  uint32_t last = 0;  // document
  uint32_t at = 0;    // into the term's bytes
  uint8_t document_bits = 0, value_bits = 0;
  Impact impact;
};

// Lists shorter than a block have no PostingBlock; others have one for the whole list, then one a block.
struct PostingList {
  uint64_t at = 0;           // into the segment's bytes
  uint32_t first_block = 0;  // into the segment's blocks
  uint32_t count = 0;
  bool has_blocks() const { return count >= kBlockPostings; }
  uint32_t blocks() const { return (count + kBlockPostings - 1) / kBlockPostings; }
};

// Rows of a segment that died and that its postings still hold, in the order of their deaths. Guarded by its
// mutex.
class SegmentDeaths {
 public:
  struct Death {
    Sequence at;
    uint32_t document;
    uint64_t terms;  // lengths of the dead up to here
  };
  void Add(Sequence at, uint32_t document, LengthCode length);
  size_t CountUntil(Sequence at) const;      // deaths at or before
  uint64_t TermsUntil(size_t deaths) const;  // lengths of the first so many together
  // visit(document) of deaths [from, to) in order.
  template <typename Visit>
  void ForEach(size_t from, size_t to, Visit&& visit) const {
    std::lock_guard lock(mutex_);
    for (size_t i = from; i < to; ++i) visit(deaths_[i].document);
  }
  std::vector<Death> Copy() const;

  // How many of a list's postings were dead after the first `deaths`; kept so that the next query only looks
  // at deaths since.
  struct Counted {
    size_t deaths = 0;
    uint32_t postings = 0;
  };
  Counted Known(size_t list) const;
  void Remember(size_t list, Counted counted) const;

 private:
  static constexpr size_t kMostKnown = 4096;
  mutable std::mutex mutex_;
  std::vector<Death> deaths_;                              // guarded by mutex_
  mutable std::vector<std::pair<size_t, Counted>> known_;  // guarded by mutex_: by list, ascending
};

// Immutable but for its deaths. Documents are row ordinals less `first`.
class PostingSegment {
 public:
  PostingSegment(PostingValue value, MemoryLedger* ledger) : value_(value), ledger_(ledger) {}
  ~PostingSegment();

  PostingValue value() const { return value_; }
  RowOrdinal first() const { return first_; }
  RowOrdinal end() const { return end_; }
  uint64_t postings() const { return postings_; }
  // Null when the segment lacks the term.
  const PostingList* Find(TermId term) const;
  size_t lists() const { return lists_.size(); }
  TermId term(size_t list) const { return terms_[list]; }
  const PostingList& list(size_t i) const { return lists_[i]; }
  size_t PositionOf(const PostingList* list) const { return static_cast<size_t>(list - lists_.data()); }
  const PostingBlock* blocks(const PostingList& list) const { return &blocks_[list.first_block]; }
  const uint8_t* bytes(const PostingList& list) const { return bytes_.data() + list.at; }

  // 0: the row has no document.
  LengthCode length(uint32_t document) const { return lengths_[document]; }
  const LengthCode* lengths() const { return lengths_.data(); }
  // Documents below `end`, dead ones included, and their lengths together.
  struct Totals {
    uint64_t documents = 0, terms = 0;
  };
  Totals TotalsBelow(RowOrdinal end) const;

  SegmentDeaths& deaths() const { return deaths_; }
  int64_t memory_bytes() const { return charged_; }

 private:
  friend class SegmentWriter;
  const PostingValue value_;
  MemoryLedger* const ledger_;
  RowOrdinal first_ = 0, end_ = 0;
  uint64_t postings_ = 0;
  std::vector<TermId> terms_;  // ascending
  std::vector<PostingList> lists_;
  std::vector<PostingBlock> blocks_;
  std::vector<uint8_t> bytes_;
  std::vector<LengthCode> lengths_;
  Totals totals_;
  int64_t charged_ = 0;
  mutable SegmentDeaths deaths_;
};

// Writes a segment term by term. Confined.
class SegmentWriter {
 public:
  // lengths[i] is that of row first + i.
  SegmentWriter(PostingValue value, MemoryLedger* ledger, RowOrdinal first, std::vector<LengthCode> lengths);
  // Terms and documents ascend.
  void BeginTerm(TermId term);
  void Add(uint32_t document, uint32_t value);
  void EndTerm();
  std::shared_ptr<PostingSegment> Finish();

 private:
  void FlushBlock();
  void FlushRest();
  void PutVarint(uint32_t value);

  std::shared_ptr<PostingSegment> segment_;
  PostingList list_;
  Impact list_impact_, impact_;
  uint32_t base_ = 0;  // last document of the block before
  uint32_t pending_ = 0;
  uint32_t documents_[kBlockPostings], values_[kBlockPostings];
};

}  // namespace longbow::text
