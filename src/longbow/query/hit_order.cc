#include "longbow/query/hit_order.h"

#include <arrow/array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/initialize.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <utility>

#include "longbow/distance/kernels.h"

namespace longbow::query {
namespace {

// Keeps [begin, end) of each query's hits, as pick(begin, end of all) says.
template <typename Pick>
void KeepRange(index::SearchHits* hits, Pick&& pick) {
  uint32_t kept = 0, begin = 0;
  for (size_t query = 0; query + 1 < hits->offsets.size(); ++query) {
    const uint32_t end = hits->offsets[query + 1];
    const auto [from, to] = pick(begin, end);
    for (uint32_t i = from; i < to; ++i) hits->neighbors[kept++] = hits->neighbors[i];
    begin = end;
    hits->offsets[query + 1] = kept;
  }
  hits->neighbors.resize(kept);
}

bool HasOrder(const arrow::DataType& type) {
  if (arrow::is_interval(type.id())) return false;  // months differ in length
  return arrow::is_primitive(type.id()) || arrow::is_base_binary_like(type.id()) ||
         arrow::is_decimal(type.id()) || type.id() == arrow::Type::FIXED_SIZE_BINARY;
}

// Arrow sorts neither halves nor narrow decimals: the wider type that holds the same values; null: as it is.
std::shared_ptr<arrow::DataType> SortedAs(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::HALF_FLOAT:
      return arrow::float32();
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      return arrow::decimal128(decimal.precision(), decimal.scale());
    }
    default:
      return nullptr;
  }
}

}  // namespace

void KeepWithin(double radius, distance::Metric metric, index::SearchHits* hits) {
  KeepRange(hits, [&](uint32_t begin, uint32_t end) {
    while (end > begin &&
           static_cast<double>(distance::UserDistance(metric, hits->neighbors[end - 1].distance)) > radius) {
      --end;
    }
    return std::pair(begin, end);
  });
}

void PassOver(uint32_t offset, index::SearchHits* hits) {
  KeepRange(hits, [&](uint32_t begin, uint32_t end) {
    return std::pair(begin + std::min(offset, end - begin), end);
  });
}

Status CheckOrder(const OrderBy& order, const engine::DatasetSchema& schema) {
  const auto field = schema.arrow->GetFieldByName(order.column);
  if (field == nullptr) {
    std::string known;
    for (const auto& one : schema.arrow->fields())
      known += (known.empty() ? "\"" : ", \"") + one->name() + '"';
    return InvalidArgument("order_by: unknown column \"", order.column.substr(0, 128), "\"; the dataset has ",
                           known.substr(0, 512));
  }
  if (HasOrder(*field->type())) return Status::OK();
  return InvalidArgument("order_by: column \"", order.column, "\" has type ", field->type()->ToString(),
                         ", which has no order");
}

Result<std::vector<uint64_t>> OrderOf(const engine::View& view, const OrderBy& order,
                                      std::span<const RowOrdinal> rows) {
  static const Status initialized = arrow::compute::Initialize();
  LB_RETURN_NOT_OK(initialized);
  LB_ASSIGN_OR_RETURN(auto values, view.TakeColumn(order.column, rows));
  if (auto wider = SortedAs(*values->type())) {
    LB_ASSIGN_OR_RETURN(values, arrow::compute::Cast(*values, std::move(wider)));
  }
  const auto direction =
      order.descending ? arrow::compute::SortOrder::Descending : arrow::compute::SortOrder::Ascending;
  LB_ASSIGN_OR_RETURN(const auto sorted,
                      arrow::compute::SortIndices(*values, arrow::compute::ArraySortOptions(direction)));
  const auto& positions = static_cast<const arrow::UInt64Array&>(*sorted);
  return std::vector<uint64_t>(positions.raw_values(), positions.raw_values() + positions.length());
}

Status OrderHits(const engine::View& view, const OrderBy& order, index::SearchHits* hits,
                 std::vector<float>* scores) {
  std::vector<RowOrdinal> rows;
  std::vector<index::Neighbor> ordered;
  std::vector<float> ordered_scores;
  for (size_t query = 0; query + 1 < hits->offsets.size(); ++query) {
    const uint32_t begin = hits->offsets[query], end = hits->offsets[query + 1];
    rows.clear();
    for (uint32_t i = begin; i < end; ++i) rows.push_back(hits->neighbors[i].row);
    LB_ASSIGN_OR_RETURN(const auto positions, OrderOf(view, order, rows));
    ordered.assign(hits->neighbors.begin() + begin, hits->neighbors.begin() + end);
    for (uint32_t i = begin; i < end; ++i) hits->neighbors[i] = ordered[positions[i - begin]];
    if (scores->empty()) continue;
    ordered_scores.assign(scores->begin() + begin, scores->begin() + end);
    for (uint32_t i = begin; i < end; ++i) (*scores)[i] = ordered_scores[positions[i - begin]];
  }
  return Status::OK();
}

namespace {

std::vector<RowOrdinal> SortedRows(std::span<const index::Neighbor> hits) {
  std::vector<RowOrdinal> rows;
  rows.reserve(hits.size());
  for (const auto& hit : hits) rows.push_back(hit.row);
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace

double RecallOf(std::span<const index::Neighbor> found, std::span<const index::Neighbor> exact) {
  if (exact.empty()) return 1;
  const auto rows = SortedRows(exact);
  const auto good = std::count_if(found.begin(), found.end(), [&](const index::Neighbor& hit) {
    return hit.distance <= exact.back().distance || std::binary_search(rows.begin(), rows.end(), hit.row);
  });
  return std::min(1.0, static_cast<double>(good) / static_cast<double>(exact.size()));
}

double ShareFound(std::span<const index::Neighbor> found, std::span<const index::Neighbor> exact) {
  if (exact.empty()) return 1;
  const auto rows = SortedRows(exact);
  const auto good = std::count_if(found.begin(), found.end(), [&](const index::Neighbor& hit) {
    return std::binary_search(rows.begin(), rows.end(), hit.row);
  });
  return static_cast<double>(good) / static_cast<double>(exact.size());
}

}  // namespace longbow::query
