// What a snapshot asks of a dataset while writes go on.
#include <arrow/type.h>

#include "longbow/engine/dataset.h"

namespace longbow::engine {
namespace {

// Births ascend with the ordinals; gaps were born before everything.
RowOrdinal EndAt(const RowVersions& versions, RowOrdinal end, Sequence at) {
  RowOrdinal low = 0, high = end;
  while (low < high) {
    const RowOrdinal middle = low + (high - low) / 2;
    if (versions.born(middle) <= at) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace

void Dataset::WhenAcknowledged(Done done) {
  auto barrier = std::make_shared<Mutation>();
  barrier->apply = [](const storage::LogPosition&) { return WriteAck{}; };
  barrier->done = [done = std::move(done)](const Result<WriteAck>& ack) { done(ack.status()); };
  barrier->settled = true;
  std::lock_guard lock(append_mutex_);  // what was appended has been pushed, too
  queue_->Push(std::move(barrier));
}

std::shared_ptr<const View> Dataset::PinAt(Sequence at, const StoredLayout& layout) const {
  const Published state = published();
  if (state.shard == nullptr) return nullptr;
  const RowVersions& versions = state.shard->versions();
  return std::make_shared<const View>(state.shard, layout.schema, state.blocks,
                                      Visibility{&versions, at, EndAt(versions, state.end, at)},
                                      /*live_rows=*/0);
}

std::shared_ptr<const Shard> Dataset::Derivable(Sequence* applied) const {
  const Published state = published();
  *applied = state.sequence;
  return state.shard;
}

}  // namespace longbow::engine
