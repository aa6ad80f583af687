// Filters bound once, and what they chose of each immutable block, kept for the searches after.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "longbow/base/budget.h"
#include "longbow/base/row_selection.h"
#include "longbow/engine/view.h"
#include "longbow/filter/allow_list.h"
#include "longbow/filter/filter.h"
#include "longbow/query/block_marks.h"
#include "longbow/query/lru_cache.h"

namespace longbow::query {

// A tree as text with the version of each allow-list it names: two equal ones choose the same rows of a
// block, now and later.
Result<std::string> FilterIdentity(const filter::FilterTree& tree, const filter::AllowLists& lists);

// Immutable.
struct KnownFilter {
  uint64_t number = 0;  // of this object; never given twice
  std::shared_ptr<const filter::BoundFilter> bound;
  std::shared_ptr<const engine::DatasetSchema> schema;
};

struct FilterCounters {
  Counter block_hits, block_misses, rows_evaluated;
};

// Thread-safe.
class FilterCache {
 public:
  FilterCache(int64_t max_bytes, MemoryLedger* ledger, const filter::AllowLists* lists)
      : lists_(lists),
        filters_(max_bytes / 4, ledger),
        visible_(max_bytes / 8, ledger),
        marks_(max_bytes - max_bytes / 4 - max_bytes / 8, ledger) {}

  // As BoundFilter::Bind says.
  Result<std::shared_ptr<const KnownFilter>> Bind(const filter::FilterTree& tree,
                                                  const std::shared_ptr<const engine::DatasetSchema>& schema);
  // The visible rows that match: two filters that choose the same of these give equal selections, whatever
  // dead rows they match beside. DeadlineExceeded or Cancelled when `budget`, of which each row looked at is
  // spent, ends first.
  Result<RowSelection> Select(const KnownFilter& filter, const engine::View& view, Budget* budget);

  void Shrink() {
    marks_.Shrink();
    visible_.Shrink();
    filters_.Shrink();
  }
  void ListCounters(CounterVisitor& visitor) const;

 private:
  struct FilterKey {
    const engine::DatasetSchema* schema;  // kept alive by the value
    std::string identity;
    bool operator==(const FilterKey&) const = default;
  };
  struct FilterKeyHash {
    size_t operator()(const FilterKey& key) const {
      return std::hash<std::string>()(key.identity) ^ std::hash<const void*>()(key.schema);
    }
  };
  struct MarksKey {
    const engine::RowBlock* block;
    uint64_t filter;
    bool operator==(const MarksKey&) const = default;
  };
  struct MarksKeyHash {
    size_t operator()(const MarksKey& key) const {
      return std::hash<const void*>()(key.block) * 0x9E3779B97F4A7C15u + key.filter;
    }
  };
  // What a view shows is known by its schema, which belongs to one dataset and is kept alive by the value,
  // and its sequence.
  struct VisibleKey {
    const engine::DatasetSchema* schema;
    Sequence at;
    RowOrdinal end;
    bool operator==(const VisibleKey&) const = default;
  };
  struct VisibleKeyHash {
    size_t operator()(const VisibleKey& key) const {
      return (std::hash<const void*>()(key.schema) * 0x9E3779B97F4A7C15u + key.at) * 0x9E3779B97F4A7C15u +
             key.end;
    }
  };
  struct Visible {
    std::shared_ptr<const engine::DatasetSchema> schema;
    std::shared_ptr<const RowSelection> rows;
  };
  // The block cannot be held: it would stay in memory after compaction. Its address alone could be that of
  // another block by now, but not while this weak pointer keeps the allocation.
  struct Marked {
    std::weak_ptr<const engine::RowBlock> block;
    std::shared_ptr<const BlockMarks> marks;
  };

  Result<std::shared_ptr<const BlockMarks>> MarksOf(const KnownFilter& filter, const engine::View& view,
                                                    const std::shared_ptr<const engine::RowBlock>& block,
                                                    Budget* budget);

  void DropHidden(const engine::View& view, RowSelection* selection);

  const filter::AllowLists* const lists_;
  std::atomic<uint64_t> next_number_{1};
  LruCache<FilterKey, std::shared_ptr<const KnownFilter>, FilterKeyHash> filters_;
  LruCache<VisibleKey, Visible, VisibleKeyHash> visible_;
  LruCache<MarksKey, Marked, MarksKeyHash> marks_;
  FilterCounters counters_;
};

}  // namespace longbow::query
