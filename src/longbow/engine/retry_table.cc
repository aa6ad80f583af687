#include "longbow/engine/retry_table.h"

#include <algorithm>

namespace longbow::engine {

RetryTable::Verdict RetryTable::Begin(DatasetId dataset, const RetryKey& key, WriteDone* done,
                                      WriteAck* ack) {
  if (key.client.empty()) return Verdict::kNew;
  const BatchId id = IdOf(dataset, key);
  std::lock_guard lock(mutex_);
  if (const auto client = clients_.find(key.client); client != clients_.end()) {
    if (const auto known = client->second.known.find(id); known != client->second.known.end()) {
      *ack = known->second;
      return Verdict::kKnown;
    }
  }
  const auto [slot, first] = under_way_.try_emplace({key.client, id});
  if (first) return Verdict::kNew;
  slot->second.push_back(std::move(*done));
  return Verdict::kUnderWay;
}

std::vector<WriteDone> RetryTable::TakeWaiters(const std::string& client, const BatchId& id) {
  const auto found = under_way_.find({client, id});
  if (found == under_way_.end()) return {};
  auto waiters = std::move(found->second);
  under_way_.erase(found);
  return waiters;
}

std::vector<WriteDone> RetryTable::Finish(DatasetId dataset, const RetryKey& key, const WriteAck& ack) {
  if (key.client.empty()) return {};
  const BatchId id = IdOf(dataset, key);
  std::lock_guard lock(mutex_);
  Remember(key.client, id, ack);
  return TakeWaiters(key.client, id);
}

std::vector<WriteDone> RetryTable::Abandon(DatasetId dataset, const RetryKey& key) {
  if (key.client.empty()) return {};
  std::lock_guard lock(mutex_);
  return TakeWaiters(key.client, IdOf(dataset, key));
}

std::map<DatasetId, uint64_t> RetryTable::AppliedThrough(const std::string& client,
                                                         const std::string& stream) const {
  std::map<DatasetId, uint64_t> out;
  std::lock_guard lock(mutex_);
  const auto found = clients_.find(client);
  if (found == clients_.end()) return out;
  for (const auto& [id, ack] : found->second.known) {
    if (std::get<1>(id) != stream) continue;
    uint64_t& highest = out[std::get<0>(id)];
    highest = std::max(highest, std::get<2>(id));
  }
  return out;
}

// Oldest means lowest log sequence, not order of arrival here: shards finish in any order, and replay must
// forget the same ones.
void RetryTable::Remember(const std::string& name, const BatchId& id, const WriteAck& ack) {
  Client& client = clients_[name];
  if (!client.by_sequence.empty()) by_newest_.erase(client.by_sequence.rbegin()->first);
  client.known[id] = ack;
  client.by_sequence[ack.sequence] = id;
  if (client.by_sequence.size() > kPerClient) {
    client.known.erase(client.by_sequence.begin()->second);
    client.by_sequence.erase(client.by_sequence.begin());
  }
  by_newest_[client.by_sequence.rbegin()->first] = name;
  if (by_newest_.size() <= kMaxClients) return;
  clients_.erase(by_newest_.begin()->second);
  by_newest_.erase(by_newest_.begin());
}

}  // namespace longbow::engine
