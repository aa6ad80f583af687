// Filters as clients write them in JSON. Internal to protocol/.
#pragma once

#include <optional>

#include "longbow/base/status.h"
#include "longbow/filter/filter.h"
#include "longbow/protocol/json_document.h"

namespace longbow::protocol {

// The key "filters" of `object`: an array whose members must all hold, or one filter; absent or empty:
// nullopt. A filter is
//   {"field": f, "op"|"operator": o, "value": v}        v: string, number, boolean; for in and not in also an
//   array or
//                                                       text with commas; not needed for is null
//   {"logic": "and"|"or"|"not", "filters": [...]}       "not": not all of them
// A filter with both is its comparison and its members, joined by `logic`. On a comparison without members
// "not" negates it, and "or" is InvalidArgument: with what would be unclear.
Result<std::optional<filter::FilterTree>> ReadFilters(const JsonObject& object);

// Both must hold; either may be absent.
std::optional<filter::FilterTree> AllOf(std::optional<filter::FilterTree> a,
                                        std::optional<filter::FilterTree> b);

}  // namespace longbow::protocol
