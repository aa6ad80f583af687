// Longbow's Arrow Flight service on gRPC's callback API.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "longbow/base/counters.h"
#include "longbow/base/status.h"

namespace longbow::server {

class Serving;

// In PEM. Without a certificate calls travel in the clear.
struct TlsOptions {
  std::string certificate, key;    // of the server, with its chain
  std::string client_authorities;  // whose certificates clients must show; empty: they need none
};

// Settings of the Flight ports. Sizes in bytes, times in milliseconds.
struct FlightOptions {
  // "host:port"; port 0 takes any free one; an empty address is not listened on. Both serve every call.
  std::string data_address = "127.0.0.1:3000";
  std::string meta_address = "127.0.0.1:3001";
  // What clients send as `authorization: Bearer <token>`. Empty: every client is admitted.
  std::string token;
  TlsOptions tls;

  int64_t max_receive_bytes = int64_t{512} << 20;  // of one message; larger ones are refused
  int64_t max_send_bytes = int64_t{512} << 20;
  // Memory that gRPC may hold for messages it has not handed over. 0: four times max_receive_bytes, at least
  // 64 MiB. Less than 1.25 times max_receive_bytes is InvalidArgument: the largest message would never
  // arrive.
  int64_t memory_quota_bytes = 0;
  int64_t initial_window_bytes = int64_t{1} << 20;  // HTTP/2 flow control of a stream; grows by itself
  int max_concurrent_streams = 256;                 // a connection
  int max_calls = 4096;  // at one time, of all connections; further ones are refused
  // Calls that may begin in a second; faster ones wait for their turn. 0: any number. And how many may begin
  // at once after a quiet time; 0: as many as in a second.
  int64_t max_calls_per_second = 0, call_burst = 0;

  int64_t keepalive_time_ms = 7'200'000;
  int64_t keepalive_timeout_ms = 20'000;
  int64_t keepalive_min_time_ms = 300'000;  // a client that pings more often is disconnected
  bool keepalive_permit_without_stream = false;

  // A client that takes nothing of an answer under way for this long is cut off. Idle streams live for ever.
  int64_t stalled_transfer_ms = 30'000;
  int inbox_messages = 2;  // read ahead on a stream while one is handled
  int64_t put_window_bytes = int64_t{32}
                             << 20;  // written and not yet acknowledged on a stream; or two messages
  // A search estimated below this runs on the handler that read it, when another handler is free.
  double inline_search_nanos = 100'000;
};

struct FlightPorts {
  int data = 0;  // 0: not listened on
  int meta = 0;
};

// Thread-safe. The process must have blocked the signals it waits for before the first Start, as gRPC makes
// threads.
class FlightServer {
 public:
  // Listens and answers at once, also before `serving` is open. `serving` outlives the server.
  // Unavailable that names the address when it cannot be listened on; InvalidArgument for settings that
  // contradict.
  static Result<std::unique_ptr<FlightServer>> Start(const FlightOptions& options, Serving* serving);
  // Shuts down with a short deadline when Shutdown was not called.
  ~FlightServer();

  FlightPorts ports() const;
  // Refuses new calls, ends streams that wait for their client's next request, lets the others run for
  // `grace_ms`, then cancels them; returns when none is left. Batches handed to the engine are still written.
  void Shutdown(int64_t grace_ms);
  void ListCounters(CounterVisitor& visitor) const;

 private:
  struct Parts;
  explicit FlightServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace longbow::server
