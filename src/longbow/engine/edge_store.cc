#include "longbow/engine/edge_store.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "longbow/base/check.h"

namespace longbow::engine {
namespace {

// A node's place in the tables and its two lists; an edge's two links with what lists grow ahead.
constexpr int64_t kNodeBytes = 192, kEdgeBytes = 96, kPredicateBytes = 128;

std::string KeyBytes(KeyKind kind, const Key& key) {
  if (kind == KeyKind::kString) return key.text;
  std::string bytes(sizeof(key.number), '\0');
  std::memcpy(bytes.data(), &key.number, sizeof(key.number));
  return bytes;
}

int64_t NodeBytes(const Key& key) { return kNodeBytes + 2 * static_cast<int64_t>(key.text.size()); }

// True when the list had such a link, which now has the weight.
bool Reweigh(std::vector<EdgeStore::Link>& links, const EdgeStore::Link& link) {
  const auto found = std::find_if(links.begin(), links.end(), [&](const EdgeStore::Link& other) {
    return other.node == link.node && other.predicate == link.predicate;
  });
  if (found == links.end()) return false;
  found->weight = link.weight;
  return true;
}

}  // namespace

EdgeStore::~EdgeStore() { ledger_->Charge(MemoryUse::kRows, -bytes_); }

int64_t EdgeStore::MemoryNeeded(std::span<const Edge> edges) {
  int64_t bytes = 0;
  for (const Edge& edge : edges) {
    bytes += kEdgeBytes + NodeBytes(edge.subject) + NodeBytes(edge.object) + kPredicateBytes +
             2 * static_cast<int64_t>(edge.predicate.size());
  }
  return bytes;
}

uint32_t EdgeStore::Intern(const Key& key) {
  const auto [slot, added] =
      node_numbers_.try_emplace(KeyBytes(keys_, key), static_cast<uint32_t>(nodes_.size()));
  if (added) {
    nodes_.push_back({key, {}, {}});
    bytes_ += NodeBytes(key);
  }
  return slot->second;
}

uint32_t EdgeStore::InternPredicate(const std::string& predicate) {
  const auto [slot, added] =
      predicate_numbers_.try_emplace(predicate, static_cast<uint32_t>(predicates_.size()));
  if (added) {
    predicates_.push_back(predicate);
    bytes_ += kPredicateBytes + 2 * static_cast<int64_t>(predicate.size());
  }
  return slot->second;
}

void EdgeStore::Add(std::span<const Edge> edges) {
  std::unique_lock lock(mutex_);
  const int64_t before = bytes_;
  for (const Edge& edge : edges) {
    const uint32_t subject = Intern(edge.subject), object = Intern(edge.object);
    const uint32_t predicate = InternPredicate(edge.predicate);
    const Link out{object, predicate, edge.weight}, in{subject, predicate, edge.weight};
    const bool joined = !joined_.insert(uint64_t{subject} << 32 | object).second;
    if (joined && Reweigh(nodes_[subject].out, out)) {
      LB_CHECK(Reweigh(nodes_[object].in, in));
      continue;
    }
    nodes_[subject].out.push_back(out);
    nodes_[object].in.push_back(in);
    ++edges_;
    bytes_ += kEdgeBytes;
  }
  ledger_->Charge(MemoryUse::kRows, bytes_ - before);
}

std::optional<uint32_t> EdgeReader::Find(const Key& key) const {
  const auto found = store_.node_numbers_.find(KeyBytes(store_.keys_, key));
  if (found == store_.node_numbers_.end()) return std::nullopt;
  return found->second;
}

}  // namespace longbow::engine
