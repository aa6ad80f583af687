// Single queries that wait at the same time are answered together.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "longbow/base/counters.h"
#include "longbow/base/executor.h"
#include "longbow/query/search.h"

namespace longbow::query {

// There is no timer: a searcher that gets free takes the query that waited longest and with it those that
// ask the same of the same dataset, so batches are as long as searchers are busy, and who comes alone is
// alone. Each keeps its own deadline. Guarded by its mutex. Its tasks keep it alive; the query engine is
// there as long as a search waits.
class SearchBatcher : public std::enable_shared_from_this<SearchBatcher> {
 public:
  using Done = std::function<void(Result<SearchAnswer>)>;
  static constexpr size_t kMaxBatch = 64;

  SearchBatcher(QueryEngine* query, Executor* searchers) : query_(query), searchers_(searchers) {}

  // Whether a search may wait here: one query by vector, with nothing that is only its own beside k.
  static bool Takes(const SearchRequest& request);
  // Calls `done` once, on a searcher, with what QueryEngine::Search would give. False, and `done` is never
  // called, when too many searches are waiting.
  bool Submit(SearchRequest request, Done done);

  void ListCounters(CounterVisitor& visitor) const;

 private:
  struct Waiting {
    uint64_t number;
    std::string kind;  // equal: may be answered together
    SearchRequest request;
    Done done;
  };

  bool Withdraw(uint64_t number);
  void Turn();
  std::vector<Waiting> Take();
  size_t AnswerEnded(std::vector<Waiting>* batch) const;
  void Run(std::vector<Waiting> batch);

  QueryEngine* const query_;
  Executor* const searchers_;
  Counter batches_, batched_;
  std::mutex mutex_;
  std::deque<Waiting> waiting_;  // guarded by mutex_
  uint64_t next_number_ = 0;     // guarded by mutex_
};

}  // namespace longbow::query
