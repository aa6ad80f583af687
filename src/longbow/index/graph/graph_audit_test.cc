// What an audit says of a graph that somebody broke, and that those who keep graphs in order mend it.
#include "longbow/index/graph/graph_audit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "longbow/index/graph/graph_builder.h"
#include "longbow/index/graph/graph_sweeper.h"

namespace longbow::index {
namespace {

constexpr uint32_t kDim = 16;
constexpr RowOrdinal kRows = 600;

// Without builders, so that whoever appends or erases has all of it done when it returns.
class GraphAuditTest : public testing::Test {
 protected:
  GraphAuditTest() { Start(distance::Metric::kL2); }

  void Start(distance::Metric metric) {
    IndexInput input;
    input.metric = metric;
    input.store = &store_;
    input.versions = &versions_;
    input.ledger = &ledger_;
    input.seed = 3;
    builder_ = std::make_unique<GraphBuilder>(input, GraphOptions{});
  }

  void Append(RowOrdinal count) {
    const RowOrdinal first = end_;
    end_ += count;
    store_.Grow(end_);
    versions_.Grow(end_);
    for (RowOrdinal row = first; row < end_; ++row) {
      float vector[kDim];
      const float length = lengths_differ_ ? std::exp(normal_(random_)) : 1;
      for (float& x : vector) x = length * normal_(random_);
      std::memcpy(store_.MutableRow(row), vector, sizeof(vector));
    }
    builder_->RowsAppended(first, end_);
  }
  void Erase(RowOrdinal first, RowOrdinal end) {
    std::vector<RowOrdinal> rows(end - first);
    std::iota(rows.begin(), rows.end(), first);
    builder_->Erase(rows);
  }
  Graph& graph() { return *builder_->graph(); }
  AuditReport Audit() { return AuditGraph(graph(), builder_->chains(), builder_->Account()); }
  void ExpectSound() {
    const AuditReport report = Audit();
    EXPECT_TRUE(report.settled);
    EXPECT_EQ(report.unreachable, 0);
    EXPECT_TRUE(report.violations.empty()) << report.violations.front();
  }
  void ExpectSaid(const std::string& what) {
    const auto violations = Audit().violations;
    const bool said = std::any_of(violations.begin(), violations.end(), [&](const std::string& violation) {
      return violation.find(what) != std::string::npos;
    });
    EXPECT_TRUE(said) << what << " is not among " << violations.size() << ", first "
                      << (violations.empty() ? "none" : violations.front());
  }
  bool IsEntry(Slot slot) {
    for (uint32_t i = 0; i < graph().entry_count(); ++i) {
      if (graph().entry(i).slot.load() == slot) return true;
    }
    return false;
  }
  Slot NoEntry() {
    Slot slot = 0;
    while (IsEntry(slot)) ++slot;
    return slot;
  }
  void SetEdge(Slot node, uint32_t position, Slot to) {
    std::vector<float> point(graph().layout().n);
    graph().Decode(node, point.data());
    Graph::EdgeScratch scratch;
    NodeLock lock(graph().header(node));
    graph().SetEdge(node, position, to, point.data(), true, &scratch);
  }
  // Every edge that leads there goes.
  void CutOff(Slot victim) {
    for (Slot slot = 0; slot < graph().size(); ++slot) {
      for (uint32_t i = 0; i < graph().layout().degree; ++i) {
        if (slot == victim || graph().ids(slot)[i].load() != victim) continue;
        NodeLock lock(graph().header(slot));
        graph().ClearEdge(slot, i);
      }
    }
  }
  // Counts no edge, as a writer that forgets to would not.
  void Point(Slot node, uint32_t position, Slot to) { graph().ids(node)[position].store(to); }

  const uint64_t seed_ = std::random_device{}();
  testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937_64 random_{seed_};
  std::normal_distribution<float> normal_;
  bool lengths_differ_ = false;
  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  RowVersions versions_{&ledger_};
  VectorStore store_{distance::ElementType::kFloat32, kDim, &arena_, &ledger_};
  std::unique_ptr<GraphBuilder> builder_;
  RowOrdinal end_ = 0;
};

TEST_F(GraphAuditTest, AGraphThatGrewIsSound) {
  Append(kRows);
  ExpectSound();
}

TEST_F(GraphAuditTest, ANodeThatNoEdgeLeadsToIsMissedAndLinkedAgain) {
  Append(kRows);
  const Slot victim = NoEntry();
  CutOff(victim);
  EXPECT_EQ(UnreachableNodes(graph()), std::vector<Slot>{victim});
  EXPECT_EQ(Audit().unreachable, 1);
  EXPECT_EQ(CountInDegrees(graph())[0], 1);
  GraphSweeper sweeper(graph(), LinkOptions{.renewal_ef = 64}, {}, 1);
  while (!sweeper.Step(100)) {
  }
  EXPECT_EQ(sweeper.unreachable(), 0);
  EXPECT_EQ(CountInDegrees(graph())[0], 0);
  ExpectSound();
}

TEST_F(GraphAuditTest, AnIslandIsMissedAndMaintenanceBridgesIt) {
  Append(kRows);
  std::vector<Slot> island;
  for (Slot slot = 0; slot < kRows && island.size() < 20; ++slot) {
    if (!IsEntry(slot)) island.push_back(slot);
  }
  for (const Slot slot : island) CutOff(slot);
  for (size_t i = 0; i < island.size(); ++i) {  // that know one another
    for (uint32_t position = 0; position < graph().layout().degree; ++position) {
      NodeLock lock(graph().header(island[i]));
      graph().ClearEdge(island[i], position);
    }
    SetEdge(island[i], 0, island[(i + 1) % island.size()]);
  }
  EXPECT_EQ(Audit().unreachable, static_cast<int64_t>(island.size()));
  const int64_t sweeps = builder_->sweeps();
  Erase(500, 560);
  EXPECT_GT(builder_->sweeps(), sweeps);
  EXPECT_EQ(builder_->unreachable_nodes(), 0);
  ExpectSound();
}

TEST_F(GraphAuditTest, NodesThatDieLeaveNoEdgesToThemAndNoEntryOnThem) {
  Append(kRows);
  std::vector<RowOrdinal> gone;  // those of all entries but one, and of half of the others
  for (Slot slot = 0; slot < kRows; ++slot) {
    if (slot % 2 == 0 || (IsEntry(slot) && graph().entry(0).slot.load() != slot))
      gone.push_back(graph().row(slot));
  }
  builder_->Erase(gone);
  EXPECT_EQ(builder_->dead_nodes(), 0);
  EXPECT_EQ(graph().free_slots().size(), gone.size());
  for (uint32_t i = 0; i < graph().entry_count(); ++i) {
    EXPECT_NE(graph().row(graph().entry(i).slot.load()), kNoRow) << "entry " << i;
  }
  const auto live = static_cast<int64_t>(kRows - gone.size());
  int64_t counted = 0, edges = 0;
  for (size_t i = 0; i < kInDegreeClasses; ++i) counted += builder_->in_degrees(i);
  EXPECT_EQ(counted, live);
  for (Slot slot = 0; slot < graph().size(); ++slot) edges += graph().header(slot).in_edges.load();
  EXPECT_GT(edges, live * 8) << "dead neighbours were replaced";
  ExpectSound();
}

TEST_F(GraphAuditTest, AllCanGoAndOthersCome) {
  Append(kRows);
  Erase(0, kRows);
  EXPECT_EQ(Audit().unreachable, 0);
  Append(kRows);
  ExpectSound();
  EXPECT_EQ(graph().size(), kRows) << "slots are given again";
  EXPECT_EQ(graph().entry_count(), Graph::kEntries);
  int64_t found = 0;
  GraphLinker linker({});
  for (Slot slot = 0; slot < kRows; ++slot) {
    linker.FindCandidates(graph(), slot, 64);
    found += linker.Visited(slot);
  }
  EXPECT_GT(found, kRows * 95 / 100) << "walks to nodes come to them";
}

// Its last steps make edges by force, which take the place of others: of the only way to some node, too.
TEST_F(GraphAuditTest, AfterMaintenanceByInnerProductAllCanBeReached) {
  Start(distance::Metric::kInnerProduct);
  lengths_differ_ = true;
  for (int generation = 0; generation < 16; ++generation) {
    Append(kRows);
    Erase(end_ - kRows / 2, end_);
    ASSERT_EQ(Audit().unreachable, 0) << "generation " << generation;
  }
}

TEST_F(GraphAuditTest, EdgesThatLeadNowhereAreSaid) {
  Append(kRows);
  Erase(0, 100);
  ExpectSound();
  const Slot free = graph().free_slots().front();
  const Slot node = builder_->chains().slot(kRows - 1);
  const Slot was = graph().ids(node)[0].load();
  SetEdge(node, 0, free);
  ExpectSaid("has an edge to free slot " + std::to_string(free));
  SetEdge(node, 0, was);
  ExpectSound();
  Point(node, 0, graph().size());
  ExpectSaid("has an edge to slot " + std::to_string(graph().size()));
  Point(node, 0, node);
  ExpectSaid("has an edge to itself");
  Point(node, 0, graph().ids(node)[1].load());
  ExpectSaid("has two edges to one node");
  Point(node, 0, was);
  graph().constants(node)[0] = std::numeric_limits<float>::infinity();
  ExpectSaid("has an edge without an estimate");
  SetEdge(node, 0, was);
  ExpectSound();
}

TEST_F(GraphAuditTest, EdgesThatAreMiscountedAreSaid) {
  Append(kRows);
  NodeHeader& header = graph().header(7);
  header.in_edges.fetch_add(1);
  ExpectSaid("node 7 has ");
  header.in_edges.fetch_sub(1);
  ExpectSound();
  NodeHeader& other = graph().header(8);
  other.kept.fetch_or(uint64_t{1} << 40);
  ExpectSaid("keeps an edge that is not there");
}

TEST_F(GraphAuditTest, AnEntryOnAFreeSlotOrOfAnotherCodeIsSaid) {
  Append(kRows);
  Erase(0, 100);
  const Slot free = graph().free_slots().front(), entry = graph().entry(2).slot.load();
  graph().ReplaceEntry(2, free);
  ExpectSaid("entry 2 is free slot " + std::to_string(free));
  graph().ReplaceEntry(2, entry);
  ExpectSound();
  std::byte* const code = const_cast<std::byte*>(graph().entry_code(2));
  code[0] ^= std::byte{1};
  ExpectSaid("entry 2 has another code than its node");
}

TEST_F(GraphAuditTest, SlotsOfNobodyAndOfTwoAreSaid) {
  Append(kRows);
  Erase(0, 100);
  const Slot live = builder_->chains().slot(kRows - 1), free = graph().free_slots().front();
  const float point[kDim * 4] = {};
  ASSERT_LE(graph().layout().n, std::size(point));
  graph().MakeNode(point, 0);  // and nobody frees it
  ExpectSaid("1 nodes are dead and not free, counted were 0");
  graph().FreeNode(free);
  ExpectSaid("is free twice");
  graph().FreeNode(live);
  ExpectSaid("free slot " + std::to_string(live) + " stands for row");
}

TEST_F(GraphAuditTest, RowsAndNodesThatDisagreeAreSaid) {
  Append(kRows);
  {
    NodeLock lock(graph().header(5));
    graph().SetRow(5, graph().row(6));
  }
  ExpectSaid("node 5 stands for row " + std::to_string(graph().row(6)) + ", which lies elsewhere");
  ExpectSaid("600 rows lie in nodes");
}

TEST_F(GraphAuditTest, ANodeOfSeveralRowsThatIsKnownForOneIsSaid) {
  Append(kRows);
  const RowOrdinal first = 0, second = end_++;
  store_.Grow(end_);
  versions_.Grow(end_);
  std::memcpy(store_.MutableRow(second), store_.Row(first), store_.row_bytes());
  builder_->RowsAppended(second, end_);
  const Slot node = builder_->chains().slot(second);
  ASSERT_EQ(node, builder_->chains().slot(first));
  ExpectSound();
  {
    NodeLock lock(graph().header(node));
    graph().SetShared(node, false);
  }
  ExpectSaid("node " + std::to_string(node) + " stands for row " + std::to_string(second) +
             ", which nobody looks for");
}

// The other half of what it says of memory: as much as is there is accounted for.
TEST_F(GraphAuditTest, AllMemoryIsAccountedForAndGivenBack) {
  Append(kRows);
  Erase(0, 300);
  Append(kRows);
  EXPECT_GE(ledger_.used(MemoryUse::kIndex), builder_->bytes());
  builder_.reset();
  EXPECT_EQ(ledger_.used(MemoryUse::kIndex), 0);
}

}  // namespace
}  // namespace longbow::index
