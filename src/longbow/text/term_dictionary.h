// Terms by number, in the order first seen; a term keeps its number.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <memory>
#include <shared_mutex>
#include <string_view>
#include <vector>

#include "longbow/base/memory_ledger.h"
#include "longbow/text/posting_segment.h"

namespace longbow::text {

// Guarded by its mutex. One thread at a time adds.
class TermDictionary {
 public:
  explicit TermDictionary(MemoryLedger* ledger) : ledger_(ledger) {}
  ~TermDictionary();

  TermId Find(std::string_view term) const;  // kNoTerm: never seen
  TermId FindOrAdd(std::string_view term);   // the adding thread's
  size_t size() const;
  int64_t memory_bytes() const;

 private:
  static constexpr size_t kChunkBytes = size_t{1} << 16;
  std::string_view Keep(std::string_view term);

  MemoryLedger* const ledger_;
  mutable std::shared_mutex mutex_;
  boost::unordered_flat_map<std::string_view, TermId> terms_;  // guarded by mutex_
  std::vector<std::unique_ptr<char[]>> chunks_;                // guarded by mutex_
  size_t left_ = 0;                                            // of the last chunk
  int64_t charged_ = 0;                                        // guarded by mutex_
};

}  // namespace longbow::text
