// One search, from request to answer.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "longbow/base/budget.h"
#include "longbow/base/environment.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/base/row_selection.h"
#include "longbow/base/status.h"
#include "longbow/engine/view.h"
#include "longbow/query/filter_cache.h"
#include "longbow/query/neighbor_search.h"
#include "longbow/query/recall_monitor.h"
#include "longbow/query/request.h"
#include "longbow/query/search.h"
#include "longbow/query/text_search.h"
#include "longbow/query/workspace.h"

namespace longbow::query {

// What searches share.
struct SearchTools {
  const Environment* environment = nullptr;
  MemoryLedger* ledger = nullptr;
  const SearchLimits* limits = nullptr;
  FilterCache* filters = nullptr;
  RecallMonitor* recall = nullptr;
  QueryCounters* counters = nullptr;
};

// InvalidArgument, or FailedPrecondition "index not initialized" for a dataset without vectors.
Result<int> FindVectorColumn(const engine::DatasetSchema& schema, const std::string& name);

// The steps in their order. Confined.
class SearchRun {
 public:
  SearchRun(const SearchRequest& request, std::shared_ptr<const engine::View> view, const SearchTools& tools,
            int64_t start_ns, Workspace* workspace)
      : request_(request),
        view_(std::move(view)),
        tools_(tools),
        start_ns_(start_ns),
        workspace_(*workspace) {}

  // `second` works on check_recall's repetition.
  Result<SearchAnswer> Answer(Workspace* second);

 private:
  Status Prepare();
  Status ReadK(uint32_t count);
  Status Select();
  Status Find();
  Status FindText(Budget* budget);
  Status Fuse(Workspace* workspace) const;
  void AddRowsNotFound();
  Status CheckComplete(BudgetEnd end);
  Status CheckRecall(Workspace* second);
  Status Repeat(Budget* budget, Workspace* second) const;
  void OfferSample();
  Status Arrange();
  Status TakeColumns();
  Result<SearchAnswer> Explained(bool ran);

  NeighborSearch Neighbors(Budget* budget) const;
  TextSearch Texts(Budget* budget) const;
  int64_t Now() const { return tools_.environment->clock->MonotonicNanos(); }
  // Since the last call, or the start.
  int64_t Lap();

  const SearchRequest& request_;
  const std::shared_ptr<const engine::View> view_;
  const SearchTools& tools_;
  const int64_t start_ns_;
  Workspace& workspace_;

  SearchParts parts_;
  std::string_view neighbor_plan_ = kNoPlan;  // of the part that goes by vector
  std::vector<uint32_t> wanted_;  // of a search with text: k, while its vectors are searched deeper
  int column_ = 0;                // -1: the dataset has no vectors
  int64_t deadline_ = 0, lap_ = 0;
  uint32_t offset_ = 0;
  MemoryReservation memory_;
  std::shared_ptr<const RowSelection> selection_;
  SearchAnswer answer_;
};

}  // namespace longbow::query
