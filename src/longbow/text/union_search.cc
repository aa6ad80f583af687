#include <algorithm>

#include "longbow/text/posting_query.h"
#include "longbow/text/posting_scorer.h"

namespace longbow::text {
namespace {

template <typename Scorer>
class UnionSearch {
 public:
  UnionSearch(const Scorer& scorer, const SegmentRows& rows, PostingScratch* scratch, Budget* budget,
              TopScores* top)
      : scorer_(scorer), rows_(rows), scratch_(*scratch), order_(scratch->order), budget_(budget), top_(top) {
    for (auto* list : order_) list->bound = scorer_.Bound(list->weight, list->cursor.list_impact());
    std::sort(order_.begin(), order_.end(), [](const auto* a, const auto* b) {
      return a->bound != b->bound ? a->bound > b->bound : a->slot < b->slot;
    });
    scratch_.rest.assign(order_.size() + 1, 0);
    for (size_t i = order_.size(); i-- > 0;) scratch_.rest[i] = scratch_.rest[i + 1] + order_[i]->bound;
    scratch_.block.resize(kBlockPostings);
  }

  bool Run() {
    for (;;) {
      // A row that lacks the first `needed` lists cannot enter.
      size_t needed = 0;
      while (needed < order_.size() && !top_->CannotEnter(scratch_.rest[needed])) ++needed;
      if (needed == 0) return true;
      if (needed == 1) return RunLead();
      const Step step = RunMany(needed);
      if (step != Step::kFewerNeeded) return step == Step::kEnd;
    }
  }
  bool RunSelected(const RowSelection& selection) {
    bool going = true;
    selection.ForEach(rows_.first, rows_.first + rows_.limit, [&](RowOrdinal row) {
      going = budget_ == nullptr || budget_->Spend(1);
      if (going) Finish(row - rows_.first, 0, 0);
      return going;
    });
    return going;
  }

 private:
  enum class Step : uint8_t { kEnd, kBudget, kFewerNeeded };

  // Rows of the first `needed` lists, one after the other.
  Step RunMany(size_t needed) {
    for (size_t i = 0; i < needed; ++i) order_[i]->cursor.Decode();
    for (;;) {
      uint32_t document = kNoDocument;
      for (size_t i = 0; i < needed; ++i) document = std::min(document, order_[i]->cursor.document());
      if (document >= rows_.limit) return Step::kEnd;
      if (budget_ != nullptr && !budget_->Spend(1)) return Step::kBudget;
      double sum = 0;
      for (size_t i = 0; i < needed; ++i) {
        auto& list = *order_[i];
        if (list.cursor.document() != document) continue;
        sum += Count(&list, document);
        list.cursor.Next();
      }
      Finish(document, sum, needed);
      if (top_->CannotEnter(scratch_.rest[needed - 1])) return Step::kFewerNeeded;
    }
  }

  // Every row has to be in the first list: block by block.
  bool RunLead() {
    auto& lead = *order_[0];
    PostingCursor& cursor = lead.cursor;
    const double rest = scratch_.rest[1];
    float* scores = scratch_.block.data();
    for (; !cursor.at_end(); cursor.NextBlock()) {
      if (top_->CannotEnter(BlockBound(&lead) + rest)) {
        if (cursor.block_last() >= rows_.limit) return true;
        continue;
      }
      if (budget_ != nullptr && !budget_->Spend(kBlockPostings)) return false;
      cursor.Decode();
      const uint32_t from = cursor.position(), size = cursor.size();
      const uint32_t* documents = cursor.documents();
      const uint32_t* values = cursor.values();
      for (uint32_t i = from; i < size; ++i) scores[i] = scorer_.Score(lead.weight, documents[i], values[i]);
      for (uint32_t i = from; i < size; ++i) {
        if (top_->CannotEnter(scores[i] + rest)) continue;
        if (documents[i] >= rows_.limit) return true;
        scratch_.parts[lead.slot] = scores[i];
        Finish(documents[i], scores[i], 1);
      }
    }
    return true;
  }

  float Count(PostingScratch::List* list, uint32_t document) {
    const float score = scorer_.Score(list->weight, document, list->cursor.value());
    scratch_.parts[list->slot] = score;
    return score;
  }

  double BlockBound(PostingScratch::List* list) {
    if (list->bound_block != list->cursor.block()) {
      list->bound_block = list->cursor.block();
      list->block_bound =
          list->cursor.at_end() ? 0 : scorer_.Bound(list->weight, list->cursor.block_impact());
    }
    return list->block_bound;
  }

  // Adds the lists from `from` on to a row that has `sum` of those before, and offers it. Parts are zero
  // again afterwards.
  void Finish(uint32_t document, double sum, size_t from) {
    if (AddRest(document, sum, from)) {
      double score = 0;  // always in the query's order, so that equal rows score equally in any segment
      for (const double part : scratch_.parts) score += part;
      top_->Offer(static_cast<float>(score), rows_.first + document);
    }
    for (auto* list : order_) scratch_.parts[list->slot] = 0;
  }

  bool AddRest(uint32_t document, double sum, size_t from) {
    if (top_->CannotEnter(sum + scratch_.rest[from]) || !rows_.Has(document)) return false;
    bool found = from > 0;
    for (size_t i = from; i < order_.size(); ++i) {
      auto& list = *order_[i];
      list.cursor.SeekBlock(document);
      if (top_->CannotEnter(sum + BlockBound(&list) + scratch_.rest[i + 1])) return false;
      list.cursor.Seek(document);
      if (list.cursor.document() == document) {
        sum += Count(&list, document);
        found = true;
      } else if (top_->CannotEnter(sum + scratch_.rest[i + 1])) {
        return false;
      }
    }
    return found && !top_->CannotEnter(sum);
  }

  const Scorer scorer_;
  const SegmentRows& rows_;
  PostingScratch& scratch_;
  std::vector<PostingScratch::List*>& order_;
  Budget* const budget_;
  TopScores* const top_;
};

// work(UnionSearch) with the scorer that the segment's values ask for.
template <typename Work>
bool WithScorer(const PostingSegment& segment, const PostingQuery& query, const float* norm,
                const SegmentRows& rows, PostingScratch* scratch, Budget* budget, TopScores* top,
                Work&& work) {
  OpenLists(segment, query, scratch);
  if (scratch->order.empty()) return true;
  if (segment.value() == PostingValue::kWeight) {
    return work(UnionSearch<DotScorer>({}, rows, scratch, budget, top));
  }
  return work(UnionSearch<Bm25Scorer>({norm, segment.lengths()}, rows, scratch, budget, top));
}

}  // namespace

void OpenLists(const PostingSegment& segment, const PostingQuery& query, PostingScratch* scratch) {
  if (scratch->lists.size() < query.terms.size()) scratch->lists.resize(query.terms.size());
  scratch->order.clear();
  scratch->parts.assign(query.terms.size(), 0);
  for (uint32_t slot = 0; slot < query.terms.size(); ++slot) {
    const PostingList* found = segment.Find(query.terms[slot].id);
    if (found == nullptr) continue;
    auto& list = scratch->lists[slot];
    list.cursor.Open(&segment, found);
    list.weight = query.terms[slot].weight;
    list.slot = slot;
    list.bound_block = kNoDocument;
    scratch->order.push_back(&list);
  }
}

uint64_t CountPostings(const PostingSegment& segment, const PostingQuery& query) {
  uint64_t postings = 0;
  for (const auto& term : query.terms) {
    const PostingList* list = segment.Find(term.id);
    if (list != nullptr) postings += list->count;
  }
  return postings;
}

bool SearchUnion(const PostingSegment& segment, const PostingQuery& query, const float* norm,
                 const SegmentRows& rows, PostingScratch* scratch, Budget* budget, TopScores* top) {
  return WithScorer(segment, query, norm, rows, scratch, budget, top,
                    [](auto search) { return search.Run(); });
}

bool SearchSelected(const PostingSegment& segment, const PostingQuery& query, const float* norm,
                    const SegmentRows& rows, PostingScratch* scratch, Budget* budget, TopScores* top) {
  return WithScorer(segment, query, norm, rows, scratch, budget, top,
                    [&](auto search) { return search.RunSelected(*rows.selection); });
}

}  // namespace longbow::text
