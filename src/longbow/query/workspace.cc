#include "longbow/query/workspace.h"

namespace longbow::query {

index::SearchScratch* Workspace::ScratchOf(const index::VectorIndex& index) {
  for (Kept& kept : kept_) {
    if (kept.index_type == index.name()) return kept.scratch.get();
  }
  kept_.push_back({std::string(index.name()), index.NewScratch()});
  return kept_.back().scratch.get();
}

text::TextScratch* Workspace::ScratchOf(const text::TextIndex& index, const text::AnalyzerType* analyzer) {
  for (KeptText& kept : kept_texts_) {
    if (kept.analyzer == analyzer) return kept.scratch.get();
  }
  kept_texts_.push_back({analyzer, index.NewScratch()});
  return kept_texts_.back().scratch.get();
}

size_t Workspace::bytes() const {
  return values.capacity() * sizeof(double) + prepared.capacity() + prefixes.capacity() +
         heap.capacity() * sizeof(index::Neighbor) + distances.capacity() * sizeof(float) +
         rows_at.capacity() * sizeof(const std::byte*) + k.capacity() * sizeof(uint32_t) +
         (left_out.capacity() + rows.capacity()) * sizeof(RowOrdinal) +
         hits.neighbors.capacity() * sizeof(index::Neighbor) + hits.offsets.capacity() * sizeof(uint32_t);
}

QueryEngine::ScratchPool::Lease QueryEngine::ScratchPool::Take() {
  taken.Add();
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto workspace = std::move(idle_.back());
      idle_.pop_back();
      return Lease(this, std::move(workspace));
    }
  }
  made.Add();
  return Lease(this, std::make_unique<Workspace>());
}

void QueryEngine::ScratchPool::GiveBack(std::unique_ptr<Workspace> workspace) {
  given_back.Add();
  if (workspace->bytes() > kKeptBytes) return;
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(workspace));
}

}  // namespace longbow::query
