// The memory that one search works in, kept between searches so that a warm search allocates nothing before
// its answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "longbow/base/counters.h"
#include "longbow/index/vector_index.h"
#include "longbow/query/planner.h"
#include "longbow/query/result_layout.h"
#include "longbow/query/search.h"
#include "longbow/text/text_scratch.h"

namespace longbow::query {

// The choice made for the last search, good for the next one of the same index and shape.
struct ChosenPlan {
  PlanInput input;  // its index is compared, never followed
  Plan plan;
};

// Confined to the search that leased it.
struct Workspace {
  std::vector<double> values;       // one query
  std::vector<std::byte> prepared;  // all queries, one every `stride` bytes
  std::vector<std::byte> prefixes;  // the same of a prefix, where one is searched on
  bool whole = true;                // the queries have all elements, not those of the prefix only
  size_t stride = 0;
  std::vector<uint32_t> k;           // one a query, as searched for
  std::vector<RowOrdinal> left_out;  // one a query: the row searched by, kNoRow: none
  index::SearchHits hits;
  std::vector<RowOrdinal> rows;  // of the hits
  // What a prefix search works in.
  std::vector<index::Neighbor> heap;
  std::vector<float> distances;
  std::vector<const std::byte*> rows_at;
  text::TextHits texts;       // of the part that asks for text
  std::vector<float> scores;  // of the hits, where they are not their distances'
  ChosenPlan chosen;
  ResultLayout layout;

  // The scratch that `index` works in. Scratch is kept by index type: an index of the same type takes what
  // another of its type made.
  index::SearchScratch* ScratchOf(const index::VectorIndex& index);
  // The same for text: kept by analyzer, of which null are weights.
  text::TextScratch* ScratchOf(const text::TextIndex& index, const text::AnalyzerType* analyzer);
  size_t bytes() const;

 private:
  struct Kept {
    std::string index_type;
    std::unique_ptr<index::SearchScratch> scratch;
  };
  std::vector<Kept> kept_;
  struct KeptText {
    const text::AnalyzerType* analyzer;
    std::unique_ptr<text::TextScratch> scratch;
  };
  std::vector<KeptText> kept_texts_;
};

// Workspaces at rest, at most as many as searches ever ran at once. Thread-safe.
class QueryEngine::ScratchPool {
 public:
  // A workspace that grew beyond this by an unusual search is not kept.
  static constexpr size_t kKeptBytes = size_t{16} << 20;

  // Confined; gives the workspace back when it goes.
  class Lease {
   public:
    Lease(ScratchPool* pool, std::unique_ptr<Workspace> workspace)
        : pool_(pool), workspace_(std::move(workspace)) {}
    ~Lease() { pool_->GiveBack(std::move(workspace_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Workspace* operator->() const { return workspace_.get(); }
    Workspace* get() const { return workspace_.get(); }

   private:
    ScratchPool* const pool_;
    std::unique_ptr<Workspace> workspace_;
  };

  Lease Take();

  Counter taken, given_back, made;

 private:
  void GiveBack(std::unique_ptr<Workspace> workspace);

  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> idle_;  // guarded by mutex_
};

}  // namespace longbow::query
