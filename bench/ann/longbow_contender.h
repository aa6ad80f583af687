// Our own graph index in memory, as a dataset holds it, without the server around it.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ann/contender.h"
#include "longbow/base/executor.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/index/graph/graph_index.h"

namespace longbow::bench {

// Row ordinals count what was ever appended; source(row) says which vector of the data set a row holds.
// One writer beside one searcher.
class LongbowIndex : public Contender {
 public:
  // `builders` threads link rows; 0: as many as Build is given.
  // `originals`: float32 or float16, what is kept of the vectors.
  LongbowIndex(const ContenderInput& input, int builders, index::GraphOptions options = {},
               distance::ElementType originals = distance::ElementType::kFloat32, std::string codec = "auto");
  ~LongbowIndex() override;

  void Build(const Matrix& base, int threads) override;
  void Save(const std::string& path) const override;
  void Load(const std::string& path, const Matrix& base) override;
  std::vector<Knob> Knobs() const override;  // lengths, and recalls asked for
  static std::vector<uint32_t> Lengths();    // ef
  void Search(const Matrix& queries, uint32_t k, const Knob& knob, uint32_t* found) override;
  Work TakeWork() override;

  // Appends `rows` of `from`, whose numbers become the sources; `wait`: until they are indexed.
  void Append(const Matrix& from, std::span<const uint32_t> rows, bool wait = true);
  void WaitIndexed();
  void Erase(std::span<const RowOrdinal> rows);
  // Until dead nodes are gone and those that cannot be reached are linked again, as far as it does so by
  // itself.
  void WaitForMaintenance();

  // One query, with everything it can ask for; k sources to `found`, kNoRow where there are fewer.
  // `selected`: the size of the selection, which the caller has counted.
  void Search(std::span<const float> query, uint32_t k, index::Effort effort, index::Method method,
              const RowSelection* selection, uint64_t selected, uint32_t* found);
  // Queries [first, first + count) of the matrix in one call, k sources each.
  void SearchTogether(const Matrix& queries, size_t first, uint32_t count, uint32_t k, index::Effort effort,
                      index::Method method, uint32_t* found);
  // The ways to answer a query among so many selected rows, cheapest by the index's own estimate first.
  std::vector<index::MethodCost> Methods(uint32_t k, index::Effort effort, uint64_t selected) const;

  RowOrdinal end() const { return end_.load(); }
  uint64_t live() const { return live_; }
  index::VectorIndex& index() const { return *index_; }
  const index::VectorStore& store() const { return *store_; }

 private:
  void Open(int builders);
  void Grow(size_t rows);
  void PutAll(const Matrix& base);
  void Put(const float* vector, RowOrdinal row, uint32_t source);

  const ContenderInput input_;
  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  RowVersions versions_{&ledger_};
  std::unique_ptr<index::VectorStore> store_;
  const index::GraphOptions options_;
  const std::string codec_;
  std::unique_ptr<Executor> builders_;
  std::unique_ptr<index::VectorIndex> index_;
  std::unique_ptr<index::SearchScratch> scratch_;
  index::SearchHits hits_;
  std::vector<uint32_t> ks_;
  index::SearchWork work_;
  ChunkedArray<uint32_t> sources_{&ledger_, MemoryUse::kRows, 0};
  std::atomic<RowOrdinal> end_{0};
  uint64_t live_ = 0;
};

}  // namespace longbow::bench
