// DoGet tickets: a dataset's name, or JSON for a scan or a search.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "longbow/base/status.h"
#include "longbow/query/search.h"

namespace longbow::protocol {

// A search and what only the edge acts on.
struct SearchCall {
  query::SearchRequest request;
  int64_t deadline_ms = 0;  // from arrival; 0: the server's limit
  bool local_only = false;  // do not ask other nodes
  double graph_alpha = 0;   // what hits lend along edges; 0: nothing
  int64_t limit = 0;        // rows of the whole answer; 0: all
};

using TicketRequest = std::variant<query::ScanRequest, SearchCall>;

// Text that does not begin with '{' is a dataset's name. JSON keys: name (or dataset), limit, offset,
// filters (or filter), columns, order_by, count, and search (search_json.h), which makes it a search; there
// `name` counts when the search names no dataset, filters outside and inside must both hold, and `limit` cuts
// the answer. Unknown keys
// are ignored. InvalidArgument "invalid ticket format: ...".
Result<TicketRequest> ReadTicket(std::string_view bytes);

// The ticket that scans a dataset.
std::string WriteScanTicket(std::string_view dataset);

// ListFlights' criteria: JSON whose filters on `name` (equal, contains) and `rows` (any comparison) choose;
// others are ignored, as old clients send some. Empty: all. InvalidArgument "Invalid criteria: ...".
class FlightCriteria {
 public:
  static Result<FlightCriteria> Read(std::string_view expression);
  bool Matches(std::string_view name, int64_t rows) const;

 private:
  std::vector<filter::FilterTree> terms_;  // comparisons, all must hold
};

}  // namespace longbow::protocol
