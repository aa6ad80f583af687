// Whole answers, kept for who asks the same of the same rows again.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "longbow/engine/view.h"
#include "longbow/filter/allow_list.h"
#include "longbow/query/lru_cache.h"
#include "longbow/query/request.h"

namespace longbow::query {

// Bytes that are equal for equal requests of a dataset at one sequence, and differ where answers might; empty
// for what is not cached (explain, check_recall, vectors in unusual forms). A write to the dataset gives its
// views another sequence and a put of an allow-list gives that another version, so what is found under a key
// is never older than its view.
Result<std::string> AnswerKey(const SearchRequest& request, const engine::View& view,
                              const filter::AllowLists& lists);

// The same of the request alone, without its Arrow vectors, the version of its lists and the sequence.
std::string RequestBytes(const SearchRequest& request);

// An answer is kept when it is asked for the second time: what is asked once would only drive out the rest.
// Thread-safe.
class AnswerCache {
 public:
  AnswerCache(int64_t max_bytes, MemoryLedger* ledger);

  bool enabled() const { return answers_.enabled(); }
  // Null when there is none. `keep`: give it to Put once it is there.
  std::shared_ptr<const SearchAnswer> Find(const std::string& key, bool* keep);
  void Put(const std::string& key, const SearchAnswer& answer);
  void Shrink() { answers_.Shrink(); }
  void ListCounters(CounterVisitor& visitor) const;

 private:
  static constexpr size_t kSeen = size_t{1} << 16;

  LruCache<std::string, std::shared_ptr<const SearchAnswer>, std::hash<std::string>> answers_;
  // Hashes of keys asked for, each over an older one.
  std::unique_ptr<std::atomic<uint64_t>[]> seen_;
  MemoryReservation seen_memory_;
};

}  // namespace longbow::query
