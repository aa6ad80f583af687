// Reads documents: to make a segment of them, or to look for a phrase in one.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "longbow/text/text_index.h"
#include "longbow/text/text_scratch.h"

namespace longbow::text {

// Collects the postings of a range of rows. Confined; used for range after range.
class DocumentCollector : public DocumentVisitor {
 public:
  DocumentCollector(std::unique_ptr<Analyzer> analyzer, TermDictionary* dictionary, const PostingIndex* index)
      : analyzer_(std::move(analyzer)), dictionary_(dictionary), index_(index) {}

  void Begin(RowOrdinal first, RowOrdinal end);
  void Text(RowOrdinal row, std::string_view text) override;
  void Weights(RowOrdinal row, std::span<const TermId> terms, std::span<const float> weights) override;
  std::shared_ptr<PostingSegment> Finish(MemoryLedger* ledger);

 private:
  struct Posting {
    TermId term;
    uint32_t document, value;
  };
  // Where a term was last met.
  struct Met {
    RowOrdinal row = kNoRow;
    uint32_t posting = 0;
  };

  const std::unique_ptr<Analyzer> analyzer_;  // null for weights
  TermDictionary* const dictionary_;
  const PostingIndex* const index_;
  RowOrdinal first_ = 0;
  std::vector<uint32_t> lengths_;  // terms a document
  std::vector<Posting> postings_, sorted_;
  std::vector<Met> met_;          // by term
  std::vector<uint32_t> starts_;  // by rank of a term in this range
  std::vector<TermId> terms_;     // met in this range
  TokenList tokens_;
};

// Counts where a phrase's terms follow each other. Confined.
class PhraseCounter final : public DocumentVisitor {
 public:
  PhraseCounter(const TermDictionary* dictionary, TextScratch* scratch, const PostingQuery::Clause& phrase)
      : dictionary_(dictionary), scratch_(scratch), phrase_(phrase) {}
  void Text(RowOrdinal row, std::string_view text) override;
  void Weights(RowOrdinal, std::span<const TermId>, std::span<const float>) override {}
  uint32_t count() const { return count_; }

 private:
  const TermDictionary* const dictionary_;
  TextScratch* const scratch_;
  const PostingQuery::Clause& phrase_;
  uint32_t count_ = 0;
};

}  // namespace longbow::text
