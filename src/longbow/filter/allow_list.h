// Sets of keys that are given once, by name, and then used by many filters.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "longbow/base/memory_ledger.h"
#include "longbow/base/status.h"

namespace arrow {
class Array;
}

namespace longbow::filter {

// Immutable.
struct AllowList {
  std::string name;
  uint64_t version = 0;                  // no other list, and no later one of this name, has it
  std::shared_ptr<arrow::Array> values;  // integers or text, sorted as they came, no nulls
  MemoryReservation memory;
};

// The lists of a node, held in memory until dropped: they are a client's working state, not data, and are
// gone after a restart. Guarded by its mutex.
class AllowLists {
 public:
  static constexpr size_t kMaxLists = 4096;
  static constexpr size_t kMaxNameBytes = 256;

  explicit AllowLists(MemoryLedger* ledger) : ledger_(ledger) {}

  // Replaces a list of that name. InvalidArgument for a bad name, nulls, values that are neither integers nor
  // text; ResourceExhausted when there is no memory for it, or too many lists.
  Status Put(std::string_view name, const std::shared_ptr<arrow::Array>& values);
  // Adds values to the list of that name: a list longer than a message comes in parts. Filters bound
  // meanwhile see the parts that are there. As Put; NotFound without the list, InvalidArgument for values of
  // another type than it holds. Holds both copies until done.
  Status Append(std::string_view name, const std::shared_ptr<arrow::Array>& values);
  // NotFound "allow-list not found: X".
  Status Drop(std::string_view name);
  // InvalidArgument that says how to upload it: who names a missing list asks a wrong question.
  Result<std::shared_ptr<const AllowList>> Find(std::string_view name) const;

 private:
  MemoryLedger* const ledger_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const AllowList>, std::less<>> lists_;  // guarded by mutex_
  uint64_t next_version_ = 1;                                                   // guarded by mutex_
};

}  // namespace longbow::filter
