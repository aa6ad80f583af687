#include "settings.h"

#include <algorithm>
#include <cctype>
#include <tuple>

namespace longbow {
namespace {

using Kind = SettingKind;
using S = Settings;

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kGiB = int64_t{1} << 30;
constexpr int64_t kTiB = int64_t{1} << 40;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kDay = 86400 * kSecond;

constexpr SettingRow kTable[] = {
    // Where it listens and who may call.
    {"listen_addr", Kind::kAddress, "127.0.0.1:3000", "Flight data port. Port 0 takes any free one.",
     &S::listen_addr},
    {"meta_addr", Kind::kAddress, "127.0.0.1:3001",
     "Flight meta port. Serves the same calls as the data port.", &S::meta_addr},
    {"metrics_addr", Kind::kAddress, "127.0.0.1:9090",
     "HTTP: /metrics, /health, /ready. When the port is busy the next four are tried.", &S::metrics_addr},
    {"auth", Kind::kString, "token",
     "Who may call: token asks for the bearer token of token_file, none admits every client.", &S::auth, 0, 0,
     "token|none"},
    {"token_file", Kind::kString, "",
     "File of the bearer token, made at the first start. Empty: `token` in data_path.", &S::token_file},
    {"tls_cert", Kind::kString, "",
     "PEM file of the certificate that the Flight ports show, with its chain. Empty: no TLS.", &S::tls_cert},
    {"tls_key", Kind::kString, "", "PEM file of the certificate's private key.", &S::tls_key},
    {"tls_client_ca", Kind::kString, "",
     "PEM file of the authorities whose certificates clients must show. Empty: clients need none.",
     &S::tls_client_ca},
    {"insecure", Kind::kBool, "false",
     "Allow addresses that other machines reach, although calls and the token travel in the clear.",
     &S::insecure},

    // The process.
    {"data_path", Kind::kString, "./data", "Directory of everything that is kept. One server at a time.",
     &S::data_path},
    {"log_level", Kind::kString, "info", "Least level that is logged to stderr.", &S::log_level, 0, 0,
     "debug|info|warn|error"},
    {"log_format", Kind::kString, "json", "How log lines are written.", &S::log_format, 0, 0, "json|console"},
    {"drain_time", Kind::kDuration, "8s",
     "After SIGTERM, how long calls under way may still take. The process ends at most 2 s later.",
     &S::drain_time, 0, 3600 * kSecond},

    // Memory and threads.
    {"max_memory", Kind::kBytes, "0",
     "Hard memory limit: beyond it, what needs memory is refused. 0: 80 % of the RAM or of the cgroup's "
     "limit.",
     &S::max_memory, 0, 1024 * kTiB},
    {"memory_soft_percent", Kind::kInteger, "80", "Share of max_memory from which on ingest is slowed.",
     &S::memory_soft_percent, 1, 100},
    {"applier_threads", Kind::kInteger, "0", "Threads that apply writes. 0: one a core.", &S::applier_threads,
     0, 1024},
    {"searcher_threads", Kind::kInteger, "0",
     "Threads for searches too long for a call's own. 0: one a core.", &S::searcher_threads, 0, 1024},
    {"builder_threads", Kind::kInteger, "0", "Threads that build indexes and compact. 0: one a core.",
     &S::builder_threads, 0, 1024},
    {"io_threads", Kind::kInteger, "4", "Threads that write and read files.", &S::io_threads, 1, 1024},

    // Flight.
    {"grpc_max_recv_msg_size", Kind::kBytes, "512MiB", "Largest message taken.", &S::grpc_max_recv_msg_size,
     65536, 2 * kGiB - 1},
    {"grpc_max_send_msg_size", Kind::kBytes, "512MiB", "Largest message sent.", &S::grpc_max_send_msg_size,
     65536, 2 * kGiB - 1},
    {"grpc_memory_quota", Kind::kBytes, "0",
     "Memory for messages under way. 0: four times grpc_max_recv_msg_size; at least 1.25 times it.",
     &S::grpc_memory_quota, 0, kTiB},
    {"grpc_initial_window_size", Kind::kBytes, "1MiB", "HTTP/2 flow control window of a stream at its start.",
     &S::grpc_initial_window_size, 65535, 2 * kGiB - 1},
    {"grpc_max_concurrent_streams", Kind::kInteger, "256", "Streams open at once on a connection.",
     &S::grpc_max_concurrent_streams, 1, 1'000'000},
    {"grpc_max_calls", Kind::kInteger, "4096", "Calls under way at once, of all connections.",
     &S::grpc_max_calls, 1, 1'000'000},
    {"rate_limit_rps", Kind::kInteger, "0",
     "Calls that may begin in a second; faster ones wait for their turn. 0: any number.", &S::rate_limit_rps,
     0, 1'000'000'000},
    {"rate_limit_burst", Kind::kInteger, "0",
     "Calls that may begin at once after a quiet time. 0: as many as rate_limit_rps.", &S::rate_limit_burst,
     0, 1'000'000},
    {"grpc_keepalive_time", Kind::kDuration, "2h", "Idle time after which a client is pinged.",
     &S::grpc_keepalive_time, kSecond, 365 * kDay / 10},
    {"grpc_keepalive_timeout", Kind::kDuration, "20s", "How long a ping may stay unanswered.",
     &S::grpc_keepalive_timeout, kSecond / 10, kDay},
    {"grpc_keepalive_min_time", Kind::kDuration, "5m", "A client that pings more often is disconnected.",
     &S::grpc_keepalive_min_time, 0, kDay},
    {"grpc_keepalive_permit_without_stream", Kind::kBool, "false",
     "Whether pings are welcome without a call.", &S::grpc_keepalive_permit_without_stream},
    {"stalled_transfer_time", Kind::kDuration, "30s",
     "A client that takes nothing of an answer under way for this long is cut off.",
     &S::stalled_transfer_time, kSecond / 10, kDay},
    {"put_window_size", Kind::kBytes, "32MiB", "Written and not yet acknowledged on one DoPut stream.",
     &S::put_window_size, 65536, kTiB},

    // Storage.
    {"log_io", Kind::kString, "auto",
     "What writes and reads files: the kernel's io_uring, io_threads, or the first where the kernel has it.",
     &S::log_io, 0, 0, "auto|uring|threads"},
    {"storage_log_segment_size", Kind::kBytes, "64MiB", "Size of a segment file of the log.",
     &S::storage_log_segment_size, 65536, 4 * kGiB},
    {"storage_log_max_pending", Kind::kBytes, "256MiB",
     "Writes waiting for the disk beyond which more are refused.", &S::storage_log_max_pending, kMiB, kTiB},
    {"log_compression", Kind::kString, "auto",
     "Of what is put, in the log: auto compresses vectors of more than 1,024 dimensions (LZ4) where a sample "
     "becomes less than half.",
     &S::log_compression, 0, 0, "auto|none|lz4|zstd"},
    {"max_wal_size", Kind::kBytes, "1GiB",
     "A snapshot is taken once this much was logged since the last one, and the log behind it is cut; while "
     "puts arrive it waits, until twice as much was. 0: not for that reason.",
     &S::max_wal_size, 0, kTiB},
    {"snapshot_interval", Kind::kDuration, "1h",
     "A snapshot is taken at least this often when something was written. 0: not for that reason.",
     &S::snapshot_interval, 0, 365 * kDay / 10},

    // What a request may ask.
    {"max_dimension", Kind::kInteger, "4096", "Largest vector dimension of a new column.", &S::max_dimension,
     1, 32768},
    {"max_columns", Kind::kInteger, "1024", "Most columns of a dataset.", &S::max_columns, 1, 100'000},
    {"max_row_size", Kind::kBytes, "1MiB", "Largest payload of a row.", &S::max_row_size, 1024, kGiB},
    {"max_k", Kind::kInteger, "10000", "Largest k of a search.", &S::max_k, 1, 1'000'000},
    {"max_ef", Kind::kInteger, "4096", "Largest ef of a search.", &S::max_ef, 1, 1'000'000},
    {"max_queries", Kind::kInteger, "1024", "Most queries in one batch.", &S::max_queries, 1, 1'000'000},
    {"max_result_rows", Kind::kInteger, "1048576", "Most hits of one batch of queries.", &S::max_result_rows,
     1, int64_t{1} << 31},
    {"max_search_time", Kind::kDuration, "60s", "Longest deadline of a search, and its default.",
     &S::max_search_time, kSecond / 1000, kDay},
    {"scan_batch_rows", Kind::kInteger, "65536", "Most rows in a record batch of a scan.",
     &S::scan_batch_rows, 1, int64_t{1} << 24},
    {"scan_batch_size", Kind::kBytes, "2MiB", "Largest record batch of a scan; Go clients take up to 4 MiB.",
     &S::scan_batch_size, 4096, kGiB},
    {"query_cache_size", Kind::kBytes, "64MiB", "Whole answers kept for who asks again; 0: none.",
     &S::query_cache_size, 0, kTiB},
    {"filter_cache_size", Kind::kBytes, "64MiB", "Bitmaps of filters kept for the next search; 0: none.",
     &S::filter_cache_size, 0, kTiB},
    {"recall_samples", Kind::kInteger, "1000",
     "Of a million approximate searches, how many are repeated exactly in idle time to tell the recall.",
     &S::recall_samples, 0, 1'000'000},
};

constexpr std::string_view kNoCluster = "one node, no cluster";
constexpr std::string_view kNoTtl = "rows do not expire";
constexpr std::string_view kLogIsSafe = "durability is a property of each dataset";
constexpr std::string_view kNoEviction = "nothing is evicted: the memory limit slows and then refuses writes";
constexpr std::string_view kPerRequest = "asked for by each search";
constexpr std::string_view kNoGpu = "no GPU is used";
constexpr std::string_view kGoRuntime = "of the Go runtime";
constexpr std::string_view kPerColumn =
    "each vector column has an index and a codec of its own, in its metadata (longbow.index, longbow.codec)";
constexpr std::string_view kSameGraphs =
    "graphs are built alike, by their dimensions; a search says recall or ef";
constexpr std::string_view kNoSharding = "datasets are not split";
constexpr std::string_view kBackground = "compaction needs no settings";
constexpr std::string_view kLocalFiles = "data is kept in data_path";
constexpr std::string_view kCopied = "data is kept in data_path; --export copies snapshots to S3";
constexpr std::string_view kUnknown = "never had an effect";

constexpr IgnoredSetting kIgnored[] = {
    {"node_id", "a node's identity lives in its data directory"},
    {"ttl", kNoTtl},
    {"snapshot_path", "snapshots are part of data_path; --export copies them elsewhere"},
    {"wal_compression", "log_compression takes its place"},
    {"grpc_initial_conn_window_size", "follows the windows of the streams"},
    {"gossip_enabled", kNoCluster},
    {"gossip_port", kNoCluster},
    {"gossip_interval", kNoCluster},
    {"gossip_advertise_addr", kNoCluster},
    {"gossip_discovery_provider", kNoCluster},
    {"gossip_static_peers", kNoCluster},
    {"gossip_dns_record", kNoCluster},
    {"gossip_batch_size", kNoCluster},
    {"storage_async_fsync", kLogIsSafe},
    {"storage_doput_batch_size", "a flush takes every batch that waits"},
    {"storage_use_iouring", "the way to the disk is not a setting"},
    {"storage_use_direct_io", "the way to the disk is not a setting"},
    {"storage_backend", kLocalFiles},
    {"s3_enabled", kCopied},
    {"s3_bucket", kCopied},
    {"s3_prefix", kCopied},
    {"s3_region", kCopied},
    {"s3_endpoint", kCopied},
    {"s3_use_path_style", kCopied},
    {"use_disk", kLocalFiles},
    {"memory_eviction_headroom", kNoEviction},
    {"memory_eviction_policy", kNoEviction},
    {"memory_reject_writes", kNoEviction},
    {"memory_limit", "the limit is max_memory"},
    {"hybrid_search_enabled", kPerRequest},
    {"hybrid_search_text_columns", kPerRequest},
    {"hybrid_search_alpha", kPerRequest},
    {"gpu_enabled", kNoGpu},
    {"gpu_device_id", kNoGpu},
    {"gc_ballast_g", kGoRuntime},
    {"gogc", kGoRuntime},
    {"hnsw_m", kSameGraphs},
    {"hnsw_ef_construction", kSameGraphs},
    {"hnsw_sq8_enabled", kPerColumn},
    {"hnsw_alpha", kSameGraphs},
    {"hnsw_keep_pruned", kSameGraphs},
    {"hnsw_float16_enabled", kPerColumn},
    {"hnsw_refinement_factor", kSameGraphs},
    {"hnsw_pq_enabled", kPerColumn},
    {"hnsw_ef_search", kPerRequest},
    {"use_hnsw2", kPerColumn},
    {"index_workers", "the threads are builder_threads"},
    {"index_queue_size", "the backlog is bounded by memory"},
    {"ingestion_worker_count", "the threads are applier_threads"},
    {"compaction_enabled", kBackground},
    {"compaction_interval", kBackground},
    {"compaction_target_batch_size", kBackground},
    {"compaction_min_batches", kBackground},
    {"auto_sharding_enabled", kNoSharding},
    {"auto_sharding_threshold", kNoSharding},
    {"auto_sharding_split_threshold", kNoSharding},
    {"ring_sharding_enabled", kNoSharding},
    {"http_port", "the address is metrics_addr"},
    {"hot_reload", kUnknown},
    {"dev_mode", kUnknown},
    {"jit", kUnknown},
    {"debug", "the level is log_level"},
};

constexpr std::string_view kUnprefixedFamilies[] = {
    "rate_limit_", "hnsw_",    "memory_",     "gc_ballast_g", "gogc",           "gpu_",
    "gossip_",     "storage_", "compaction_", "ring_",        "auto_sharding_",
};

}  // namespace

std::span<const SettingRow> SettingTable() { return kTable; }
std::span<const IgnoredSetting> IgnoredSettings() { return kIgnored; }

std::string FlagName(std::string_view setting) {
  std::string flag = "--" + std::string(setting);
  std::replace(flag.begin() + 2, flag.end(), '_', '-');
  return flag;
}

std::string VariableName(std::string_view setting) {
  std::string variable = "LONGBOW_" + std::string(setting);
  for (char& c : variable) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return variable;
}

bool HasUnprefixedName(std::string_view name) {
  for (std::string_view family : kUnprefixedFamilies) {
    if (name.substr(0, family.size()) == family) return true;
  }
  return false;
}

Status CheckReach(const Settings& settings) {
  if (settings.tls_cert.empty() != settings.tls_key.empty() ||
      (settings.tls_cert.empty() && !settings.tls_client_ca.empty())) {
    return MakeError(ErrorCode::kInvalidArgument,
                     "tls_cert, tls_key and tls_client_ca: TLS needs tls_cert and tls_key, and without it "
                     "tls_client_ca means nothing.");
  }
  if (settings.insecure) return Status::OK();
  const bool safe =
      !settings.tls_cert.empty() && (settings.auth != "none" || !settings.tls_client_ca.empty());
  const std::tuple<std::string_view, const Address*, bool> addresses[] = {
      {"listen_addr", &settings.listen_addr, safe},
      {"meta_addr", &settings.meta_addr, safe},
      {"metrics_addr", &settings.metrics_addr, false},
  };
  for (const auto& [name, address, may_be_reached] : addresses) {
    if (address->loopback() || may_be_reached) continue;
    if (!settings.tls_cert.empty() && name != "metrics_addr") {
      return MakeError(ErrorCode::kFailedPrecondition,
                       std::string(name) + " " + address->ToString() +
                           " can be reached from other machines, and every client is admitted. Ask for the "
                           "token (auth = token) or for certificates (tls_client_ca), or say so with "
                           "--insecure (LONGBOW_INSECURE=true).");
    }
    return MakeError(ErrorCode::kFailedPrecondition,
                     std::string(name) + " " + address->ToString() +
                         " can be reached from other machines, and calls travel in the clear. Either listen "
                         "on this machine only (" +
                         std::string(name) + " = 127.0.0.1:" + std::to_string(address->port) +
                         (name == "metrics_addr" ? ")" : "), give tls_cert and tls_key") +
                         ", or, on a network you trust, say so with --insecure (LONGBOW_INSECURE=true).");
  }
  return Status::OK();
}

}  // namespace longbow
