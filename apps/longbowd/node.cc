#include "node.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>

#include "longbow/base/thread_stacks.h"
#include "longbow/observe/process_metrics.h"
#include "longbow/observe/prometheus.h"
#include "recovery_lines.h"
#include "tls_files.h"
#include "token_file.h"
#include "version.h"

namespace longbow {
namespace {

// Rows are searchable before builders get to them: those who put and ask go first.
constexpr int kBuilderNice = 10;

// No batch takes that long to apply, and no search longer than it may; what does waits for something.
constexpr int64_t kStuckNanos = 10'000'000'000;
constexpr int64_t kWatchNanos = 1'000'000'000;

int64_t Milliseconds(Nanoseconds time) { return std::chrono::ceil<std::chrono::milliseconds>(time).count(); }

int ThreadsOr(int64_t threads, int otherwise) { return threads > 0 ? static_cast<int>(threads) : otherwise; }

FileIo FileIoOf(const Settings& settings) {
  if (settings.log_io == "threads") return FileIo::kThreads;
  return settings.log_io == "uring" ? FileIo::kUring : FileIo::kAuto;
}

int Cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

int64_t MemoryLimit(const Settings& settings) {
  return settings.max_memory > 0 ? settings.max_memory : observe::AvailableMemoryBytes() / 10 * 8;
}

server::FlightOptions FlightOptionsOf(const Settings& settings, const std::string& token) {
  server::FlightOptions options;
  options.data_address = settings.listen_addr.ToString();
  options.meta_address = settings.meta_addr.ToString();
  options.token = token;
  options.max_receive_bytes = settings.grpc_max_recv_msg_size;
  options.max_send_bytes = settings.grpc_max_send_msg_size;
  options.memory_quota_bytes = settings.grpc_memory_quota;
  options.initial_window_bytes = settings.grpc_initial_window_size;
  options.max_concurrent_streams = static_cast<int>(settings.grpc_max_concurrent_streams);
  options.max_calls = static_cast<int>(settings.grpc_max_calls);
  options.max_calls_per_second = settings.rate_limit_rps;
  options.call_burst = settings.rate_limit_burst;
  options.keepalive_time_ms = Milliseconds(settings.grpc_keepalive_time);
  options.keepalive_timeout_ms = Milliseconds(settings.grpc_keepalive_timeout);
  options.keepalive_min_time_ms = Milliseconds(settings.grpc_keepalive_min_time);
  options.keepalive_permit_without_stream = settings.grpc_keepalive_permit_without_stream;
  options.stalled_transfer_ms = Milliseconds(settings.stalled_transfer_time);
  options.put_window_bytes = settings.put_window_size;
  return options;
}

// What a second server on the same data directory is told about this one.
std::string Holder() {
  return "longbowd " + std::string(Version()) + ", process " + std::to_string(getpid());
}

storage::LogCompression LogCompressionOf(const std::string& name) {
  if (name == "none") return storage::LogCompression::kNone;
  if (name == "lz4") return storage::LogCompression::kLz4;
  return name == "zstd" ? storage::LogCompression::kZstd : storage::LogCompression::kAuto;
}

engine::EngineOptions EngineOptionsOf(const Settings& settings, std::shared_ptr<FileLock> lock) {
  engine::EngineOptions options;
  options.directory_lock = std::move(lock);
  options.log.segment_bytes = static_cast<uint64_t>(settings.storage_log_segment_size);
  options.log.max_pending_bytes = static_cast<uint64_t>(settings.storage_log_max_pending);
  options.log.compression = LogCompressionOf(settings.log_compression);
  options.snapshot_log_bytes = static_cast<uint64_t>(settings.max_wal_size);
  options.snapshot_interval_ns = settings.snapshot_interval.count();
  options.schema_limits.max_dim = static_cast<uint32_t>(settings.max_dimension);
  options.schema_limits.max_columns = static_cast<int>(settings.max_columns);
  options.max_row_bytes = settings.max_row_size;
  return options;
}

query::SearchLimits SearchLimitsOf(const Settings& settings) {
  query::SearchLimits limits;
  limits.max_k = static_cast<uint32_t>(settings.max_k);
  limits.max_ef = static_cast<uint32_t>(settings.max_ef);
  limits.max_queries = static_cast<uint32_t>(settings.max_queries);
  limits.max_deadline_ms = Milliseconds(settings.max_search_time);
  limits.max_result_rows = settings.max_result_rows;
  return limits;
}

query::ScanOptions ScanOptionsOf(const Settings& settings) {
  query::ScanOptions options;
  options.max_rows = settings.scan_batch_rows;
  options.max_bytes = settings.scan_batch_size;
  options.first_rows = std::min(options.first_rows, options.max_rows);
  options.first_bytes = std::min(options.first_bytes, options.max_bytes);
  return options;
}

query::QueryOptions QueryOptionsOf(const Settings& settings) {
  query::QueryOptions options;
  options.limits = SearchLimitsOf(settings);
  options.scan = ScanOptionsOf(settings);
  options.answer_cache_bytes = settings.query_cache_size;
  options.filter_cache_bytes = settings.filter_cache_size;
  options.recall.share = static_cast<double>(settings.recall_samples) * 1e-6;
  return options;
}

}  // namespace

Node::Node(const Settings& settings, int64_t memory_limit, observe::LineLog* log)
    : settings_(settings),
      log_(log),
      ledger_(memory_limit / 100 * settings.memory_soft_percent, memory_limit),
      arena_(&ledger_) {}

Node::~Node() { Stop(); }

Result<std::unique_ptr<Node>> Node::Start(const Settings& settings, observe::LineLog* log) {
  std::unique_ptr<Node> node(new Node(settings, MemoryLimit(settings), log));
  ARROW_RETURN_NOT_OK(node->TakeDirectory());
  ARROW_RETURN_NOT_OK(node->OpenPorts());
  return node;
}

Status Node::TakeDirectory() {
  auto files =
      MakePosixFileSystem(settings_.data_path, static_cast<int>(settings_.io_threads), FileIoOf(settings_));
  if (!files.ok()) return WithContext(files.status(), "data directory " + settings_.data_path);
  files_ = std::move(*files);
  // From before the ports open to the very end, so that a second server meets it before anything else.
  auto lock = files_->Lock(engine::kDirectoryLock, Holder());
  if (!lock.ok()) {
    return WithContext(lock.status(),
                       "data directory " + settings_.data_path +
                           " cannot be used (stop the other server or choose another data_path)");
  }
  lock_ = std::move(*lock);
  if (settings_.auth == "none") return Status::OK();
  token_file_ = settings_.token_file.empty() ? settings_.data_path + "/token" : settings_.token_file;
  ARROW_ASSIGN_OR_RAISE(token_, ReadOrMakeToken(token_file_, SystemRandom()));
  return Status::OK();
}

Status Node::OpenPorts() {
  appliers_ = MakeThreadPool({.name = "applier", .threads = ThreadsOr(settings_.applier_threads, Cores())});
  searchers_ =
      MakeThreadPool({.name = "searcher", .threads = ThreadsOr(settings_.searcher_threads, Cores())});
  builders_ = MakeThreadPool(
      {.name = "builder", .threads = ThreadsOr(settings_.builder_threads, Cores()), .nice = kBuilderNice});
  StartWatchdog();
  const Environment environment{files_.get(),    SystemClock(),    SystemRandom(),
                                appliers_.get(), searchers_.get(), builders_.get()};
  serving_ = std::make_unique<server::Serving>(environment, &ledger_, &progress_);
  server::FlightOptions flight = FlightOptionsOf(settings_, token_);
  ARROW_ASSIGN_OR_RAISE(flight.tls, ReadTlsFiles(settings_));
  ARROW_ASSIGN_OR_RAISE(flight_, server::FlightServer::Start(flight, serving_.get()));
  observe::HttpOptions http;
  http.host = settings_.metrics_addr.host;
  http.port = settings_.metrics_addr.port;
  http.report_failure = [this](const std::string& path, const std::string& what) {
    log_->Error("http request failed", {{"path", path}, {"what", what}});
  };
  ARROW_ASSIGN_OR_RAISE(http_, observe::HttpServer::Start(
                                   http, {{"/metrics", [this] { return Metrics(); }},
                                          {"/health", [] { return observe::HttpReply{.body = "alive\n"}; }},
                                          {"/ready", [this] { return Ready(); }}}));
  return Status::OK();
}

void Node::StartWatchdog() {
  watchdog_ = std::make_unique<Watchdog>(
      std::vector<Watchdog::Pool>{
          {"applier", appliers_.get(), kStuckNanos},
          {"searcher", searchers_.get(), settings_.max_search_time.count() + kStuckNanos}},
      kWatchNanos, [this](const std::string& what) {
        log_->Error("a thread is stuck", {{"what", what}});
        WriteThreadStacks(STDERR_FILENO);
      });
}

void Node::Recover(Recovered recovered) {
  recovering_ = true;
  recovery_ = std::thread([this, recovered = std::move(recovered)] {
    Result<RecoveryOutcome> outcome = OpenEngine();
    if (outcome.ok()) {
      serving_->Open(engine_.get(), query_.get());
    } else {
      serving_->Fail(outcome.status());
    }
    recovering_ = false;
    recovered(std::move(outcome));
  });
}

Result<RecoveryOutcome> Node::OpenEngine() try {
  const Environment& environment = serving_->environment();
  const int64_t start = environment.clock->MonotonicNanos();
  const RecoveryLines lines(&progress_, log_);
  engine::EngineOptions options = EngineOptionsOf(settings_, lock_);
  options.fenced = [log = log_](const std::string& dataset, const Status& why) {
    log->Error("a dataset is fenced", {{"dataset", dataset}, {"why", std::string(why.message())}});
  };
  ARROW_ASSIGN_OR_RAISE(engine_,
                        engine::Engine::Open(environment, &ledger_, &arena_, std::move(options), &progress_));
  query_ =
      std::make_unique<query::QueryEngine>(engine_.get(), environment, &ledger_, QueryOptionsOf(settings_));
  RecoveryOutcome outcome;
  outcome.log = engine_->recovery();
  for (const engine::DatasetInfo& dataset : engine_->Datasets()) {
    ++outcome.datasets;
    outcome.rows += dataset.rows;
  }
  outcome.seconds = static_cast<double>(environment.clock->MonotonicNanos() - start) * 1e-9;
  return outcome;
} catch (const std::exception& error) {
  return MakeError(ErrorCode::kInternal, std::string("recovery failed: ") + error.what());
}

void Node::Stop() {
  stopping_ = true;
  if (recovery_.joinable()) recovery_.join();
  if (flight_ != nullptr) flight_->Shutdown(Milliseconds(settings_.drain_time));
  http_.reset();
  flight_.reset();
  query_.reset();
  engine_.reset();
}

NodePorts Node::ports() const {
  const server::FlightPorts flight = flight_->ports();
  return {flight.data, flight.meta, http_->port()};
}

observe::HttpReply Node::Ready() const {
  Status status = serving_->readiness();
  if (status.ok()) status = serving_->engine()->health();
  if (status.ok()) status = watchdog_->health();
  if (stopping_) status = MakeError(ErrorCode::kUnavailable, "stopping");
  if (status.ok()) return {.body = "ready\n"};
  return {.status = 503, .body = status.message() + "\n"};
}

observe::HttpReply Node::Metrics() const {
  observe::PrometheusText text;
  observe::AddProcessMetrics(text);
  observe::AddMemoryMetrics(text, ledger_);
  text.VisitValue("build_info", "1; the version is its label.", {{"version", std::string(Version())}}, 1);
  text.VisitValue("ready", "1 when calls are served.", {}, Ready().status == 200);
  text.VisitValue("recovery_percent", "How much of the log has been replayed.", {}, progress_.percent());
  const std::pair<const char*, const Executor*> pools[] = {
      {"applier", appliers_.get()}, {"searcher", searchers_.get()}, {"builder", builders_.get()}};
  for (const auto& [name, pool] : pools) {
    text.VisitValue("pool_waiting_tasks", "Tasks posted to a pool of threads and not yet started.",
                    {{"pool", name}}, static_cast<double>(pool->waiting()));
  }
  text.VisitValue("ingestion_queue_depth", "Alias of the appliers' pool_waiting_tasks, for old scripts.", {},
                  static_cast<double>(appliers_->waiting()));
  flight_->ListCounters(text);
  if (const engine::Engine* engine = serving_->engine()) engine->ListCounters(text);
  if (const query::QueryEngine* query = serving_->query()) query->ListCounters(text);
  return {.content_type = std::string(observe::PrometheusText::kContentType), .body = text.Render()};
}

}  // namespace longbow
