// longbowd: reads its settings, starts a node, and stops it when told to.
//
// Exit status: 0 stopped as asked, 1 could not start, recover or stop, 2 wrong settings. With --verify or
// --repair: 0 sound, 1 damaged, 2 could not look.
#include <arrow/memory_pool.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "banner.h"
#include "directory_command.h"
#include "env_file.h"
#include "grpc_log.h"
#include "longbow/observe/line_log.h"
#include "node.h"
#include "settings.h"
#include "stop_signals.h"
#include "version.h"

namespace longbow {
namespace {

enum ExitStatus : int { kStopped = 0, kFailed = 1, kWrongSettings = 2 };

// Beyond the drain time: for cancelled calls to end and for the log to be closed.
constexpr std::chrono::milliseconds kStopMargin{1800};

// gRPC's read buffers come and go by the megabyte; without this each goes back to the kernel, which costs a
// third of the ingest rate (docs/decisions/malloc.md).
void TuneMalloc() {
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
  // Arrow's buffers: its jemalloc gives back what was freed, its mimalloc kept more and more of it under
  // churn.
  arrow::MemoryPool* jemalloc = nullptr;
  if (arrow::jemalloc_memory_pool(&jemalloc).ok()) (void)setenv("ARROW_DEFAULT_MEMORY_POOL", "jemalloc", 0);
}

void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

int Refuse(const Status& status, ExitStatus exit_status) {
  std::fprintf(stderr, "longbowd: %s\n", status.message().c_str());
  return exit_status;
}

observe::LineLog MakeLog(const Settings& settings) {
  using observe::LogLevel;
  LogLevel level = LogLevel::kInfo;
  if (settings.log_level == "debug") level = LogLevel::kDebug;
  if (settings.log_level == "warn") level = LogLevel::kWarn;
  if (settings.log_level == "error") level = LogLevel::kError;
  const auto format =
      settings.log_format == "json" ? observe::LogFormat::kJson : observe::LogFormat::kConsole;
  return observe::LineLog(STDERR_FILENO, level, format, SystemClock());
}

// Complete before it has its name, as others wait for it to appear.
Status WritePortsFile(const std::string& path, const NodePorts& ports) {
  const std::string draft = path + ".new";
  std::ofstream file(draft);
  file << PortsJson(ports);
  file.close();
  if (file.fail() || std::rename(draft.c_str(), path.c_str()) != 0) {
    return MakeError(ErrorCode::kInvalidArgument, "flag --ports-file: cannot write " + path);
  }
  return Status::OK();
}

// Ends the process when stopping takes too long or is asked for again. What was acknowledged is on disk
// already.
class StopClock {
 public:
  StopClock(std::chrono::milliseconds limit, observe::LineLog* log, StopSignals* signals)
      : signals_(signals), thread_([this, limit, log] { Watch(limit, log); }) {}
  ~StopClock() {
    stopped_ = true;
    signals_->Wake();
    thread_.join();
  }

 private:
  void Watch(std::chrono::milliseconds limit, observe::LineLog* log) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!stopped_) {
      const auto left = end - std::chrono::steady_clock::now();
      const StopEvent event = signals_->Wait(std::chrono::ceil<std::chrono::milliseconds>(left));
      if (event == StopEvent::kWoken) continue;  // stopped, or recovery failing just now
      if (event == StopEvent::kSignal) {
        log->Warn("second signal: ending at once");
        std::_Exit(kStopped);
      }
      log->Error("stopping took too long: ending");
      std::_Exit(kFailed);
    }
  }

  StopSignals* const signals_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

// Until told to stop, or until recovery failed.
int Serve(const StartCommand& command, Node* node, StopSignals* signals, observe::LineLog* log) {
  std::atomic<bool> recovery_failed{false};
  node->Recover([&](Result<RecoveryOutcome> outcome) {
    if (outcome.ok()) {
      Print(ReadyLines(*outcome));
      log->Info("ready", {{"rows", std::to_string(outcome->rows)}});
    } else {
      recovery_failed = true;
      Refuse(WithContext(outcome.status(), "recovery failed"), kFailed);
      signals->Wake();
    }
  });
  const StopEvent event = signals->Wait();
  const auto drain = std::chrono::ceil<std::chrono::milliseconds>(command.settings.drain_time);
  const StopClock clock(drain + kStopMargin, log, signals);
  if (event == StopEvent::kSignal) {
    log->Info("stopping", {{"drain_ms", std::to_string(drain.count())}});
    if (node->recovering()) {
      log->Info("stopped while recovering");
      std::_Exit(kStopped);  // replay only reads what it would read again
    }
  }
  node->Stop();
  log->Info("stopped");
  return recovery_failed ? kFailed : kStopped;
}

int Run(const StartCommand& command) {
  const Settings& settings = command.settings;
  const Status reach = CheckReach(settings);
  if (!reach.ok()) return Refuse(reach, kWrongSettings);
  observe::LineLog log = MakeLog(settings);
  const GrpcLog grpc_log(&log);
  for (const WithoutEffect& given : command.without_effect) {
    log.Warn("setting without effect", {{"source", given.source}, {"why", std::string(given.why)}});
  }
  auto signals = StopSignals::Make();
  if (!signals.ok()) return Refuse(signals.status(), kFailed);
  auto node = Node::Start(settings, &log);
  if (!node.ok()) return Refuse(node.status(), kFailed);
  Print(Banner(settings, **node));
  if (!command.ports_file.empty()) {
    const Status written = WritePortsFile(command.ports_file, (*node)->ports());
    if (!written.ok()) return Refuse(written, kWrongSettings);
  }
  return Serve(command, node->get(), signals->get(), &log);
}

int CheckAndTell(const Settings& settings, bool repair) {
  const auto verdict = CheckDirectory(settings, repair);
  return verdict.ok() ? static_cast<int>(*verdict) : Refuse(verdict.status(), kWrongSettings);
}

int Main(int argc, char** argv) {
  BlockStopSignals();
  TuneMalloc();
  RaiseFileLimit();
  umask(077);
  const std::map<std::string, std::string> file = ReadEnvFile(".env");
  const auto lookup = [&file](const std::string& name) -> const char* {
    if (const char* value = std::getenv(name.c_str())) return value;
    const auto found = file.find(name);
    return found == file.end() ? nullptr : found->second.c_str();
  };
  auto command = ReadSettings(std::vector<std::string>(argv + std::min(argc, 1), argv + argc), lookup);
  if (!command.ok()) return Refuse(command.status(), kWrongSettings);
  switch (command->request) {
    case StartRequest::kHelp:
      Print(SettingsHelp());
      return kStopped;
    case StartRequest::kHelpSettings:
      Print(SettingsMarkdown());
      return kStopped;
    case StartRequest::kVersion:
      Print("longbowd " + std::string(Version()) + " (Arrow " + ArrowVersion() + ", gRPC " + GrpcVersion() +
            ")\n");
      return kStopped;
    case StartRequest::kVerify:
    case StartRequest::kRepair:
      return CheckAndTell(command->settings, command->request == StartRequest::kRepair);
    case StartRequest::kExport:
    case StartRequest::kImport: {
      const bool exports = command->request == StartRequest::kExport;
      const Status copied = exports ? ExportDirectory(command->settings, command->place)
                                    : ImportDirectory(command->settings, command->place);
      return copied.ok() ? kStopped : Refuse(copied, kFailed);
    }
    case StartRequest::kRun:
      break;
  }
  return Run(*command);
}

}  // namespace
}  // namespace longbow

// Everything is closed by now but gRPC's own threads, which must not meet destructors of globals.
int main(int argc, char** argv) {
  const int status = longbow::Main(argc, argv);
  std::fflush(nullptr);
  std::_Exit(status);
}
