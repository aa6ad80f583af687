#include "longbow/query/edge_paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>

namespace longbow::query {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class EdgePaths : public ::testing::Test {
 protected:
  void Add(uint64_t subject, const std::string& predicate, uint64_t object, float weight = 1) {
    const engine::Edge edge{{subject, ""}, predicate, {object, ""}, weight};
    edges_.Add({&edge, 1});
  }
  // "nodes: score", in the order of the answer.
  std::vector<std::string> Paths(uint64_t start, const TraversalOptions& options) {
    const auto paths = FindPaths(edges_, {start, ""}, options);
    EXPECT_TRUE(paths.ok()) << paths.status();
    std::vector<std::string> out;
    for (const EdgePath& path : *paths) {
      std::string text;
      for (const auto& node : path.nodes) text += (text.empty() ? "" : " ") + std::to_string(node.number);
      out.push_back(text + ": " + std::to_string(path.score).substr(0, 5));
      EXPECT_EQ(path.edges.size() + 1, path.nodes.size());
    }
    return out;
  }

  MemoryLedger ledger_{0, 0};
  engine::EdgeStore edges_{engine::KeyKind::kUnsigned, &ledger_};
};

TEST_F(EdgePaths, ScoreIsTheProductOfWeightsAndDecay) {
  Add(1, "cites", 2, 0.5f);
  Add(2, "cites", 3, 0.8f);
  Add(1, "knows", 4, 1.0f);
  EXPECT_THAT(Paths(1, {}), ElementsAre("1 4: 0.500", "1 2: 0.250", "1 2 3: 0.100"));
  EXPECT_THAT(Paths(1, {.weighted = false}), ElementsAre("1 2: 0.500", "1 4: 0.500", "1 2 3: 0.250"));
  EXPECT_THAT(Paths(1, {.max_hops = 1, .decay = 1}), ElementsAre("1 4: 1.000", "1 2: 0.500"));
}

TEST_F(EdgePaths, AgainstTheDirectionEdgesStayAsTheyWereAdded) {
  Add(1, "cites", 2, 0.5f);
  EXPECT_THAT(Paths(2, {}), IsEmpty());
  const auto paths = FindPaths(edges_, {2, ""}, {.incoming = true}).ValueOrDie();
  ASSERT_EQ(paths.size(), 1u);
  EXPECT_EQ(paths[0].nodes[1].number, 1u);
  EXPECT_EQ(paths[0].edges[0].subject.number, 1u);
  EXPECT_EQ(paths[0].edges[0].object.number, 2u);
  EXPECT_EQ(paths[0].edges[0].weight, 0.5f);
}

TEST_F(EdgePaths, MeetNoKeyTwice) {
  Add(1, "a", 2);
  Add(2, "a", 1);
  Add(2, "a", 2);
  Add(2, "a", 3);
  Add(3, "a", 1);
  EXPECT_THAT(Paths(1, {.max_hops = 100, .decay = 1}), ElementsAre("1 2: 1.000", "1 2 3: 1.000"));
  EXPECT_THAT(Paths(99, {}), IsEmpty()) << "a key without edges";
}

TEST_F(EdgePaths, AreAllThoseThatARecursiveWalkFinds) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::multimap<uint64_t, uint64_t> out;
  std::set<std::pair<uint64_t, uint64_t>> known;
  for (int i = 0; i < 40; ++i) {
    const uint64_t a = random() % 12, b = random() % 12;
    Add(a, "x", b);
    if (known.insert({a, b}).second) out.emplace(a, b);
  }
  std::multiset<std::string> expected;
  const std::function<void(std::vector<uint64_t>)> walk = [&](const std::vector<uint64_t>& nodes) {
    if (nodes.size() > 4) return;
    const auto [first, last] = out.equal_range(nodes.back());
    for (auto it = first; it != last; ++it) {
      if (std::find(nodes.begin(), nodes.end(), it->second) != nodes.end()) continue;
      auto longer = nodes;
      longer.push_back(it->second);
      std::string text;
      for (const auto node : longer) text += (text.empty() ? "" : " ") + std::to_string(node);
      expected.insert(text + ": 1.000");
      walk(longer);
    }
  };
  walk({3});
  const auto found = Paths(3, {.max_hops = 4, .decay = 1});
  EXPECT_EQ(std::multiset<std::string>(found.begin(), found.end()), expected);
}

TEST_F(EdgePaths, TooManyAreRefusedNotCut) {
  for (uint64_t i = 0; i < 300; ++i) {
    Add(0, "a", 1000 + i);
    for (uint64_t j = 0; j < 50; ++j) Add(1000 + i, "a", 5000 + j);
  }
  EXPECT_EQ(CodeOf(FindPaths(edges_, {0, ""}, {}).status()), ErrorCode::kResourceExhausted);
  EXPECT_EQ(FindPaths(edges_, {0, ""}, {.max_hops = 1})->size(), 300u);
  EXPECT_EQ(CodeOf(FindPaths(edges_, {0, ""}, {.decay = -1}).status()), ErrorCode::kInvalidArgument);
}

TEST_F(EdgePaths, AreCountedByCommunity) {
  Add(1, "b", 2);
  Add(3, "a", 2);
  Add(7, "b", 8);
  Add(9, "b", 9);
  const EdgeStats stats = CountEdges(edges_);
  EXPECT_EQ(stats.edges, 4);
  EXPECT_EQ(stats.communities, 3);
  EXPECT_THAT(stats.predicates, ElementsAre("a", "b"));
}

}  // namespace
}  // namespace longbow::query
