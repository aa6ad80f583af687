#include "crash/log_ledger.h"

#include <algorithm>
#include <map>
#include <utility>

#include "longbow/base/random.h"
#include "longbow/storage/log_format.h"

namespace longbow::crash {

using storage::CommitLog;
using storage::Durability;
using storage::LogPosition;
using storage::LogRecord;

struct LogLedger::Session {
  std::map<ShardId, uint64_t> last_index;  // answered
  bool failed = false;
};

LogLedger::LogLedger() : state_(std::make_shared<State>()) {}

bool LogLedger::Append(CommitLog* log, ShardId shard, Durability durability, std::string payload) {
  if (session_of_ != log) {
    session_ = std::make_shared<Session>();
    session_of_ = log;
  }
  auto record = std::make_shared<LedgerRecord>();
  record->durability = durability;
  record->payload = payload;
  auto done = [record, state = state_, session = session_](const LogPosition& position, Status status) {
    state->unanswered -= 1;
    if (position.index <= session->last_index[position.shard])
      state->trouble = "answers of a shard out of order";
    session->last_index[position.shard] = position.index;
    if (record->durability == Durability::kFsync) {
      if (!status.ok()) session->failed = true;
      if (status.ok() && session->failed) state->trouble = "acknowledged after a failure";
    }
    if (!status.ok()) return;
    record->acknowledged = true;
    state->acknowledged += 1;
  };
  auto position = log->Append({.shard = shard,
                               .kind = 4,
                               .schema_version = 5,
                               .durability = durability,
                               .async_window = kSmallWindow,
                               .try_compression = true,
                               .payload = BufferChain::FromString(std::move(payload))},
                              std::move(done));
  if (!position.ok()) {
    last_refusal_ = position.status();
    return false;
  }
  state_->unanswered += 1;
  record->position = *position;
  if (durability != Durability::kMemory) state_->written.push_back(std::move(record));
  return true;
}

std::string LogLedger::CheckRecovery(const std::vector<LogRecord>& found) {
  const std::string wrong = Compare(found);
  if (!wrong.empty()) state_->trouble = wrong;
  return state_->trouble;
}

std::string LogLedger::Compare(const std::vector<LogRecord>& found) {
  session_of_ = nullptr;
  auto& written = state_->written;
  const auto name = [](const LogPosition& position) {
    return "sequence " + std::to_string(position.sequence);
  };
  // Where what was found begins; before it only released records may stand.
  size_t at = 0;
  if (!found.empty()) {
    while (at < written.size() && written[at]->position.sequence < found.front().position.sequence) ++at;
  } else {
    while (at < written.size() && written[at]->position.sequence <= released_) ++at;
  }
  for (size_t i = 0; i < at; ++i) {
    if (written[i]->position.sequence > released_)
      return "lost from the front: " + name(written[i]->position);
  }
  written.erase(written.begin(), written.begin() + static_cast<int64_t>(at));
  for (size_t i = 0; i < found.size(); ++i) {
    const LogRecord& record = found[i];
    if (i == written.size()) return "phantom: " + name(record.position);
    const LedgerRecord& expected = *written[i];
    if (record.position.sequence != expected.position.sequence) {
      return "hole or phantom: found " + name(record.position) + ", expected " + name(expected.position);
    }
    const bool same = record.position.shard == expected.position.shard &&
                      record.position.index == expected.position.index && record.kind == 4 &&
                      record.schema_version == 5 && (*record.payload.Join())->ToString() == expected.payload;
    if (!same) return "changed: " + name(record.position);
  }
  uint64_t lost_async_bytes = 0;
  for (size_t i = found.size(); i < written.size(); ++i) {
    if (!written[i]->acknowledged) continue;
    if (written[i]->durability == Durability::kFsync) {
      return "lost although acknowledged: " + name(written[i]->position);
    }
    lost_async_bytes += storage::RecordBytes(written[i]->payload.size());
  }
  if (lost_async_bytes > kSmallWindow.bytes) {
    return "lost " + std::to_string(lost_async_bytes) +
           " acknowledged bytes of durability async, more than the window";
  }
  written.resize(found.size());
  return "";
}

Sequence LogLedger::last_acknowledged() const {
  Sequence last = 0;
  for (const auto& record : state_->written) {
    if (record->acknowledged) last = record->position.sequence;
  }
  return last;
}

storage::CommitLogOptions SmallSegments() {
  storage::CommitLogOptions options;
  options.segment_bytes = 16 << 10;
  options.max_flush_bytes = 8 << 10;
  options.spare_segments = 2;
  options.compression = storage::LogCompression::kLz4;
  return options;
}

Result<std::unique_ptr<CommitLog>> RecoverLog(const Environment& environment, LogLedger* ledger,
                                              storage::RecoveryReport* report) {
  LB_ASSIGN_OR_RETURN(auto log, OpenCommitLog(environment, nullptr, SmallSegments()));
  std::vector<LogRecord> found;
  LB_ASSIGN_OR_RETURN(const storage::RecoveryReport opened, log->Replay([&](const LogRecord& record) {
    found.push_back(record);
    return Status::OK();
  }));
  if (report != nullptr) *report = opened;
  const std::string wrong = ledger->CheckRecovery(found);
  if (!wrong.empty()) return Error(ErrorCode::kInternal, "ledger: ", wrong);
  return log;
}

std::string SomeBytes(size_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(seed >> 56);
  }
  return bytes;
}

std::string SparseBytes(size_t size, uint64_t seed) {
  std::string bytes = SomeBytes(size, seed);
  for (size_t i = 0; i < size; ++i) bytes[i] = i % 4 == 0 ? bytes[i] : '\0';
  return bytes;
}

Status RunLogWorkload(uint64_t seed, int steps, simulation::SimulatedWorld* world, LogLedger* ledger) {
  const auto random = MakeSeededRandom(seed);
  const auto below = [&](uint64_t n) { return random->Next() % n; };
  LB_ASSIGN_OR_RETURN(std::unique_ptr<CommitLog> log, RecoverLog(world->environment(), ledger));
  for (int step = 0; step < steps; ++step) {
    const uint64_t choice = below(40);
    if (choice == 0) {
      log.reset();
      LB_ASSIGN_OR_RETURN(log, RecoverLog(world->environment(), ledger));
    } else if (choice <= 2) {
      const Sequence through = ledger->last_acknowledged() / 2;
      ledger->Release(through);
      LB_RETURN_NOT_OK(log->ReleaseThrough(through));
    } else if (choice == 3) {
      world->schedule().RunFor(200'000'000);
    } else if (choice <= 8) {
      const int64_t wanted = std::max<int64_t>(0, ledger->unanswered() - 2);
      world->RunUntil([&] { return ledger->unanswered() <= wanted; });
    } else {
      const ShardId shard = 1 + below(4);  // a shard has one durability
      const Durability durability =
          shard == 3 ? Durability::kAsync : (shard == 4 ? Durability::kMemory : Durability::kFsync);
      const size_t size = below(30) == 0 ? 20000 : (below(4) == 0 ? below(6000) : below(300));
      auto bytes = below(2) == 0 ? SparseBytes(size, random->Next()) : SomeBytes(size, random->Next());
      if (!ledger->Append(log.get(), shard, durability, std::move(bytes))) {
        return ledger->last_refusal();
      }
    }
  }
  world->RunUntilIdle();
  return Status::OK();
}

}  // namespace longbow::crash
