// Queries as they came, brought into the form the kernels expect.
#pragma once

#include <cstdint>

#include "longbow/base/status.h"
#include "longbow/engine/view.h"
#include "longbow/query/search.h"

namespace longbow::query {

struct Workspace;

// InvalidArgument "no query vector provided", when array and keys go together and are not as many, or above
// the limit.
Result<uint32_t> CountQueries(const Queries& queries, const SearchLimits& limits);

// Fills workspace's prepared, stride and left_out with `count` queries for a vector column of the view; with
// `dims` > 0 also prefixes and whole: queries then have all elements, or all of them have `dims`.
// DimensionMismatch "dimension mismatch: expected X, got Y" (X is twice the dimension for complex columns);
// InvalidArgument for nulls, values that are not finite, a zero vector under cosine; NotFound
// "id <key> not found in dataset <dataset>".
Status PrepareQueries(const Queries& queries, uint32_t count, const engine::View& view, int vector_column,
                      uint32_t dims, Workspace* workspace);

}  // namespace longbow::query
