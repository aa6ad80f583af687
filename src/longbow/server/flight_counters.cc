#include "longbow/server/flight_counters.h"

#include <string>

namespace longbow::server {
namespace {

constexpr double kNanos = 1e-9;

void ListCall(FlightCall call, const CallCounters& counters, CounterVisitor& visitor) {
  const std::string action(FlightCallLabel(call));
  const std::string_view help = "Flight calls by method and outcome";
  visitor.Visit("flight_ops_total", help, {{"action", action}, {"status", "start"}}, counters.started);
  visitor.Visit("flight_ops_total", help, {{"action", action}, {"status", "success"}}, counters.succeeded);
  visitor.Visit("flight_ops_total", help, {{"action", action}, {"status", "error"}}, counters.failed);
  visitor.Visit("flight_duration_seconds", "Time from a call's start to its end", {{"action", action}},
                counters.nanos, kNanos);
}

// Steps of a DoGet: its ticket was read; the scan was opened or the search answered; a batch was taken and
// sent.
void ListStep(std::string_view step, const StepCounters& counters, CounterVisitor& visitor) {
  const std::string_view help = "Steps of DoGet calls by outcome";
  const std::string name(step);
  visitor.Visit("do_get_pipeline_steps_total", help, {{"step", name}, {"status", "success"}},
                counters.succeeded);
  visitor.Visit("do_get_pipeline_steps_total", help, {{"step", name}, {"status", "error"}}, counters.failed);
}

}  // namespace

std::string_view FlightCallLabel(FlightCall call) {
  switch (call) {
    case FlightCall::kHandshake:
      return "handshake";
    case FlightCall::kListFlights:
      return "list_flights";
    case FlightCall::kGetFlightInfo:
      return "get_flight_info";
    case FlightCall::kPollFlightInfo:
      return "poll_flight_info";
    case FlightCall::kGetSchema:
      return "get_schema";
    case FlightCall::kDoGet:
      return "do_get";
    case FlightCall::kDoPut:
      return "do_put";
    case FlightCall::kDoExchange:
      return "do_exchange";
    case FlightCall::kDoAction:
      return "do_action";
    case FlightCall::kListActions:
      return "list_actions";
  }
  return "unknown";
}

void FlightCounters::List(CounterVisitor& visitor) const {
  for (size_t i = 0; i < kFlightCalls; ++i) ListCall(static_cast<FlightCall>(i), calls[i], visitor);
  visitor.Visit("flight_calls_running", "Flight calls under way, idle streams among them", {}, calls_running);
  visitor.Visit("flight_unauthenticated_total", "Calls refused for want of the token", {}, unauthenticated);
  visitor.Visit("flight_calls_refused_total", "Calls refused because too many were under way", {},
                calls_refused);
  const std::string_view turns = "Calls that began when they came, and those that came too fast";
  visitor.Visit("rate_limit_requests_total", turns, {{"result", "allowed"}}, calls_at_once);
  visitor.Visit("rate_limit_requests_total", turns, {{"result", "throttled"}}, calls_throttled);
  visitor.Visit("flight_stalled_total", "Calls cut off because the client took nothing", {}, stalled_cut);
  visitor.Visit("flight_bytes_read_total", "Bytes of messages received", {}, bytes_read);
  visitor.Visit("flight_bytes_written_total", "Bytes of messages sent", {}, bytes_written);

  const std::string_view rows = "Rows through DoPut and DoGet";
  visitor.Visit("flight_rows_processed_total", rows, {{"operation", "put"}, {"status", "success"}}, rows_put);
  visitor.Visit("flight_rows_processed_total", rows, {{"operation", "put"}, {"status", "error"}},
                rows_put_failed);
  visitor.Visit("flight_rows_processed_total", rows, {{"operation", "get"}, {"status", "success"}}, rows_got);
  visitor.Visit("doput_batch_size_bytes", "Size of batches put", {}, put_payload_bytes, 1);
  visitor.Visit("do_put_payload_size_bytes", "The same as doput_batch_size_bytes", {}, put_payload_bytes, 1);
  visitor.Visit("do_put_batch_rows", "Rows of batches put", {}, put_batch_rows, 1);
  visitor.Visit("do_get_time_to_first_chunk_seconds", "Time to the first batch of a DoGet", {},
                first_chunk_nanos, kNanos);
  const std::string_view sliced = "Batches of DoGet sent as references to Arrow's buffers, without a copy";
  visitor.Visit("do_get_zero_copy_total", sliced, {{"type", "scan"}}, batches_scanned_out);
  visitor.Visit("do_get_zero_copy_total", sliced, {{"type", "search"}}, batches_found_out);

  ListStep("ticket", get_ticket, visitor);
  ListStep("open", get_open, visitor);
  ListStep("batch", get_batch, visitor);

  const CallCounters& exchange = calls[static_cast<size_t>(FlightCall::kDoExchange)];
  visitor.Visit("do_exchange_calls_total", "DoExchange streams opened", {}, exchange.started);
  visitor.Visit("do_exchange_errors_total", "DoExchange streams that ended with an error", {},
                exchange.failed);
  visitor.Visit("do_exchange_duration_seconds", "Life of DoExchange streams", {}, exchange.nanos, kNanos);
  visitor.Visit("do_exchange_batches_received_total", "Batches received on DoExchange", {},
                exchange_batches_received);
  visitor.Visit("do_exchange_batches_sent_total", "Batches sent on DoExchange", {}, exchange_batches_sent);
  visitor.Visit("do_exchange_search_total", "Request batches searched", {}, exchange_searches);
  visitor.Visit("do_exchange_search_duration_seconds", "Time to answer a request batch", {},
                exchange_search_nanos, kNanos);

  visitor.Visit("vector_search_action_total", "VectorSearch actions", {}, vector_search_actions);
  visitor.Visit("vector_search_action_errors_total", "VectorSearch actions that failed", {},
                vector_search_action_errors);
  visitor.Visit("vector_search_action_duration_seconds", "Time of VectorSearch actions", {},
                vector_search_action_nanos, kNanos);
  visitor.Visit("search_inline_total", "Searches run on the handler that read them", {}, searches_inline);
  visitor.Visit("search_refused_total", "Searches refused because too many were waiting", {},
                searches_refused);
  search_latencies.List(visitor);
}

}  // namespace longbow::server
