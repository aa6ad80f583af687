// What an operator can set, and where it comes from: flags before environment before file before defaults.
//
// One table (SettingTable) drives all three sources, --help and the table in docs/operations.md. Adding a
// setting is a member of Settings and a row of the table.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "longbow/base/status.h"
#include "setting_values.h"

namespace longbow {

using Nanoseconds = std::chrono::nanoseconds;

// Each member is described, and gets its default, in SettingTable. Sizes in bytes.
struct Settings {
  Address listen_addr, meta_addr, metrics_addr;
  std::string data_path;
  std::string auth, token_file;
  std::string tls_cert, tls_key, tls_client_ca;
  bool insecure = false;
  std::string log_level, log_format;
  Nanoseconds drain_time{};

  int64_t max_memory = 0, memory_soft_percent = 0;
  int64_t applier_threads = 0, searcher_threads = 0, builder_threads = 0, io_threads = 0;

  int64_t grpc_max_recv_msg_size = 0, grpc_max_send_msg_size = 0, grpc_memory_quota = 0;
  int64_t grpc_initial_window_size = 0, grpc_max_concurrent_streams = 0, grpc_max_calls = 0;
  int64_t rate_limit_rps = 0, rate_limit_burst = 0;
  Nanoseconds grpc_keepalive_time{}, grpc_keepalive_timeout{}, grpc_keepalive_min_time{};
  bool grpc_keepalive_permit_without_stream = false;
  Nanoseconds stalled_transfer_time{};
  int64_t put_window_size = 0;

  std::string log_io, log_compression;
  int64_t storage_log_segment_size = 0, storage_log_max_pending = 0;
  int64_t max_wal_size = 0;
  Nanoseconds snapshot_interval{};
  int64_t max_dimension = 0, max_columns = 0, max_row_size = 0;
  int64_t max_k = 0, max_ef = 0, max_queries = 0, max_result_rows = 0;
  Nanoseconds max_search_time{};
  int64_t scan_batch_rows = 0, scan_batch_size = 0;
  int64_t query_cache_size = 0, filter_cache_size = 0, recall_samples = 0;
};

enum class SettingKind : uint8_t { kString, kBool, kBytes, kInteger, kDuration, kAddress };

// Where a value goes. The kind follows from the type, but for numbers, which are bytes or plain.
using SettingField = std::variant<std::string Settings::*, bool Settings::*, int64_t Settings::*,
                                  Nanoseconds Settings::*, Address Settings::*>;

// The flag is --name with dashes, the file key the name, the environment variable LONGBOW_NAME.
struct SettingRow {
  std::string_view name;
  SettingKind kind;
  std::string_view default_text;
  std::string_view help;
  SettingField field;
  // Of numbers, in their unit; of durations, in nanoseconds.
  int64_t least = 0, most = std::numeric_limits<int64_t>::max();
  std::string_view words = {};  // of strings: the allowed ones, separated by '|'; empty: any
};
std::span<const SettingRow> SettingTable();

// A name that other servers of this protocol know. It is accepted, its value is not looked at, and the start
// says so.
struct IgnoredSetting {
  std::string_view name;
  std::string_view why;
};
std::span<const IgnoredSetting> IgnoredSettings();

std::string FlagName(std::string_view setting);      // max_k -> --max-k
std::string VariableName(std::string_view setting);  // max_k -> LONGBOW_MAX_K

// Also read from the environment without LONGBOW_, as deployments of old do it (GOGC, STORAGE_...).
bool HasUnprefixedName(std::string_view name);

enum class StartRequest : uint8_t {
  kRun,
  kHelp,
  kHelpSettings,
  kVersion,
  kVerify,
  kRepair,
  kExport,
  kImport
};

// A setting that was given and is in IgnoredSettings.
struct WithoutEffect {
  std::string source;  // "flag --ttl", "environment variable LONGBOW_TTL", ...
  std::string_view why;
};

struct StartCommand {
  StartRequest request = StartRequest::kRun;
  Settings settings;
  std::string ports_file;  // --ports-file; empty: none
  std::string place;       // of --export or --import
  std::vector<WithoutEffect> without_effect;
};

// The value of an environment variable, null when it is not set.
using EnvironmentLookup = std::function<const char*(const std::string& name)>;

// `arguments` without the program's name. InvalidArgument names the source (flag, file and line, variable),
// the setting, what was expected and what was given; an unknown flag or file key also the nearest one that
// exists. Variables that are unknown or empty are passed over. InvalidArgument, too, for values that
// contradict each other.
Result<StartCommand> ReadSettings(const std::vector<std::string>& arguments,
                                  const EnvironmentLookup& environment);

// FailedPrecondition when other machines could reach a port in the clear and nobody said that they may.
Status CheckReach(const Settings& settings);

// For --help, and for docs/operations.md (Markdown).
std::string SettingsHelp();
std::string SettingsMarkdown();

}  // namespace longbow
