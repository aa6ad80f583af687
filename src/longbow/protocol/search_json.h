// A search as clients write it in JSON: in tickets, in action bodies, as the defaults of an exchange.
// Internal to protocol/.
#pragma once

#include <optional>

#include "longbow/base/status.h"
#include "longbow/protocol/json_document.h"
#include "longbow/protocol/ticket.h"

namespace longbow::protocol {

// Keys: dataset (or name), vector, vectors, id, ids, k, limit, offset, radius, filters, filter, order_by, ef,
// recall, exact, dims, columns (or projection), include_vectors, vector_format, vector_column, timeout_ms (or
// deadline_ms), max_distances, allow_partial, check_recall, explain, local_only, graph_alpha, and those of
// text_json.h. What is absent stays as it is in `call`. `k` is checked by query/, as it depends on limits.
Status ReadSearch(const JsonObject& object, SearchCall* call);

// "column", "column desc", or {"column", "descending"} under the key order_by.
Status ReadOrder(const JsonObject& object, std::optional<query::OrderBy>* order);

// The key vector_format; kStored when it is absent.
Result<query::VectorFormat> ReadVectorFormat(const JsonObject& object);

// InvalidArgument "no query vector provided" when neither vectors nor text say what to look for.
Status CheckHasQuery(const SearchCall& call);

}  // namespace longbow::protocol
