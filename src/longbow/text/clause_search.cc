#include <algorithm>

#include "longbow/base/check.h"
#include "longbow/text/posting_query.h"
#include "longbow/text/posting_scorer.h"

namespace longbow::text {
namespace {

using List = PostingScratch::List;

// A clause whose terms the segment has.
struct LiveClause {
  const PostingQuery::Clause* clause;
  std::vector<List*> lists;
  double part = 0;
};

class ClauseSearch {
 public:
  ClauseSearch(const PostingSegment& segment, const PostingQuery& query, const float* norm,
               const SegmentRows& rows, PostingScratch* scratch, Budget* budget, TopScores* top)
      : query_(query), scorer_{norm, segment.lengths()}, rows_(rows), budget_(budget), top_(top) {
    for (const auto& clause : query.clauses) {
      LiveClause live{&clause, {}};
      for (const uint32_t slot : clause.terms) {
        const auto& order = scratch->order;
        const auto found =
            std::find_if(order.begin(), order.end(), [&](const List* list) { return list->slot == slot; });
        if (found != order.end()) live.lists.push_back(*found);
      }
      const bool whole = !clause.terms.empty() && live.lists.size() == clause.terms.size();
      if (whole) {
        (clause.occur == Occur::kMustNot ? excluded_ : wanted_).push_back(std::move(live));
      } else if (clause.occur == Occur::kMust) {
        impossible_ = true;
      }
    }
    ChooseLeads();
  }

  bool Run() {
    if (impossible_ || leads_.empty()) return true;
    for (uint32_t document = 0;; ++document) {
      document = conjunction_ ? NextInAll(document) : NextInAny(document);
      if (document >= rows_.limit) return true;
      if (budget_ != nullptr && !budget_->Spend(1)) return false;
      float score;
      if (Matches(document, &score)) top_->Offer(score, rows_.first + document);
    }
  }

 private:
  static bool FewerPostings(const List* a, const List* b) { return a->cursor.count() < b->cursor.count(); }

  // With clauses that must be there, rows are those of all their lists, the shortest first; else those of any
  // clause, of which a phrase's rarest term tells enough.
  void ChooseLeads() {
    for (const LiveClause& live : wanted_) {
      if (live.clause->occur == Occur::kMust)
        leads_.insert(leads_.end(), live.lists.begin(), live.lists.end());
    }
    conjunction_ = !leads_.empty();
    for (const LiveClause& live : wanted_) {
      if (conjunction_) break;
      leads_.push_back(*std::min_element(live.lists.begin(), live.lists.end(), FewerPostings));
    }
    std::sort(leads_.begin(), leads_.end(), FewerPostings);
  }

  uint32_t NextInAll(uint32_t document) {
    for (size_t i = 0; i < leads_.size();) {
      leads_[i]->cursor.Seek(document);
      const uint32_t at = leads_[i]->cursor.document();
      if (at == kNoDocument) return at;
      i = at == document ? i + 1 : 0;
      document = at;
    }
    return document;
  }
  uint32_t NextInAny(uint32_t document) {
    uint32_t next = kNoDocument;
    for (List* list : leads_) {
      list->cursor.Seek(document);
      next = std::min(next, list->cursor.document());
    }
    return next;
  }

  // How often the clause can occur at most: the frequency of its rarest term here. 0: it does not.
  static uint32_t Most(const LiveClause& live, uint32_t document) {
    uint32_t most = kNoDocument;
    for (List* list : live.lists) {
      list->cursor.Seek(document);
      if (list->cursor.document() != document) return 0;
      most = std::min(most, list->cursor.value());
    }
    return most;
  }

  bool Matches(uint32_t document, float* score) {
    double bound = 0;
    bool any = false;
    for (LiveClause& live : wanted_) {
      const uint32_t most = Most(live, document);
      if (most == 0 && live.clause->occur == Occur::kMust) return false;
      live.part = most == 0 ? 0 : scorer_.Score(live.clause->weight, document, most);
      bound += live.part;
      any |= most > 0;
    }
    if (!any || top_->CannotEnter(bound) || !rows_.Has(document)) return false;
    for (const LiveClause& live : excluded_) {
      if (Most(live, document) > 0 && (!live.clause->phrase() || Occurrences(live, document) > 0))
        return false;
    }
    return ReadPhrases(document) && Sum(score);
  }

  uint32_t Occurrences(const LiveClause& live, uint32_t document) const {
    return query_.occurrences(rows_.first + document, *live.clause);
  }

  // The exact parts of phrases, for which the text is read again. False when the row does not match.
  bool ReadPhrases(uint32_t document) {
    bool any = false;
    for (LiveClause& live : wanted_) {
      if (live.clause->phrase() && live.part > 0) {
        const uint32_t count = Occurrences(live, document);
        if (count == 0 && live.clause->occur == Occur::kMust) return false;
        live.part = count == 0 ? 0 : scorer_.Score(live.clause->weight, document, count);
      }
      any |= live.part > 0;
    }
    return any;
  }
  bool Sum(float* score) const {
    double sum = 0;
    for (const LiveClause& live : wanted_) sum += live.part;
    *score = static_cast<float>(sum);
    return true;
  }

  const PostingQuery& query_;
  const Bm25Scorer scorer_;
  const SegmentRows& rows_;
  Budget* const budget_;
  TopScores* const top_;
  std::vector<LiveClause> wanted_, excluded_;
  std::vector<List*> leads_;
  bool conjunction_ = false, impossible_ = false;
};

}  // namespace

bool SearchClauses(const PostingSegment& segment, const PostingQuery& query, const float* norm,
                   const SegmentRows& rows, PostingScratch* scratch, Budget* budget, TopScores* top) {
  LB_CHECK(segment.value() == PostingValue::kFrequency);
  OpenLists(segment, query, scratch);
  return ClauseSearch(segment, query, norm, rows, scratch, budget, top).Run();
}

}  // namespace longbow::text
