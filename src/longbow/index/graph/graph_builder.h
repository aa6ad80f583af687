// Who makes the graph: takes note of rows, and has builders link them.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "longbow/index/graph/graph.h"
#include "longbow/index/graph/graph_audit.h"
#include "longbow/index/graph/graph_linker.h"
#include "longbow/index/graph/graph_mender.h"
#include "longbow/index/graph/graph_sweeper.h"
#include "longbow/index/graph/recall_calibration.h"
#include "longbow/index/graph/row_chains.h"
#include "longbow/index/graph/row_codes.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {

struct LoadedGraph;

struct GraphOptions {
  uint32_t degree = 32;
  std::optional<uint32_t> bits;  // of a neighbour code, 0: none; when left out as codec and dimension ask for
  LinkOptions link;
};

// Thread-safe. The same rows appended in the same steps, waited for each time, by one thread of builders,
// give the same graph.
class GraphBuilder {
 public:
  // What a row of `scalars` comes to take here, once it is linked.
  static int64_t RowBytes(distance::Metric metric, size_t scalars, std::string_view codec,
                          GraphOptions options = {});

  GraphBuilder(const IndexInput& input, GraphOptions options);
  ~GraphBuilder();

  void RowsAppended(RowOrdinal first, RowOrdinal end);
  void Erase(std::span<const RowOrdinal> rows);
  void Forget(RowOrdinal first, RowOrdinal end);
  // Below, rows are linked and coded.
  RowOrdinal settled_end() const;
  RowOrdinal indexed_end() const { return indexed_end_.load(std::memory_order_acquire); }
  RowOrdinal appended_end() const { return appended_end_.load(std::memory_order_acquire); }
  void WhenIndexed(RowOrdinal end, std::function<void(Status)> done);

  // Null until the first row is linked.
  Graph* graph() const { return graph_.load(std::memory_order_acquire); }
  // Null until then, too.
  const RowCodes* codes() const { return codes_.load(std::memory_order_acquire); }
  const RowChains& chains() const { return chains_; }
  const RecallCalibration& calibration() const { return calibration_; }
  int64_t erased_rows() const { return erased_.load(std::memory_order_relaxed); }
  int64_t dead_nodes() const { return dead_count_.load(std::memory_order_relaxed); }
  int64_t unreachable_nodes() const {
    return unreachable_.load(std::memory_order_relaxed);
  }  // when last looked for
  // By CountInDegrees, when last looked for.
  int64_t in_degrees(size_t i) const { return in_degrees_[i].load(std::memory_order_relaxed); }
  int64_t walks_missed() const { return walks_missed_.load(std::memory_order_relaxed); }
  bool maintaining() const { return maintenance_.load() != Maintenance::kIdle; }
  int64_t sweeps() const { return sweeps_.load(std::memory_order_relaxed); }
  int64_t bytes() const;
  // For an audit. Settled when all is done that was asked for before, and nothing is asked for meanwhile.
  GraphAccount Account() const;

  Status Save(FileSystem* files, std::string_view directory);
  // Before the first row is appended.
  Status Load(FileSystem* files, std::string_view directory);

 private:
  static constexpr RowOrdinal kRowsAClaim = 16;    // a builder takes at a time
  static constexpr RowOrdinal kRowsATurn = 64;     // before it queues up again behind others' work
  static constexpr RowOrdinal kRowsToCode = 1024;  // at a time
  static constexpr int kMostBuilders = 8;
  static constexpr int64_t kLookAgainNanos = 5'000'000;
  static constexpr int64_t kInsertionNanos = 500'000;  // about, of one that is held up now and then
  // Building goes on after so many quiet looks, and for a turn after so many in all, so that it never stops.
  static constexpr int kQuietLooks = 2, kMostLooks = 20;
  static constexpr RowOrdinal kSampledRows = 1024;  // whose mean is the centre
  // Nodes are swept once there is one dead to so many live ones, and looked for that cannot be reached once
  // so many are new.
  static constexpr uint64_t kDeadShare = 200, kNewShare = 8, kLeastDead = 32, kLeastNew = 512;
  // Builders help to sweep from here on: walks, their own too, spend a share of their length on dead nodes.
  static constexpr uint64_t kMostDeadShare = 25;
  // Of maintenance, before others get their turn; and of a builder that helps.
  static constexpr uint32_t kNodesASlice = 2048, kNodesAHelp = 512;
  // Of a graph that has no more, linked one after the other, so that they find each other.
  static constexpr uint64_t kFirstNodes = 512;

  struct Waiter {
    RowOrdinal end;
    std::function<void(Status)> done;
  };
  // What one builder works in.
  struct Bench {
    explicit Bench(LinkOptions options) : linker(options), mender(options) {}
    GraphLinker linker;
    GraphMender mender;
    std::vector<double> vector;
    std::vector<float> point;
  };

  void StartBuilders();
  void PostTurn();
  // What every task of builders goes through. One that fails ends all building: those who wait are told, and
  // the task counts as ended like any other.
  template <typename Work>
  void RunBuilder(Work work);
  void Fail(const std::string& what);
  void BuildTurn();
  bool BuildSome();
  void BuildRows();
  // Whether clients are handing in rows faster than they can be linked: building gains nothing by keeping up
  // with a burst, and the burst loses by sharing its cores.
  bool WritersBusy() const;
  // Ends this turn for a while; one builder waits for the others.
  void StepAside();
  void LookAgain();
  bool CodingDue() const;
  void CodeRows();
  void MakeCodes();
  bool Claim(RowOrdinal* first, RowOrdinal* end);
  void Finish(RowOrdinal first, RowOrdinal end);
  void Owe(int64_t rows);
  std::unique_ptr<Bench> TakeBench();
  void ReturnBench(std::unique_ptr<Bench> bench);
  Graph* StartGraph();
  void Insert(RowOrdinal row, Bench* bench);
  void InsertAlone(RowOrdinal row, Bench* bench);
  bool JoinEqual(Graph& graph, Slot slot, RowOrdinal row, std::span<const Candidate> candidates);
  void Bury(Slot slot);
  bool HelpSweep(Bench* bench);
  void StartMaintenance();
  void PlaceRows(const LoadedGraph& loaded);
  void PostMaintenance();
  template <typename Work>
  void RunMaintenance(Work work);
  bool MaintenanceDue() const;
  void Maintain();
  void StartSweep();
  void SweepSome();
  void EndSweep();
  void EndMaintenance();
  // Goes on with `next` once the insertions that began before `epoch` ended are over: they may have seen
  // nodes live that are dead since.
  void AfterInsertions(uint64_t epoch, void (GraphBuilder::*next)());

  const IndexInput input_;
  const GraphOptions options_;
  const int64_t
      row_bytes_;  // in the ledger for every row from its append to its index, which then has its own
  RowChains chains_;
  RecallCalibration calibration_;
  std::unique_ptr<GraphSpace> space_;  // made before graph_ is published
  std::unique_ptr<Graph> owned_graph_;
  std::atomic<Graph*> graph_{nullptr};
  std::unique_ptr<RowCodes> owned_codes_;
  std::atomic<RowCodes*> codes_{nullptr};
  std::atomic<RowOrdinal> appended_end_{0}, indexed_end_{0};
  std::atomic<uint64_t> linked_{0};  // ever
  std::atomic<uint64_t> live_{0};    // nodes that stand for a row
  std::atomic<uint64_t> linked_at_maintenance_{0};
  std::atomic<int64_t> erased_{0}, dead_count_{0}, unreachable_{0}, sweeps_{0};
  std::atomic<int64_t> walks_missed_{0};
  std::array<std::atomic<int64_t>, kInDegreeClasses> in_degrees_{};
  // Asked: it may have become due again meanwhile.
  enum class Maintenance : uint8_t { kIdle, kRunning, kAsked };
  std::atomic<Maintenance> maintenance_{Maintenance::kIdle};
  std::atomic<bool> stopping_{false};  // or failed
  std::atomic<int> tasks_{0};          // posted or running
  std::atomic<bool> aside_{false};     // one of them waits for writers
  int looks_ = 0, quiet_looks_ = 0;    // of the one that waits

  ReadEpochs linking_;       // entered by whoever makes edges
  std::vector<Slot> dying_;  // of the one that maintains: taken from dead_, not yet a sweeper's

  std::mutex first_mutex_;  // serialises making the graph and linking its first nodes

  std::mutex coding_mutex_;  // held by the one that codes rows

  mutable std::mutex mutex_;
  RowOrdinal claimed_end_ = 0;                   // guarded by mutex_
  std::map<RowOrdinal, RowOrdinal> finished_;    // guarded by mutex_: claims done beyond indexed_end_
  std::vector<Waiter> waiters_;                  // guarded by mutex_
  Status failure_;                               // guarded by mutex_: why nothing is built any more
  std::vector<std::unique_ptr<Bench>> benches_;  // guarded by mutex_
  std::vector<Slot> dead_;                       // guarded by mutex_
  std::shared_ptr<GraphSweeper>
      sweeper_;  // written under mutex_ by the one that maintains, who alone steps it
};

}  // namespace longbow::index
