// An engine and its readers without a network, on a directory in memory where there is one.
#pragma once

#include <memory>
#include <string>

#include "longbow/engine/engine.h"
#include "longbow/query/search.h"

namespace longbow::fuzz {

// Confined. Aborts when it cannot be made: then there is nothing to fuzz.
class FuzzDatabase {
 public:
  FuzzDatabase();
  ~FuzzDatabase();

  engine::Engine& engine() { return *engine_; }
  query::QueryEngine& query() { return *query_; }

  // The calls, waited for.
  Status WhenReady(engine::DatasetWriter& writer);
  Result<engine::WriteAck> Write(engine::DatasetWriter& writer, engine::IncomingBatch batch,
                                 const engine::IpcMessage& message, engine::RetryKey retry = {});
  Status Drop(const std::string& dataset);
  // A dataset "d" of 64 rows: int64 id, float32 vector of 8, utf8 text, float64 x, bool flag, timestamp at.
  void MakeRows();

 private:
  std::string root_;
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Executor> appliers_, searchers_, builders_;
  MemoryLedger ledger_{0, int64_t{1} << 30};
  SlabArena arena_{&ledger_};
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<query::QueryEngine> query_;
};

// Says what must not be and aborts, so that the fuzzer keeps the input.
void Require(bool holds, const char* what);

}  // namespace longbow::fuzz
