#include "longbow/text/document_collector.h"

#include <algorithm>
#include <bit>

#include "longbow/base/check.h"

namespace longbow::text {

void DocumentCollector::Begin(RowOrdinal first, RowOrdinal end) {
  first_ = first;
  lengths_.assign(end - first, 0);
  postings_.clear();
  terms_.clear();
}

void DocumentCollector::Text(RowOrdinal row, std::string_view text) {
  if (index_->erased(row)) return;
  tokens_.Clear();
  analyzer_->Analyze(text, &tokens_);
  const uint32_t document = row - first_;
  lengths_[document] += static_cast<uint32_t>(tokens_.size());
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const TermId term = dictionary_->FindOrAdd(tokens_[i]);
    if (term >= met_.size()) met_.resize(size_t{term} * 2 + 64);
    Met& met = met_[term];
    if (met.row == row) {
      ++postings_[met.posting].value;
      continue;
    }
    if (met.row == kNoRow || met.row < first_) terms_.push_back(term);
    met = {row, static_cast<uint32_t>(postings_.size())};
    postings_.push_back({term, document, 1});
  }
}

void DocumentCollector::Weights(RowOrdinal row, std::span<const TermId> terms,
                                std::span<const float> weights) {
  if (index_->erased(row)) return;
  LB_CHECK(terms.size() == weights.size());
  for (size_t i = 0; i < terms.size(); ++i) {
    if (weights[i] == 0) continue;
    postings_.push_back({terms[i], row - first_, std::bit_cast<uint32_t>(weights[i])});
    ++lengths_[row - first_];
  }
}

// Postings come by document; counting puts them by term without comparing them. Terms that users number are
// sorted, as their numbers are anything.
std::shared_ptr<PostingSegment> DocumentCollector::Finish(MemoryLedger* ledger) {
  std::vector<LengthCode> codes(lengths_.size());
  std::transform(lengths_.begin(), lengths_.end(), codes.begin(), EncodeLength);
  if (analyzer_ == nullptr) {
    std::stable_sort(postings_.begin(), postings_.end(),
                     [](const Posting& a, const Posting& b) { return a.term < b.term; });
    sorted_.swap(postings_);
  } else {
    std::sort(terms_.begin(), terms_.end());
    for (uint32_t rank = 0; rank < terms_.size(); ++rank) met_[terms_[rank]].posting = rank;
    starts_.assign(terms_.size() + 1, 0);
    for (const Posting& posting : postings_) ++starts_[met_[posting.term].posting + 1];
    for (size_t rank = 0; rank < terms_.size(); ++rank) starts_[rank + 1] += starts_[rank];
    sorted_.resize(postings_.size());
    for (const Posting& posting : postings_) sorted_[starts_[met_[posting.term].posting]++] = posting;
  }
  SegmentWriter writer(analyzer_ == nullptr ? PostingValue::kWeight : PostingValue::kFrequency, ledger,
                       first_, std::move(codes));
  for (size_t i = 0; i < sorted_.size();) {
    const TermId term = sorted_[i].term;
    writer.BeginTerm(term);
    for (; i < sorted_.size() && sorted_[i].term == term; ++i)
      writer.Add(sorted_[i].document, sorted_[i].value);
    writer.EndTerm();
  }
  return writer.Finish();
}

void PhraseCounter::Text(RowOrdinal, std::string_view text) {
  auto& tokens = scratch_->tokens;
  auto& ids = scratch_->ids;
  tokens.Clear();
  scratch_->analyzer->Analyze(text, &tokens);
  ids.clear();
  for (size_t i = 0; i < tokens.size(); ++i) ids.push_back(dictionary_->Find(tokens[i]));
  const auto& terms = phrase_.terms;
  for (size_t start = 0; start + terms.size() <= ids.size(); ++start) {
    size_t same = 0;
    while (same < terms.size() && ids[start + same] == scratch_->query.terms[terms[same]].id) ++same;
    count_ += same == terms.size();
  }
}

}  // namespace longbow::text
