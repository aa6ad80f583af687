// How far the batches of an acknowledged stream have come.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "longbow/base/ids.h"
#include "longbow/base/status.h"
#include "longbow/engine/engine.h"
#include "longbow/protocol/put_frames.h"

namespace longbow::server {

// Guarded.
class PutProgress {
 public:
  // Batch `number` was handed on, to a dataset of this level; in the order of the stream.
  void Begin(uint64_t number, storage::Durability level);
  // What became of it.
  void Finish(uint64_t number, const Result<engine::WriteAck>& outcome);
  // An error of the stream itself, to be told with the next acknowledgement.
  void Reject(uint64_t number, const Status& why);

  // Outcomes since the last Take; all batches begun are finished.
  int64_t untold() const;
  bool idle() const;
  // What to tell now. Batches with a sequence up to `committed` are durable.
  protocol::PutAck Take(Sequence committed, int64_t credits);

 private:
  struct Batch {
    uint64_t number = 0;
    std::optional<Result<engine::WriteAck>> outcome;
  };
  void NoteAnswered(const Batch& batch);  // mutex_ held
  void NoteDurable(Sequence committed);   // mutex_ held

  mutable std::mutex mutex_;                               // the rest is guarded by it
  std::deque<Batch> batches_;                              // begun and not yet answered in order
  std::deque<std::pair<uint64_t, Sequence>> not_durable_;  // answered, by number
  uint64_t acked_through_ = 0, durable_through_ = 0;
  Sequence newest_ = 0;
  storage::Durability durability_ = storage::Durability::kFsync;
  std::vector<protocol::PutError> errors_;
  int64_t untold_ = 0;
};

}  // namespace longbow::server
