// The default index: a graph that grows and shrinks while it is searched.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "longbow/index/graph/graph.h"
#include "longbow/index/graph/graph_builder.h"
#include "longbow/index/graph/row_chains.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {

// Rows are scanned until builders have linked them, so all are findable at once. Thread-safe.
class GraphIndex : public VectorIndex {
 public:
  explicit GraphIndex(const IndexInput& input, GraphOptions options = {});
  ~GraphIndex() override;  // stops building; ends what still waits with Cancelled

  std::string_view name() const override { return "graph"; }
  void RowsAppended(RowOrdinal first, RowOrdinal end) override { builder_.RowsAppended(first, end); }
  void Erase(std::span<const RowOrdinal> rows) override { builder_.Erase(rows); }
  RowOrdinal settled_end() const override { return builder_.settled_end(); }
  void Forget(RowOrdinal first, RowOrdinal end) override { builder_.Forget(first, end); }
  std::vector<MethodCost> Methods(const SearchShape& shape) const override;
  uint64_t methods_version() const override;
  std::unique_ptr<SearchScratch> NewScratch() const override;
  Status Search(const SearchSpec& spec, SearchScratch* scratch, SearchHits* hits) const override;
  RowOrdinal indexed_end() const override { return builder_.indexed_end(); }
  void WhenIndexed(RowOrdinal end, std::function<void(Status)> done) override {
    builder_.WhenIndexed(end, std::move(done));
  }
  Status Save(FileSystem* files, std::string_view directory) override;
  Status Load(FileSystem* files, std::string_view directory) override;
  Result<AuditReport> Audit() const override;
  std::vector<IndexGauge> Gauges() const override;
  int64_t memory_bytes() const override;

 private:
  // Of a walk for k when `share` of the nodes it visits are wanted.
  WalkLength LengthFor(const Effort& effort, uint32_t k, double share) const;
  double HopNanos(const Graph& graph) const;
  uint32_t MostVisits(const SearchSpec& spec) const;
  double CodeScanNanos(const SearchShape& shape, const RowCodes& codes) const;

  const IndexInput input_;
  const distance::KernelSet& kernels_;
  GraphBuilder builder_;
};

Result<std::unique_ptr<VectorIndex>> MakeGraphIndex(const IndexInput& input);
int64_t GraphRowBytes(distance::Metric metric, size_t scalars, std::string_view codec);

}  // namespace longbow::index
