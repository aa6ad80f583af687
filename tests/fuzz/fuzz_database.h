// An engine and its readers without a network, on a simulated machine: a disk in memory and one thread, so
// that an input is the same work each time and no execution waits for another thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "longbow/engine/engine.h"
#include "longbow/query/search.h"
#include "simulation/simulated_world.h"

namespace longbow::fuzz {

// Confined. Aborts when it cannot be made: then there is nothing to fuzz.
class FuzzDatabase {
 public:
  FuzzDatabase();

  engine::Engine& engine() { return *engine_; }
  query::QueryEngine& query() { return *query_; }

  // The calls, waited for.
  Status WhenReady(engine::DatasetWriter& writer);
  Result<engine::WriteAck> Write(engine::DatasetWriter& writer, engine::IncomingBatch batch,
                                 const engine::IpcMessage& message, engine::RetryKey retry = {});
  Status Drop(const std::string& dataset);
  // Nothing is in the dataset that was not acknowledged; what is there is sound, and scanned once.
  void CheckStored(const std::string& dataset, int64_t acknowledged);
  // A dataset "d" of 64 rows: int64 id, float32 vector of 8, utf8 text, float64 x, bool flag, timestamp at;
  // and "t", the same without the vector.
  void MakeRows();

 private:
  void Put(const std::string& dataset, const arrow::RecordBatch& rows);
  template <typename T>
  T Wait(const std::optional<T>& outcome);

  simulation::SimulatedWorld world_{7};
  MemoryLedger ledger_{0, int64_t{1} << 30};
  SlabArena arena_{&ledger_};
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<query::QueryEngine> query_;
};

// Says what must not be and aborts, so that the fuzzer keeps the input.
void Require(bool holds, const char* what);

}  // namespace longbow::fuzz
