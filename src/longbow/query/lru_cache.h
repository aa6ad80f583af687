// A cache of so many bytes that forgets what was used longest ago.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "longbow/base/counters.h"
#include "longbow/base/memory_ledger.h"

namespace longbow::query {

// Values are small and cheap to copy: shared pointers to what is cached. Its bytes are in the memory ledger
// (use cache); while that is above its soft limit nothing is added, and Shrink lets go. Guarded by its mutex.
template <typename Key, typename Value, typename Hash>
class LruCache {
 public:
  // 0 bytes: remembers nothing. `ledger` may be null.
  LruCache(int64_t max_bytes, MemoryLedger* ledger) : max_bytes_(max_bytes), ledger_(ledger) {}
  ~LruCache() { Charge(-bytes_); }
  LruCache(const LruCache&) = delete;
  LruCache& operator=(const LruCache&) = delete;

  bool enabled() const { return max_bytes_ > 0; }

  // A default value when there is none.
  Value Find(const Key& key) {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return Value{};
    order_.splice(order_.begin(), order_, found->second);
    return found->second->value;
  }

  // `bytes`: what the value keeps in memory, beside the entry itself.
  void Put(Key key, Value value, int64_t bytes) {
    bytes += kEntryBytes;
    if (bytes > max_bytes_ / 4 || (ledger_ != nullptr && ledger_->above_soft_limit())) return;
    std::list<Entry> dropped;  // freed without the lock
    std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(key); found != entries_.end()) Drop(found->second, &dropped);
    while (bytes_ + bytes > max_bytes_ && !order_.empty()) Drop(std::prev(order_.end()), &dropped);
    order_.push_front({key, std::move(value), bytes});
    entries_.emplace(std::move(key), order_.begin());
    bytes_ += bytes;
    held.Set(bytes_);
    Charge(bytes);
  }

  // Lets go of what was used longest ago until the ledger is below its soft limit.
  void Shrink() {
    std::list<Entry> dropped;
    std::lock_guard lock(mutex_);
    while (ledger_ != nullptr && ledger_->above_soft_limit() && !order_.empty()) {
      Drop(std::prev(order_.end()), &dropped);
    }
  }

  Counter evictions;
  Gauge held;  // bytes

 private:
  static constexpr int64_t kEntryBytes = 160;
  struct Entry {
    Key key;
    Value value;
    int64_t bytes;
  };

  void Drop(typename std::list<Entry>::iterator entry, std::list<Entry>* dropped) {
    bytes_ -= entry->bytes;
    held.Set(bytes_);
    Charge(-entry->bytes);
    evictions.Add();
    entries_.erase(entry->key);
    dropped->splice(dropped->end(), order_, entry);
  }
  void Charge(int64_t bytes) {
    if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kCache, bytes);
  }

  const int64_t max_bytes_;
  MemoryLedger* const ledger_;
  std::mutex mutex_;
  std::list<Entry> order_;  // guarded by mutex_; used last first
  std::unordered_map<Key, typename std::list<Entry>::iterator, Hash> entries_;  // guarded by mutex_
  int64_t bytes_ = 0;                                                           // guarded by mutex_
};

}  // namespace longbow::query
