// Edges through the engine's surface: what is acknowledged is there, also after a restart.
#include "longbow/engine/edge_store.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <limits>

#include "longbow/engine/engine_for_test.h"

namespace longbow::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void PutIds(EngineForTest& engine, const std::string& dataset, const std::shared_ptr<arrow::DataType>& type,
            const std::string& ids) {
  const auto ack = engine.Put(dataset, BatchOf({{arrow::field("id", type), ids}}));
  ASSERT_TRUE(ack.ok()) << ack.status();
}

Result<WriteAck> AddEdges(EngineForTest& engine, const std::string& dataset, std::vector<NewEdge> edges) {
  std::promise<Result<WriteAck>> done;
  engine->AddEdges(dataset, std::move(edges), [&](Result<WriteAck> ack) { done.set_value(std::move(ack)); });
  return done.get_future().get();
}

// "subject predicate object weight", in the order of the nodes and then of the edges.
std::vector<std::string> AllEdges(EngineForTest& engine, const std::string& dataset) {
  const auto store = engine->Edges(dataset).ValueOrDie();
  const EdgeReader reader(*store);
  const auto text = [&](uint32_t node) {
    const Key& key = reader.key(node);
    return store->keys() == KeyKind::kString ? key.text : std::to_string(static_cast<int64_t>(key.number));
  };
  std::vector<std::string> out;
  int64_t incoming = 0;
  for (uint32_t node = 0; node < reader.nodes(); ++node) {
    incoming += static_cast<int64_t>(reader.In(node).size());
    for (const auto& link : reader.Out(node)) {
      out.push_back(text(node) + " " + reader.predicates()[link.predicate] + " " + text(link.node) + " " +
                    std::to_string(link.weight).substr(0, 4));
    }
  }
  EXPECT_EQ(incoming, reader.edges());
  EXPECT_EQ(out.size(), static_cast<size_t>(reader.edges()));
  return out;
}

TEST(Edges, AreThereWhenAcknowledgedAndAfterARestart) {
  EngineForTest engine;
  PutIds(engine, "d", arrow::int64(), "[1, 2]");
  ASSERT_TRUE(AddEdges(engine, "d", {{"1", "cites", "2", 0.5}, {"2", "cites", "-3", 1}}).ok());
  ASSERT_TRUE(AddEdges(engine, "d", {{"1", "knows", "2", 2}}).ok());
  const auto expected = ElementsAre("1 cites 2 0.50", "1 knows 2 2.00", "2 cites -3 1.00");
  EXPECT_THAT(AllEdges(engine, "d"), expected);
  engine.Reopen();
  EXPECT_THAT(AllEdges(engine, "d"), expected);
}

TEST(Edges, AddedAgainGetTheNewWeight) {
  EngineForTest engine;
  PutIds(engine, "d", arrow::utf8(), R"(["a", ""])");
  ASSERT_TRUE(AddEdges(engine, "d", {{"a", "is", "", 1}, {"a", "is", "", 3}, {"a", "was", "", 1}}).ok());
  ASSERT_TRUE(AddEdges(engine, "d", {{"a", "was", "", 4}}).ok());
  EXPECT_THAT(AllEdges(engine, "d"), ElementsAre("a is  3.00", "a was  4.00"));
  engine.Reopen();
  EXPECT_THAT(AllEdges(engine, "d"), ElementsAre("a is  3.00", "a was  4.00"));
}

TEST(Edges, StayWhenRowsGoAndGoWithTheirDataset) {
  EngineForTest engine;
  PutIds(engine, "d", arrow::int64(), "[1, 2]");
  ASSERT_TRUE(AddEdges(engine, "d", {{"1", "cites", "2", 1}}).ok());
  ASSERT_TRUE(engine.Delete("d", {"1", "2"}).ok());
  EXPECT_THAT(AllEdges(engine, "d"), ElementsAre("1 cites 2 1.00"));
  const int64_t with_edges = engine.ledger().used(MemoryUse::kRows);
  ASSERT_TRUE(engine.Drop("d").ok());
  PutIds(engine, "d", arrow::int64(), "[1]");
  EXPECT_THAT(AllEdges(engine, "d"), IsEmpty());
  engine.Reopen();
  EXPECT_THAT(AllEdges(engine, "d"), IsEmpty());
  EXPECT_LT(engine.ledger().used(MemoryUse::kRows), with_edges);
}

TEST(Edges, ThatCannotBeAreRefusedAndNothingIsAdded) {
  EngineForTest engine;
  PutIds(engine, "d", arrow::int64(), "[1]");
  const std::vector<std::pair<NewEdge, std::string>> cases = {
      {{"x", "is", "1", 1}, "whole number"},
      {{"1", "is", "", 1}, "whole number"},
      {{"1", "", "1", 1}, "predicate"},
      {{"1", std::string(kMaxPredicateBytes + 1, 'p'), "1", 1}, "predicate"},
      {{"1", "is", "1", std::numeric_limits<float>::infinity()}, "weight"},
  };
  for (const auto& [edge, text] : cases) {
    const auto ack = AddEdges(engine, "d", {{"1", "is", "1", 1}, edge});
    EXPECT_EQ(CodeOf(ack.status()), ErrorCode::kInvalidArgument);
    EXPECT_THAT(ack.status().message(), HasSubstr(text));
  }
  EXPECT_THAT(AllEdges(engine, "d"), IsEmpty());
  EXPECT_EQ(CodeOf(AddEdges(engine, "e", {{"1", "is", "1", 1}}).status()), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(engine->Edges("e").status()), ErrorCode::kNotFound);
}

TEST(Edges, OverTheMemoryLimitAreRefused) {
  EngineForTest engine(40'000);
  PutIds(engine, "d", arrow::int64(), "[1]");
  Status refused;
  for (int i = 0; i < 1000 && refused.ok(); ++i) {
    refused = AddEdges(engine, "d", {{std::to_string(i), "is", std::to_string(i + 1), 1}}).status();
  }
  EXPECT_EQ(CodeOf(refused), ErrorCode::kResourceExhausted) << refused;
}

}  // namespace
}  // namespace longbow::engine
