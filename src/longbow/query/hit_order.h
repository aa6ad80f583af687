// From the nearest rows to those that are shown: radius, page, order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "longbow/base/status.h"
#include "longbow/engine/view.h"
#include "longbow/query/request.h"
#include "longbow/query/workspace.h"

namespace longbow::query {

// Leaves in the hits those of distance (as users see it) up to `radius`.
void KeepWithin(double radius, distance::Metric metric, index::SearchHits* hits);
// Leaves out the first `offset` hits of each query.
void PassOver(uint32_t offset, index::SearchHits* hits);
// InvalidArgument for an unknown column or one without an order.
Status CheckOrder(const OrderBy& order, const engine::DatasetSchema& schema);
// Positions of `rows` by the values of a column that CheckOrder found good; equal ones stay as they are.
Result<std::vector<uint64_t>> OrderOf(const engine::View& view, const OrderBy& order,
                                      std::span<const RowOrdinal> rows);
// Puts each query's hits, and the scores beside them where there are any, into that order.
Status OrderHits(const engine::View& view, const OrderBy& order, index::SearchHits* hits,
                 std::vector<float>* scores);

// Share of `exact`, the true nearest, that `found` holds; rows as near as the last of them count, too.
double RecallOf(std::span<const index::Neighbor> found, std::span<const index::Neighbor> exact);
// The same of hits whose order is not that of their distances.
double ShareFound(std::span<const index::Neighbor> found, std::span<const index::Neighbor> exact);

}  // namespace longbow::query
