// Remembers what a commit log was given and what it acknowledged, and holds it against what a recovery finds.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "longbow/storage/commit_log.h"
#include "simulation/simulated_world.h"

namespace longbow::crash {

struct LedgerRecord {
  storage::LogPosition position;
  storage::Durability durability;
  std::string payload;
  bool acknowledged = false;
};

// Confined. Survives the logs it watches.
class LogLedger {
 public:
  LogLedger();

  // Appends to `log` and writes it down. False when the log refused.
  bool Append(storage::CommitLog* log, ShardId shard, storage::Durability durability, std::string payload);
  // From here on records up to `sequence` need not be found.
  void Release(Sequence sequence) { released_ = std::max(released_, sequence); }
  // A log was opened on what survived and replayed `found`: nothing acknowledged may be missing, nothing may
  // be there that was not appended, and what is there is all that was written up to some point, in order.
  // What was not found is struck out. The answer says what is wrong, with "" for nothing.
  std::string CheckRecovery(const std::vector<storage::LogRecord>& found);

  int64_t acknowledged() const { return state_->acknowledged; }
  int64_t unanswered() const { return state_->unanswered; }
  const std::string& trouble() const { return state_->trouble; }  // ever found; "" for none
  const Status& last_refusal() const { return last_refusal_; }
  Sequence last_acknowledged() const;

 private:
  // Shared with completions that come after the crash.
  struct State {
    std::deque<std::shared_ptr<LedgerRecord>> written;  // that may be found, in log order
    int64_t acknowledged = 0;
    int64_t unanswered = 0;
    std::string trouble;
  };
  struct Session;  // of one log

  std::string Compare(const std::vector<storage::LogRecord>& found);

  std::shared_ptr<State> state_;
  std::shared_ptr<Session> session_;
  const storage::CommitLog* session_of_ = nullptr;
  Sequence released_ = 0;
  Status last_refusal_;
};

// Of what the ledger appends with durability async.
inline constexpr storage::AsyncWindow kSmallWindow{.bytes = 3000, .ns = 50'000'000};

// A log in a simulated world with small segments.
storage::CommitLogOptions SmallSegments();

// Opens the log and replays it into the ledger. An error of the log, or Internal when the ledger finds
// something wrong.
Result<std::unique_ptr<storage::CommitLog>> RecoverLog(const Environment& environment, LogLedger* ledger,
                                                       storage::RecoveryReport* report = nullptr);

// A workload that a seed decides: appends of several shards and durabilities, waiting now and then, releases,
// idle times, restarts. Ends early, and says why, when the log refuses or the power goes.
Status RunLogWorkload(uint64_t seed, int steps, simulation::SimulatedWorld* world, LogLedger* ledger);

std::string SomeBytes(size_t size, uint64_t seed);
// The same with three zeros behind each byte, as floats of small numbers have them.
std::string SparseBytes(size_t size, uint64_t seed);

}  // namespace longbow::crash
