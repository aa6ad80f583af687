// Edges between the keys of a dataset: who points at whom, by which predicate, how strongly.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "longbow/base/memory_ledger.h"
#include "longbow/engine/key.h"

namespace longbow::engine {

// Known by subject, predicate and object.
struct Edge {
  Key subject;
  std::string predicate;
  Key object;
  float weight = 1;
};

// Written by apply, one call at a time; read at any time through EdgeReader. Guarded.
class EdgeStore {
 public:
  // Half an edge, as seen from a node.
  struct Link {
    uint32_t node = 0;       // at the other end
    uint32_t predicate = 0;  // in predicates()
    float weight = 1;
  };

  // `ledger` outlives the store.
  EdgeStore(KeyKind keys, MemoryLedger* ledger) : keys_(keys), ledger_(ledger) {}
  ~EdgeStore();
  EdgeStore(const EdgeStore&) = delete;
  EdgeStore& operator=(const EdgeStore&) = delete;

  // An edge that is there already gets the new weight.
  void Add(std::span<const Edge> edges);
  // What Add would charge at most.
  static int64_t MemoryNeeded(std::span<const Edge> edges);

  KeyKind keys() const { return keys_; }

 private:
  friend class EdgeReader;
  struct Node {
    Key key;
    std::vector<Link> out, in;
  };
  uint32_t Intern(const Key& key);
  uint32_t InternPredicate(const std::string& predicate);

  const KeyKind keys_;
  MemoryLedger* const ledger_;
  mutable std::shared_mutex mutex_;                         // the rest is guarded by it
  std::unordered_map<std::string, uint32_t> node_numbers_;  // by the key's bytes
  std::vector<Node> nodes_;
  std::unordered_map<std::string, uint32_t> predicate_numbers_;
  std::vector<std::string> predicates_;
  std::unordered_set<uint64_t> joined_;  // subject and object of some edge: spares looking through long lists
  int64_t edges_ = 0;
  int64_t bytes_ = 0;
};

// Nothing changes while one lives, and apply waits: keep it short. Confined.
class EdgeReader {
 public:
  explicit EdgeReader(const EdgeStore& store) : store_(store), lock_(store.mutex_) {}

  std::optional<uint32_t> Find(const Key& key) const;
  const Key& key(uint32_t node) const { return store_.nodes_[node].key; }
  // In the order in which they were first added.
  std::span<const EdgeStore::Link> Out(uint32_t node) const { return store_.nodes_[node].out; }
  std::span<const EdgeStore::Link> In(uint32_t node) const { return store_.nodes_[node].in; }
  const std::vector<std::string>& predicates() const { return store_.predicates_; }
  uint32_t nodes() const { return static_cast<uint32_t>(store_.nodes_.size()); }
  int64_t edges() const { return store_.edges_; }
  KeyKind keys() const { return store_.keys_; }

 private:
  const EdgeStore& store_;
  std::shared_lock<std::shared_mutex> lock_;
};

}  // namespace longbow::engine
