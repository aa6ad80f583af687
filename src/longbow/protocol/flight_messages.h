// Flight's small messages: descriptors, tickets, actions, flight infos. From and to the bytes on the wire.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"

namespace arrow {
class Schema;
}

namespace longbow::protocol {

inline constexpr size_t kMaxDescriptorBytes = size_t{64} << 10;
inline constexpr size_t kMaxCriteriaBytes = size_t{64} << 10;
// A query vector of 32,768 numbers as JSON text; a filter with 10,000 values.
inline constexpr size_t kMaxTicketBytes = size_t{1} << 20;

// Which of the two fields is set is what counts: clients leave `type` away.
struct FlightDescriptor {
  std::vector<std::string> path;
  std::string command;
};

struct Action {
  std::string type;
  std::string body;
};

// A dataset as ListFlights and GetFlightInfo tell it. One endpoint, whose ticket scans it.
struct FlightInfo {
  std::string dataset;
  std::shared_ptr<arrow::Schema> schema;
  int64_t rows = 0;
  int64_t bytes = 0;
};

// InvalidArgument "invalid <message>: ..." for bytes that are none, or more of them than allowed.
Result<FlightDescriptor> ParseFlightDescriptor(std::string_view bytes);
Result<std::string> ParseTicket(std::string_view bytes);    // the ticket's own bytes
Result<Action> ParseAction(std::string_view bytes);         // as long as a message may be; bodies have limits
Result<std::string> ParseCriteria(std::string_view bytes);  // the expression
Result<std::string> ParseHandshakeRequest(std::string_view bytes);  // the payload

std::string EncodeFlightDescriptor(const FlightDescriptor& descriptor);
std::string EncodeTicket(std::string_view ticket);
std::string EncodeAction(const Action& action);
std::string EncodeCriteria(std::string_view expression);
std::string EncodeHandshakeResponse(std::string_view payload);
std::string EncodeActionType(std::string_view type, std::string_view description);
std::string EncodeActionResult(std::string_view body);
std::string EncodePutResult(std::string_view app_metadata);
Result<std::string> ParsePutResult(std::string_view bytes);  // the app_metadata; what a client does

Result<std::string> EncodeFlightInfo(const FlightInfo& info);
// A flight that is complete: nothing is left to poll for.
Result<std::string> EncodePollInfo(const FlightInfo& info);
Result<std::string> EncodeSchemaResult(const arrow::Schema& schema);

// What goes into the trailer grpc-status-details-bin: a google.rpc.Status with an ErrorInfo of the domain
// "longbow", and a RetryInfo when there is a delay. Clients that look into it refuse another code.
std::string EncodeErrorDetails(int grpc_code, std::string_view message, std::string_view reason,
                               int64_t retry_delay_ms = 0);

// Of the action CancelFlightInfo: what its body must be, and the answer "not cancellable".
Status CheckCancelFlightInfo(std::string_view body);
std::string EncodeNotCancellable();

// The dataset that a descriptor of DoPut, GetFlightInfo or GetSchema means: path[0], or a command that is a
// name or JSON
// {"name"|"dataset": ...}. InvalidArgument when it names none.
Result<std::string> DatasetOf(const FlightDescriptor& descriptor);

}  // namespace longbow::protocol
