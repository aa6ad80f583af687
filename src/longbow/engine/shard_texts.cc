#include "longbow/engine/shard_texts.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <cmath>

#include "longbow/engine/key.h"

namespace longbow::engine {

// Reads documents from the newest row blocks it was given.
class ShardTexts::Source final : public text::DocumentSource {
 public:
  explicit Source(TextColumns columns) : columns_(std::move(columns)) {}

  void SetBlocks(std::shared_ptr<const RowBlocks> blocks) {
    std::lock_guard lock(mutex_);
    blocks_ = std::move(blocks);
  }
  void Read(RowOrdinal first, RowOrdinal end, text::DocumentVisitor* visitor) const override {
    std::shared_ptr<const RowBlocks> blocks;
    {
      std::lock_guard lock(mutex_);
      blocks = blocks_;
    }
    auto block = std::upper_bound(blocks->begin(), blocks->end(), first,
                                  [](RowOrdinal row, const auto& b) { return row < b->end; });
    for (; block != blocks->end() && (*block)->first < end; ++block) {
      ReadBlock(**block, std::max(first, (*block)->first), std::min(end, (*block)->end), visitor);
    }
  }

 private:
  void ReadBlock(const RowBlock& block, RowOrdinal first, RowOrdinal end,
                 text::DocumentVisitor* visitor) const {
    std::vector<const arrow::ArrayData*> arrays;
    std::vector<std::shared_ptr<arrow::ArrayData>> held;
    for (const auto& name : columns_.names) {
      const int at = block.rows->schema()->GetFieldIndex(name);
      if (at < 0) continue;  // the block is older than the column
      held.push_back(block.rows->column_data(at));
      arrays.push_back(held.back().get());
    }
    for (RowOrdinal row = first; row < end; ++row) {
      const int64_t i = row - block.first;
      for (const arrow::ArrayData* array : arrays) {
        if (array->IsNull(i)) continue;
        if (columns_.analyzer != nullptr) {
          visitor->Text(row, TextAt(*array, i));
        } else {
          ReadWeights(row, *array, i, visitor);
        }
      }
    }
  }

  // Weights are stored as clients sent them: what is no weight counts nothing, of a term sent twice the first
  // one counts.
  static void ReadWeights(RowOrdinal row, const arrow::ArrayData& map, int64_t i,
                          text::DocumentVisitor* visitor) {
    const auto* offsets = map.GetValues<int32_t>(1);
    const arrow::ArrayData& entries = *map.child_data[0];
    const arrow::ArrayData &keys = *entries.child_data[0], &items = *entries.child_data[1];
    const auto* terms = keys.GetValues<uint32_t>(1) + entries.offset;
    const auto* weights = items.GetValues<float>(1) + entries.offset;
    std::vector<text::TermId> out_terms;
    std::vector<float> out_weights;
    for (int32_t at = offsets[i]; at < offsets[i + 1]; ++at) {
      if (items.IsNull(entries.offset + at) || !std::isfinite(weights[at]) || terms[at] == text::kNoTerm)
        continue;
      if (std::find(out_terms.begin(), out_terms.end(), terms[at]) != out_terms.end()) continue;
      out_terms.push_back(terms[at]);
      out_weights.push_back(weights[at]);
    }
    if (!out_terms.empty()) visitor->Weights(row, out_terms, out_weights);
  }

  const TextColumns columns_;
  mutable std::mutex mutex_;
  std::shared_ptr<const RowBlocks> blocks_ = std::make_shared<const RowBlocks>();  // guarded by mutex_
};

struct ShardTexts::Kept {
  explicit Kept(const TextColumns& made_of) : columns(made_of), source(made_of) {}
  const TextColumns columns;
  Source source;
  std::unique_ptr<text::TextIndex> index;  // goes before its source
};

ShardTexts::ShardTexts(const RowVersions* versions, Executor* builders, MemoryLedger* ledger,
                       std::shared_ptr<Counter> documents)
    : versions_(versions), builders_(builders), ledger_(ledger), documents_(std::move(documents)) {}

ShardTexts::~ShardTexts() = default;

void ShardTexts::RowsDied(Sequence at, std::span<const RowOrdinal> rows) {
  for (const auto& kept : kept_) kept->index->RowsDied(at, rows);
}

void ShardTexts::Publish(const std::shared_ptr<const RowBlocks>& blocks, RowOrdinal end) {
  std::lock_guard lock(mutex_);
  PublishLocked(blocks, end);
}

void ShardTexts::PublishLocked(const std::shared_ptr<const RowBlocks>& blocks, RowOrdinal end) {
  if (end <= published_end_) return;
  for (const auto& kept : kept_) {
    kept->source.SetBlocks(blocks);
    kept->index->RowsAppended(published_end_, end);
  }
  published_end_ = end;
  blocks_ = blocks;
}

void ShardTexts::Erase(std::span<const RowOrdinal> rows) {
  std::lock_guard lock(mutex_);
  for (const auto& kept : kept_) kept->index->Erase(rows);
}

Result<text::TextIndex*> ShardTexts::Find(const TextColumns& columns,
                                          const std::shared_ptr<const RowBlocks>& blocks, RowOrdinal end,
                                          Sequence horizon) {
  std::lock_guard lock(mutex_);
  PublishLocked(blocks, end);
  for (const auto& kept : kept_) {
    if (kept->columns == columns) return kept->index.get();
  }
  if (kept_.size() == kMostIndexes) {
    return Error(ErrorCode::kResourceExhausted, "text_columns: the dataset has ", kMostIndexes,
                 " text indexes, the most there can be; ask for columns that were asked for before");
  }
  auto made = std::make_unique<Kept>(columns);
  text::TextIndexInput input;
  input.analyzer = columns.analyzer;
  input.source = &made->source;
  input.versions = versions_;
  input.builders = builders_;
  input.ledger = ledger_;
  input.documents = documents_.get();
  input.failed = failed_;
  made->index = std::make_unique<text::TextIndex>(input);
  made->index->Begin(written_end_, horizon);
  if (published_end_ > 0) {
    made->source.SetBlocks(blocks_);
    made->index->RowsAppended(0, published_end_);
  }
  kept_.push_back(std::move(made));
  return kept_.back()->index.get();
}

const text::TextIndex* ShardTexts::FindMade(const TextColumns& columns) const {
  std::lock_guard lock(mutex_);
  for (const auto& kept : kept_) {
    if (kept->columns == columns) return kept->index.get();
  }
  return nullptr;
}

std::vector<text::TextIndex*> ShardTexts::Made() const {
  std::vector<text::TextIndex*> made;
  std::lock_guard lock(mutex_);
  for (const auto& kept : kept_) made.push_back(kept->index.get());
  return made;
}

}  // namespace longbow::engine
