#include "longbow/server/flight_server.h"

#include <absl/synchronization/mutex.h>
#include <grpc/grpc.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <set>
#include <utility>

#include "longbow/server/flight_service.h"
#include "longbow/server/flight_shared.h"
#include "longbow/server/listen_address.h"
#include "longbow/server/serving.h"
#include "longbow/server/stream_reactor.h"
#include "longbow/server/unmoved_series.h"

namespace longbow::server {
namespace {

constexpr int64_t kNanosPerMs = 1'000'000;
constexpr int64_t kSweepNanos = 1'000'000'000;
constexpr int64_t kIdleSweepNanos = 20'000'000;
constexpr int kMaxHeaderBytes = 16 << 10;
constexpr int64_t kLastGraceMs = 2000;
constexpr int64_t kLeastQuotaBytes = int64_t{64} << 20;  // below, gRPC refuses streams for want of memory

int ToInt(int64_t value) { return static_cast<int>(std::clamp<int64_t>(value, -1, INT_MAX)); }

int64_t QuotaBytes(const FlightOptions& options) {
  if (options.memory_quota_bytes > 0) return options.memory_quota_bytes;
  return std::max(4 * options.max_receive_bytes, kLeastQuotaBytes);
}

Status CheckOptions(const FlightOptions& options) {
  if (options.data_address.empty() && options.meta_address.empty()) {
    return InvalidArgument("data_address and meta_address are both empty: there is nothing to listen on");
  }
  if (options.max_receive_bytes <= 0 || options.max_receive_bytes > INT_MAX) {
    return InvalidArgument("max_receive_bytes: expected 1 to ", INT_MAX, ", got ", options.max_receive_bytes);
  }
  if (QuotaBytes(options) < options.max_receive_bytes + options.max_receive_bytes / 4) {
    return InvalidArgument("memory_quota_bytes: expected at least 1.25 times max_receive_bytes (",
                           options.max_receive_bytes, "), got ", options.memory_quota_bytes);
  }
  if (options.inbox_messages < 1 || options.max_calls < 1 || options.max_concurrent_streams < 1) {
    return InvalidArgument("inbox_messages, max_calls and max_concurrent_streams: expected 1 or more");
  }
  return Status::OK();
}

void Configure(const FlightOptions& options, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(ToInt(options.max_receive_bytes));
  builder->SetMaxSendMessageSize(ToInt(options.max_send_bytes));
  // A compressed message may be a thousand times larger than what the receive limit sees.
  for (auto algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder->SetCompressionAlgorithmSupportStatus(algorithm, false);
  }
  const std::pair<const char*, int64_t> arguments[] = {
      {GRPC_ARG_ALLOW_REUSEPORT, 0},  // a second server must fail, not share the port
      {GRPC_ARG_MAX_METADATA_SIZE, kMaxHeaderBytes},
      {GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams},
      {GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, options.initial_window_bytes},
      {GRPC_ARG_KEEPALIVE_TIME_MS, options.keepalive_time_ms},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options.keepalive_timeout_ms},
      {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, options.keepalive_min_time_ms},
      {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, options.keepalive_permit_without_stream ? 1 : 0},
  };
  for (const auto& [name, value] : arguments) builder->AddChannelArgument(name, ToInt(value));
  // The receive limit bounds a message only once it has been received; the quota bounds what is on its way.
  grpc::ResourceQuota quota("longbow");
  quota.Resize(static_cast<size_t>(QuotaBytes(options)));
  builder->SetResourceQuota(quota);
}

std::shared_ptr<grpc::ServerCredentials> Credentials(const TlsOptions& tls) {
  if (tls.certificate.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(tls.client_authorities.empty()
                                                ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = tls.client_authorities;
  options.pem_key_cert_pairs.push_back({tls.key, tls.certificate});
  return grpc::SslServerCredentials(options);
}

// What gRPC needs once a process (docs/decisions/grpc-process.md).
void PrepareGrpc() {
  static const bool prepared = [] {
    grpc_init();  // and never shut down: its last shutdown may wait 10 s for a poller of its own
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    return true;
  }();
  static_cast<void>(prepared);
}

// Ends streams as soon as they are idle, as long as the server lives.
void EndIdleStreams(const std::weak_ptr<FlightShared>& weak, Executor* executor) {
  const auto shared = weak.lock();
  if (!shared) return;
  for (const auto& call : shared->calls.All()) call->EndIfIdle();
  executor->PostAfter(kIdleSweepNanos, [weak, executor] { EndIdleStreams(weak, executor); });
}

// Once a second, as long as the server lives: cuts stalled transfers, and has caches give back memory that
// others need.
void SweepLater(const std::weak_ptr<FlightShared>& weak, Executor* executor) {
  executor->PostAfter(kSweepNanos, [weak, executor] {
    const auto shared = weak.lock();
    if (!shared) return;
    const int64_t since =
        shared->clock().MonotonicNanos() - shared->options.stalled_transfer_ms * kNanosPerMs;
    for (const auto& call : shared->calls.All()) call->CutIfStalled(since);
    if (query::QueryEngine* query = shared->serving->query()) query->ShrinkCaches();
    SweepLater(weak, executor);
  });
}

// What is counted by dataset goes with the dataset.
void ForgetDropped(FlightShared* shared) {
  const engine::Engine* engine = shared->serving->engine();
  if (engine == nullptr) return;
  std::set<std::string> names;
  for (const auto& dataset : engine->Datasets()) names.insert(dataset.name);
  const auto is_there = [&](const std::string& name) { return names.contains(name); };
  shared->counters.search_latencies.Keep(is_there);
  shared->index_timing->Keep(is_there);
}

}  // namespace

struct FlightServer::Parts {
  std::shared_ptr<FlightShared> shared;
  std::unique_ptr<FlightService> service;
  std::unique_ptr<grpc::Server> server;
  FlightPorts ports;
  std::atomic<bool> shut_down{false};
};

FlightServer::FlightServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

FlightServer::~FlightServer() { Shutdown(kLastGraceMs); }

Result<std::unique_ptr<FlightServer>> FlightServer::Start(const FlightOptions& options, Serving* serving) {
  LB_RETURN_NOT_OK(CheckOptions(options));
  PrepareGrpc();
  auto parts = std::make_unique<Parts>();
  parts->shared = std::make_shared<FlightShared>(options, serving);
  parts->service = std::make_unique<FlightService>(parts->shared);
  grpc::ServerBuilder builder;
  Configure(options, &builder);
  const auto credentials = Credentials(options.tls);
  const std::pair<const std::string*, int*> listeners[] = {{&options.data_address, &parts->ports.data},
                                                           {&options.meta_address, &parts->ports.meta}};
  for (const auto& [address, port] : listeners) {
    if (address->empty()) continue;
    LB_RETURN_NOT_OK(CheckListenAddress(*address));
    builder.AddListeningPort(*address, credentials, port);
  }
  builder.RegisterService(parts->service.get());
  parts->server = builder.BuildAndStart();
  for (const auto& [address, port] : listeners) {
    if (!address->empty() && (*port == 0 || !parts->server)) {
      if (parts->server) parts->server->Shutdown();
      if (*port != 0) continue;
      return Error(ErrorCode::kUnavailable, "cannot listen on ", *address,
                   ": the address is in use or not this machine's; choose another",
                   options.tls.certificate.empty() ? "" : ", or the TLS key is not the certificate's");
    }
  }
  if (!parts->server) return Error(ErrorCode::kUnavailable, "the Flight server did not start");
  SweepLater(parts->shared, serving->environment().searchers);
  return std::unique_ptr<FlightServer>(new FlightServer(std::move(parts)));
}

FlightPorts FlightServer::ports() const { return parts_->ports; }

void FlightServer::Shutdown(int64_t grace_ms) {
  if (parts_->shut_down.exchange(true)) return;
  EndIdleStreams(parts_->shared, &parts_->shared->searchers());
  parts_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(grace_ms));
  parts_->server->Wait();
}

void FlightServer::ListCounters(CounterVisitor& visitor) const {
  FlightShared& shared = *parts_->shared;
  ForgetDropped(&shared);
  shared.counters.List(visitor);
  shared.index_timing->List(visitor);
  ListUnmovedSeries(visitor);
  if (shared.serving->query() != nullptr) shared.serving->batcher().ListCounters(visitor);
  const FlightOptions& options = shared.options;
  const auto setting = [&](std::string_view name, std::string_view help, int64_t value) {
    visitor.VisitValue(name, help, {}, static_cast<double>(value));
  };
  setting("grpc_max_recv_msg_size_bytes", "Limit of a message received", options.max_receive_bytes);
  setting("grpc_max_send_msg_size_bytes", "Limit of a message sent", options.max_send_bytes);
  setting("grpc_max_concurrent_streams", "Limit of streams a connection", options.max_concurrent_streams);
}

}  // namespace longbow::server
