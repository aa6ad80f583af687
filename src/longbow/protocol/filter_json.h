// Filters as clients write them in JSON. Internal to protocol/.
#pragma once

#include <optional>
#include <string>

#include "longbow/base/status.h"
#include "longbow/filter/filter.h"
#include "longbow/protocol/json_document.h"

namespace longbow::protocol {

// The keys "filters" and "filter" of `object`: an array whose members must all hold, one filter, or text as
// filter::ParseFilter reads it; absent or empty: nullopt; both given: both must hold. A filter is
//   {"field": f, "op"|"operator": o, "value": v}        v: string, number, boolean. For in and not in also an
//   array, or text with commas; for between [low, high] with null for an open end, or an object of gt, gte,
//   lt, lte; nothing, true or false for is null and is not null
//   {"logic": "and"|"or"|"not", "filters": [...]}       "not": not all of them
// A filter with both is its comparison and its members, joined by `logic`. On a comparison without members
// "not" negates it, and "or" is InvalidArgument: with what would be unclear.
Result<std::optional<filter::FilterTree>> ReadFilters(const JsonObject& object);

// The filter that ReadFilters reads as this tree (a kAnd or kOr of one child as that child).
std::string WriteFilter(const filter::FilterTree& tree);

// Both must hold; either may be absent.
std::optional<filter::FilterTree> AllOf(std::optional<filter::FilterTree> a,
                                        std::optional<filter::FilterTree> b);

}  // namespace longbow::protocol
