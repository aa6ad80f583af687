// A running server: the engine, the ports in front of it, and what they stand on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "longbow/base/environment.h"
#include "longbow/base/filesystem.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/base/slab_arena.h"
#include "longbow/base/status.h"
#include "longbow/base/watchdog.h"
#include "longbow/engine/engine.h"
#include "longbow/observe/http_server.h"
#include "longbow/observe/line_log.h"
#include "longbow/query/search.h"
#include "longbow/server/flight_server.h"
#include "longbow/server/serving.h"
#include "settings.h"

namespace longbow {

struct NodePorts {
  int data = 0, meta = 0, http = 0;
};

// What recovery found, for people.
struct RecoveryOutcome {
  storage::RecoveryReport log;
  int64_t datasets = 0, rows = 0;
  double seconds = 0;
};
using Recovered = std::function<void(Result<RecoveryOutcome>)>;

// Made and stopped by one thread.
class Node {
 public:
  // Takes the data directory, finds or makes the token, and opens the ports: every call is answered from here
  // on. FailedPrecondition names the process that has the directory; nothing in it was touched then.
  // `log` outlives the node.
  static Result<std::unique_ptr<Node>> Start(const Settings& settings, observe::LineLog* log);
  ~Node();

  // Starts recovery on a thread of its own; `recovered` is called from there when it is over. Once.
  void Recover(Recovered recovered);
  bool recovering() const { return recovering_; }

  // Refuses new calls, lets running ones end within the drain time, cancels the rest, writes what was taken.
  // Not while recovering: that cannot be interrupted, and needs no end.
  void Stop();

  NodePorts ports() const;
  int64_t memory_limit() const { return ledger_.hard_limit(); }
  const std::string& token_file() const { return token_file_; }  // empty: every client is admitted

 private:
  Node(const Settings& settings, int64_t memory_limit, observe::LineLog* log);
  Status TakeDirectory();
  Status OpenPorts();
  Result<RecoveryOutcome> OpenEngine();
  observe::HttpReply Metrics() const;
  observe::HttpReply Ready() const;
  void StartWatchdog();

  const Settings settings_;
  observe::LineLog* const log_;
  MemoryLedger ledger_;
  SlabArena arena_;
  std::unique_ptr<FileSystem> files_;
  std::shared_ptr<FileLock> lock_;
  std::string token_, token_file_;
  std::unique_ptr<Executor> appliers_, searchers_, builders_;
  engine::RecoveryProgress progress_;
  std::atomic<bool> recovering_{false}, stopping_{false};
  std::unique_ptr<server::Serving> serving_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<query::QueryEngine> query_;
  std::unique_ptr<server::FlightServer> flight_;
  std::unique_ptr<Watchdog> watchdog_;
  std::unique_ptr<observe::HttpServer> http_;
  std::thread recovery_;
};

}  // namespace longbow
