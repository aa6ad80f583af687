#include "longbow/server/index_timing.h"

#include <utility>

namespace longbow::server {

void IndexTiming::RowsWritten(engine::Engine* engine, const std::string& dataset) {
  const int64_t start = clock_->MonotonicNanos();
  if (!Begin(dataset, start)) return;
  auto about = engine->Info(dataset);
  if (!about.ok() || about->schema->vectors.empty()) return End(dataset, start);
  engine->WhenIndexed(
      dataset, [self = shared_from_this(), dataset, about = *std::move(about), start](const Status& indexed) {
        if (!indexed.ok()) return self->End(dataset, start);  // dropped, or the engine ends
        const int64_t now = self->clock_->MonotonicNanos();
        self->End(dataset, now);
        self->Record(about, now - start);
      });
}

bool IndexTiming::Begin(const std::string& dataset, int64_t now) {
  std::lock_guard lock(mutex_);
  const auto found = sampling_.find(dataset);
  if (found == sampling_.end() && sampling_.size() >= kMaxDatasets) return false;
  Sampling& sampling = found == sampling_.end() ? sampling_[dataset] : found->second;
  if (sampling.under_way || now < sampling.rest_until) return false;
  return sampling.under_way = true;
}

void IndexTiming::End(const std::string& dataset, int64_t now) {
  std::lock_guard lock(mutex_);
  sampling_[dataset] = {false, now + kRestNanos};
}

void IndexTiming::Record(const engine::DatasetInfo& about, int64_t nanos) {
  by_dataset_.Record(about.name, nanos);
  for (const engine::VectorColumn& column : about.schema->vectors) {
    by_type_.Record(std::string(distance::ElementTypeName(column.type)), nanos);
    by_dim_.Record(std::to_string(column.dim), nanos);
  }
}

void IndexTiming::Keep(const std::function<bool(const std::string&)>& keep) {
  by_dataset_.Keep(keep);
  std::lock_guard lock(mutex_);
  std::erase_if(sampling_, [&](const auto& entry) { return !entry.second.under_way && !keep(entry.first); });
}

void IndexTiming::List(CounterVisitor& visitor) const {
  by_dataset_.List(visitor);
  by_type_.List(visitor);
  by_dim_.List(visitor);
}

}  // namespace longbow::server
