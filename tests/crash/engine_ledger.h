// A workload for the whole engine, and the truth about it, kept outside the engine.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "longbow/engine/engine.h"
#include "simulation/simulated_world.h"

namespace longbow::crash {

// One log record's worth of change. Content follows from the seed and the position in the history.
struct Change {
  enum class Kind : uint8_t { kCreate, kEvolve, kPut, kDelete, kDrop, kCreateNamespace, kDropNamespace };
  Kind kind = Kind::kPut;
  std::string target;             // dataset or namespace
  std::vector<std::string> keys;  // of a put (empty strings where the dataset draws them) or a delete
  int columns = 0;                // extra columns the batch has, or the dataset gets
  bool acknowledged = false;
};

// What a client is entitled to see after some prefix of the changes.
class Model {
 public:
  explicit Model(uint64_t seed) : seed_(seed) {}
  void Apply(size_t position, const Change& change);
  void ForgetMemoryDatasets();  // as a restart does
  // Everything visible, one line a row, sorted.
  std::vector<std::string> Describe() const;
  bool Has(const std::string& dataset) const { return datasets_.contains(dataset); }
  bool HasNamespace(const std::string& name) const { return namespaces_.contains(name); }
  int columns(const std::string& dataset) const { return datasets_.at(dataset).columns; }
  std::vector<std::string> KeysOf(const std::string& dataset) const;

 private:
  struct Dataset {
    int columns = 0;
    uint64_t next_hidden = 0;
    std::map<std::string, std::string> rows;  // by key
  };
  const uint64_t seed_;
  std::map<std::string, Dataset> datasets_;
  std::set<std::string> namespaces_{"default"};
};

// Everything visible in the engine, in the same words. Also has every row with a vector searched for.
Result<std::vector<std::string>> DescribeEngine(const engine::Engine& engine);

// An engine in a simulated world, with the memory it needs.
class EngineInWorld {
 public:
  static Result<std::unique_ptr<EngineInWorld>> Open(const Environment& environment);
  engine::Engine& operator*() { return *engine_; }
  engine::Engine* operator->() { return engine_.get(); }

 private:
  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  std::unique_ptr<engine::Engine> engine_;
};

// What a ledger does to an engine.
struct Workload {
  int steps = 40;
  bool snapshots = false;  // taken now and then while changes are under way
};

// Issues changes and remembers what became of them. Confined.
class EngineLedger {
 public:
  EngineLedger(uint64_t seed, Workload workload)
      : seed_(seed), workload_(workload), issued_(seed), random_(MakeSeededRandom(seed)) {}

  // Opens the engine and runs the steps, some at the same time, until the power goes.
  void RunWorkload(simulation::SimulatedWorld* world);

  // After a restart: what is there must be what some prefix of the changes left that holds everything
  // acknowledged as durable. Then sends again what is unknown, with the same retry keys, issues what was
  // lost, and expects the whole. Returns what is wrong, or "".
  std::string CheckAndFinish(simulation::SimulatedWorld* world);
  // After the end of an engine that took a snapshot: takes the log away. What manifest and blocks hold must
  // be what some prefix of the changes left. Returns what is wrong, or "".
  std::string CheckWithoutLog(simulation::SimulatedWorld* world) const;

  // Puts rows with these keys, creating or evolving the dataset; does not wait. False when the engine refused
  // at once.
  bool IssuePut(engine::Engine& engine, const std::string& dataset, std::vector<std::string> keys,
                int columns);
  // Waits until every put is answered; false when the power is gone.
  bool Settled(simulation::SimulatedWorld* world);
  int64_t acknowledged() const;                      // puts, and what was issued alone
  int64_t snapshots() const { return *snapshots_; }  // that succeeded

 private:
  // These return false when the engine refused: there is no log to write to any more.
  bool SendPut(engine::Engine& engine, size_t position, std::function<void(Result<engine::WriteAck>)> done);
  bool Step(EngineInWorld& engine, simulation::SimulatedWorld* world);
  bool IssueAlone(EngineInWorld& engine, simulation::SimulatedWorld* world, Change change);
  Status Reissue(engine::Engine& engine, simulation::SimulatedWorld* world, size_t position);
  void Record(Change change);
  std::vector<std::string> PickKeys(const std::string& dataset);
  size_t FirstUnknown() const;
  // How many changes, `least` or more, leave what is `actual`; more than there are when no number does.
  // `difference`: from what the least leave.
  size_t PrefixThatExplains(const std::vector<std::string>& actual, size_t least,
                            std::string* difference) const;
  std::string LastChanges() const;
  bool DroppedLater(size_t position, size_t end) const;

  void TakeSnapshot(EngineInWorld& engine);

  const uint64_t seed_;
  const Workload workload_;
  std::vector<Change> history_;
  Model issued_;  // after all of history_
  std::shared_ptr<int> outstanding_ = std::make_shared<int>(0);
  std::shared_ptr<int64_t> snapshots_ = std::make_shared<int64_t>(0);
  std::unique_ptr<Random> random_;
};

}  // namespace longbow::crash
