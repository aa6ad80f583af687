// A query as postings answer it: terms by number, weighted, and how they must occur.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "longbow/base/budget.h"
#include "longbow/base/row_selection.h"
#include "longbow/base/row_versions.h"
#include "longbow/text/posting_cursor.h"
#include "longbow/text/top_scores.h"

namespace longbow::text {

enum class Occur : uint8_t { kShould, kMust, kMustNot };

// Weights are what a scorer takes. A row's score is the sum over its clauses, rounded once.
struct PostingQuery {
  struct Term {
    TermId id = kNoTerm;
    float weight = 0;
  };
  // One term, or several that follow each other.
  struct Clause {
    Occur occur = Occur::kShould;
    float weight = 0;
    std::vector<uint32_t> terms;  // into `terms`
    bool phrase() const { return terms.size() > 1; }
  };
  std::vector<Term> terms;  // distinct; when there are no clauses, each should occur
  std::vector<Clause> clauses;
  // How often a phrase occurs in a row's text.
  std::function<uint32_t(RowOrdinal row, const Clause& phrase)> occurrences;
};

// The rows of one segment that count. Immutable.
struct SegmentRows {
  RowOrdinal first = 0;
  uint32_t limit = 0;  // documents at or behind it do not count
  bool all_visible = false;
  Visibility visibility;
  const RowSelection* selection = nullptr;

  bool Has(uint32_t document) const {
    const RowOrdinal row = first + document;
    return (selection == nullptr || selection->Contains(row)) && (all_visible || visibility.Visible(row));
  }
};

// Memory a search works in; kept between searches.
struct PostingScratch {
  // One list of the segment at hand.
  struct List {
    PostingCursor cursor;
    float weight = 0;
    float bound = 0;    // of the whole list
    uint32_t slot = 0;  // position among the query's terms
    uint32_t bound_block = kNoDocument;
    float block_bound = 0;  // of that block
  };
  std::vector<List> lists;    // at least as many as the query has terms
  std::vector<List*> order;   // those present, the highest bound first
  std::vector<double> rest;   // rest[i]: the bounds of order[i...] together
  std::vector<double> parts;  // a document's score by slot
  std::vector<float> block;   // scores of a block
};

// Each offers the segment's best rows to `top`; false when the budget ended.
// Rows with any of the terms: MaxScore (Turtle and Flood, "Query evaluation: strategies and optimizations",
// 1995) with the bounds of blocks (Ding and Suel, "Faster top-k document retrieval using block-max indexes",
// 2011).
bool SearchUnion(const PostingSegment& segment, const PostingQuery& query, const float* norm,
                 const SegmentRows& rows, PostingScratch* scratch, Budget* budget, TopScores* top);
// The same, going from one selected row to the next: for selections that are much smaller than the lists.
bool SearchSelected(const PostingSegment& segment, const PostingQuery& query, const float* norm,
                    const SegmentRows& rows, PostingScratch* scratch, Budget* budget, TopScores* top);
// Rows as the query's clauses want them.
bool SearchClauses(const PostingSegment& segment, const PostingQuery& query, const float* norm,
                   const SegmentRows& rows, PostingScratch* scratch, Budget* budget, TopScores* top);

// Opens the lists of the query's terms that the segment has into `scratch->order`.
void OpenLists(const PostingSegment& segment, const PostingQuery& query, PostingScratch* scratch);
// Postings of all those lists.
uint64_t CountPostings(const PostingSegment& segment, const PostingQuery& query);

}  // namespace longbow::text
