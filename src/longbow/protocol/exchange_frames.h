// DoExchange: the command that opens a stream, request batches of searches, and what goes beside each answer.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "longbow/base/status.h"
#include "longbow/protocol/flight_messages.h"
#include "longbow/protocol/ticket.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace longbow::protocol {

inline constexpr int64_t kDefaultK = 10;

// Searches with what the command's JSON said; request batches fill in the rest.
struct ExchangeSearch {
  SearchCall defaults;
};
struct ExchangeIngest {
  std::string dataset;
};
using ExchangeCommand = std::variant<ExchangeSearch, ExchangeIngest>;

// A command "VectorSearch" or "search", or JSON {"command": one of these, defaults as in search_json.h}; or
// the path ["ingest", dataset]. To the bare words, which old clients send, hits come without payload; to JSON
// with all of it or with the "columns" it names. InvalidArgument that names these for anything else.
Result<ExchangeCommand> ReadExchangeCommand(const FlightDescriptor& descriptor);

struct ExchangeRequest {
  SearchCall call;
  std::string request_id;  // as JSON text: "abc" with its quotes, or 12; empty when absent
};

// One query a row. Columns: dataset (utf8, the same in every row; may be left out when the command names it),
// query_vector (list or fixed-size list of numbers) or id (stored rows: integers or utf8), text_query (utf8,
// in batches of one row, which then need neither of the former, as with a text in the command), k (any
// integer type), ef and recall (the batch is searched with the largest of each), request_id (utf8 or integer,
// of the first row). InvalidArgument that names the column.
Result<ExchangeRequest> ReadExchangeRequest(const arrow::RecordBatch& batch, const SearchCall& defaults);

// {"request_id", "sequence", "coverage": exact|approximate|partial, "sq8": {"scale", "offset"} of vectors so
// encoded, "stats": {...}}.
std::string WriteExchangeMetadata(const std::string& request_id, const query::SearchAnswer& answer);
// An answer's schema as the stream's: without the range of its sq8 column, which the next answer has its own.
Result<std::shared_ptr<arrow::Schema>> WithoutSq8Range(const std::shared_ptr<arrow::Schema>& schema);

}  // namespace longbow::protocol
