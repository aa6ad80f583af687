// Which batches have had their effect, so that one sent again has none.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "longbow/base/ids.h"
#include "longbow/engine/engine.h"

namespace longbow::engine {

// Remembers, for each client, the acknowledgements of its newest kPerClient batches in log order, and for
// kMaxClients clients. A function of the log: replay builds the same table. Batches that are under way are
// known too. Thread-safe.
class RetryTable {
 public:
  static constexpr size_t kPerClient = 1024;
  static constexpr size_t kMaxClients = 16384;

  enum class Verdict : uint8_t {
    kNew,       // the caller writes it and calls Finish or Abandon
    kKnown,     // *ack is what it was acknowledged with
    kUnderWay,  // *done was taken and is called with the outcome of the first one
  };
  // A batch belongs to one incarnation of a dataset. Keys without a client are always new.
  Verdict Begin(DatasetId dataset, const RetryKey& key, WriteDone* done, WriteAck* ack);
  // The batch was applied. Returns those who wait for it, to be called without locks.
  std::vector<WriteDone> Finish(DatasetId dataset, const RetryKey& key, const WriteAck& ack);
  // The highest sequence applied of each dataset's batches under these names; empty when none is known.
  std::map<DatasetId, uint64_t> AppliedThrough(const std::string& client, const std::string& stream) const;
  // It was not.
  std::vector<WriteDone> Abandon(DatasetId dataset, const RetryKey& key);

 private:
  using BatchId = std::tuple<DatasetId, std::string, uint64_t>;  // dataset, stream, sequence
  struct Client {
    std::map<BatchId, WriteAck> known;
    std::map<Sequence, BatchId> by_sequence;
  };
  static BatchId IdOf(DatasetId dataset, const RetryKey& key) { return {dataset, key.stream, key.sequence}; }
  std::vector<WriteDone> TakeWaiters(const std::string& client, const BatchId& id);
  void Remember(const std::string& client, const BatchId& id, const WriteAck& ack);

  mutable std::mutex mutex_;
  std::map<std::string, Client> clients_;                                        // guarded by mutex_
  std::map<Sequence, std::string> by_newest_;                                    // guarded by mutex_
  std::map<std::pair<std::string, BatchId>, std::vector<WriteDone>> under_way_;  // guarded by mutex_
};

}  // namespace longbow::engine
