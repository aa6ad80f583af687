// What the Flight ports count.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "longbow/base/counters.h"
#include "longbow/server/labeled_latencies.h"

namespace longbow::server {

enum class FlightCall : uint8_t {
  kHandshake,
  kListFlights,
  kGetFlightInfo,
  kPollFlightInfo,
  kGetSchema,
  kDoGet,
  kDoPut,
  kDoExchange,
  kDoAction,
  kListActions,
};
inline constexpr size_t kFlightCalls = 10;
std::string_view FlightCallLabel(FlightCall call);  // "do_get" ...

struct CallCounters {
  Counter started, succeeded, failed;
  Histogram nanos;
};

struct StepCounters {
  Counter succeeded, failed;
  void Add(bool ok) { (ok ? succeeded : failed).Add(); }
};

// Atomic. Names are those of the wire protocol, section 11.
struct FlightCounters {
  std::array<CallCounters, kFlightCalls> calls;
  Gauge calls_running;
  Counter unauthenticated, calls_refused, stalled_cut;
  Counter calls_at_once, calls_throttled;  // begun when they came; waited or refused for the rate
  Counter bytes_read, bytes_written;
  Counter rows_put, rows_put_failed, rows_got;
  Counter exchange_batches_received, exchange_batches_sent, exchange_searches;
  Counter searches_inline, searches_refused;
  Counter batches_scanned_out, batches_found_out;  // of DoGet, sent as slices of what is stored or was found
  Histogram exchange_search_nanos;
  Counter vector_search_actions, vector_search_action_errors;
  Histogram vector_search_action_nanos, put_batch_rows, put_payload_bytes, first_chunk_nanos;
  StepCounters get_ticket, get_open, get_batch;

  LabeledLatencies search_latencies{"vector_search_latency_seconds",
                                    "Time of a request's searches, by dataset", "dataset"};

  CallCounters& of(FlightCall call) { return calls[static_cast<size_t>(call)]; }
  void List(CounterVisitor& visitor) const;
};

}  // namespace longbow::server
