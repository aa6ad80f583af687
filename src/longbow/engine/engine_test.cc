// The rules of the data model, through the engine's surface, on a real directory.
#include "longbow/engine/engine.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "longbow/engine/engine_for_test.h"

namespace longbow::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Rows = std::vector<std::string>;

const auto kFloat2 = arrow::fixed_size_list(arrow::float32(), 2);

std::shared_ptr<arrow::RecordBatch> Batch(const std::string& ids, const std::string& texts,
                                          const std::string& vectors) {
  return BatchOf({{arrow::field("id", arrow::int64()), ids},
                  {arrow::field("text", arrow::utf8()), texts},
                  {arrow::field("vector", kFloat2), vectors}});
}
std::shared_ptr<arrow::RecordBatch> Texts(const std::string& ids, const std::string& texts) {
  return BatchOf({{arrow::field("id", arrow::int64()), ids}, {arrow::field("text", arrow::utf8()), texts}});
}

Rows RowsOf(EngineForTest& engine, const std::string& dataset) {
  const auto view = engine->Pin(dataset);
  if (!view.ok()) return {view.status().message()};
  return VisibleRows(**view);
}

void ExpectError(const Result<WriteAck>& ack, ErrorCode code, const std::string& text) {
  ASSERT_FALSE(ack.ok());
  EXPECT_EQ(CodeOf(ack.status()), code) << ack.status().ToString();
  EXPECT_THAT(ack.status().message(), HasSubstr(text));
}
void ExpectError(const Status& status, ErrorCode code, const std::string& text) {
  ExpectError(Result<WriteAck>(status), code, text);
}

TEST(Engine, ARowPutIsVisibleAtOnceAndAfterARestart) {
  EngineForTest engine;
  const auto ack = engine.Put("d", Batch("[1, 2]", R"(["a", "b"])", "[[1, 2], [3, 4]]"));
  ASSERT_TRUE(ack.ok()) << ack.status().ToString();
  EXPECT_EQ(ack->rows, 2);
  EXPECT_GE(engine->committed(), ack->sequence);
  const Rows expected = RowsOf(engine, "d");
  ASSERT_THAT(expected, SizeIs(2));
  EXPECT_THAT(expected[0], HasSubstr("id=1 text=a"));
  engine.Reopen();
  EXPECT_EQ(RowsOf(engine, "d"), expected);
  EXPECT_EQ(engine->recovery().records, 2u);
}

TEST(Engine, AKeyWrittenAgainReplacesTheWholeRow) {
  EngineForTest engine;
  ASSERT_TRUE(engine.Put("d", Batch("[1, 2]", R"(["a", "b"])", "[[1, 2], [3, 4]]")).ok());
  ASSERT_TRUE(engine.Put("d", Texts("[1]", R"(["new"])")).ok());
  {
    const auto view = *engine->Pin("d");  // which must not outlive the engine's environment
    const auto row = view->FindKey("1");
    ASSERT_TRUE(row.ok());
    EXPECT_FALSE(view->Vectors(0).Present(*row)) << "the column left out is null";
  }
  EXPECT_THAT(RowsOf(engine, "d"),
              ElementsAre(HasSubstr("id=1 text=new vector=null"), HasSubstr("id=2 text=b")));
  engine.Reopen();
  EXPECT_THAT(RowsOf(engine, "d"),
              ElementsAre(HasSubstr("id=1 text=new vector=null"), HasSubstr("id=2 text=b")));
}

TEST(Engine, OfOneKeyTwiceInABatchTheLastWins) {
  EngineForTest engine;
  ASSERT_TRUE(engine.Put("d", Texts("[7, 8, 7]", R"(["first", "other", "last"])")).ok());
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre("id=7 text=last ", "id=8 text=other "));
}

TEST(Engine, AViewGoesOnShowingWhatItPinned) {
  EngineForTest engine;
  ASSERT_TRUE(engine.Put("d", Texts("[1]", R"(["old"])")).ok());
  const auto view = *engine->Pin("d");
  ASSERT_TRUE(engine.Put("d", Texts("[1, 2]", R"(["new", "more"])")).ok());
  ASSERT_TRUE(engine.Delete("d", {"1"}).ok());
  EXPECT_THAT(VisibleRows(*view), ElementsAre("id=1 text=old "));
  EXPECT_TRUE(view->FindKey("1").ok());
  ASSERT_TRUE(engine.Drop("d").ok());
  EXPECT_THAT(VisibleRows(*view), ElementsAre("id=1 text=old "));
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre("dataset not found: d"));
}

TEST(Engine, StringKeysWorkInBothWidths) {
  EngineForTest engine;
  const auto text = arrow::field("text", arrow::utf8());
  ASSERT_TRUE(
      engine
          .Put("d", BatchOf({{arrow::field("id", arrow::utf8()), R"(["a", "b"])"}, {text, R"(["1", "2"])"}}))
          .ok());
  const auto ack = engine.Put("d", BatchOf({{arrow::field("id", arrow::large_utf8()), R"(["b", "c"])"},
                                            {arrow::field("text", arrow::large_utf8()), R"(["3", "4"])"}}));
  ASSERT_TRUE(ack.ok()) << ack.status().ToString();
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre("id=a text=1 ", "id=b text=3 ", "id=c text=4 "));
  EXPECT_EQ((*engine->Pin("d"))->schema()->version, 1u);
  ASSERT_TRUE(engine.Delete("d", {"b", ""}).status().message().find("id  not found") != std::string::npos);
  ASSERT_TRUE(engine.Delete("d", {"b"}).ok());
  engine.Reopen();
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre("id=a text=1 ", "id=c text=4 "));
}

TEST(Engine, DatasetsWithoutIdDrawTheirKeys) {
  EngineForTest engine;
  const auto rows = [](const std::string& json) {
    return BatchOf({{arrow::field("text", arrow::utf8()), json}});
  };
  ASSERT_TRUE(engine.Put("d", rows(R"(["x", "y"])")).ok());
  engine.Reopen();
  ASSERT_TRUE(engine.Put("d", rows(R"(["z"])")).ok());
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre("0: text=x ", "1: text=y ", "2: text=z "));
  ASSERT_TRUE(engine.Delete("d", {"1"}).ok());
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre("0: text=x ", "2: text=z "));
  ExpectError(engine.Delete("d", {"3"}), ErrorCode::kNotFound, "id 3 not found in dataset d");
  ExpectError(engine.Put("d", Texts("[1]", R"(["x"])")), ErrorCode::kInvalidArgument, "cannot be added");
}

TEST(Engine, KeysKeepTheirSignAndRange) {
  EngineForTest engine;
  ASSERT_TRUE(engine.Put("s", BatchOf({{arrow::field("id", arrow::int8()), "[-128, 127, 0]"}})).ok());
  const auto view = *engine->Pin("s");
  const auto low = *view->FindKey("-128"), zero = *view->FindKey("0"), high = *view->FindKey("127");
  EXPECT_TRUE(view->key_order().Before(low, zero) && view->key_order().Before(zero, high));
  EXPECT_EQ(static_cast<int64_t>(view->KeyNumber(low)), -128);
  ASSERT_TRUE(
      engine.Put("u", BatchOf({{arrow::field("id", arrow::uint64()), "[18446744073709551615, 0]"}})).ok());
  EXPECT_TRUE((*engine->Pin("u"))->FindKey("18446744073709551615").ok());
  for (const char* wrong : {"5.0", "", " 5", "5x", "99999999999999999999", "0x10"}) {
    EXPECT_EQ(CodeOf(view->FindKey(wrong).status()), ErrorCode::kInvalidArgument) << wrong;
  }
  EXPECT_EQ(CodeOf((*engine->Pin("u"))->FindKey("-1").status()), ErrorCode::kInvalidArgument);
}

TEST(Engine, DeletesAreForGoodAndTellMistakes) {
  EngineForTest engine;
  ASSERT_TRUE(engine.Put("d", Batch("[1, 2, 3]", R"(["a", "b", "c"])", "[[1, 2], [3, 4], [5, 6]]")).ok());
  const auto ack = engine.Delete("d", {"1", "3", "1"});
  ASSERT_TRUE(ack.ok());
  EXPECT_EQ(ack->rows, 2);
  EXPECT_TRUE(engine.Delete("d", {"1"}).ok()) << "deleted before";
  ExpectError(engine.Delete("d", {"2", "4"}), ErrorCode::kNotFound, "id 4 not found in dataset d");
  ExpectError(engine.Delete("d", {"2", "5.0"}), ErrorCode::kInvalidArgument, "expected a whole number");
  ExpectError(engine.Delete("nowhere", {"1"}), ErrorCode::kNotFound, "dataset not found: nowhere");
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre(HasSubstr("id=2"))) << "a refused delete deletes nothing";
  engine.Reopen();
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre(HasSubstr("id=2")));
  EXPECT_TRUE(engine.Delete("d", {"1"}).ok());
  ASSERT_TRUE(engine.Put("d", Texts("[1]", R"(["again"])")).ok());
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre(HasSubstr("id=1 text=again"), HasSubstr("id=2")));
}

TEST(Engine, ColumnsCanBeAddedAndLeftOutButNotChanged) {
  EngineForTest engine;
  ASSERT_TRUE(engine.Put("d", Texts("[1]", R"(["a"])")).ok());
  ASSERT_TRUE(engine
                  .Put("d", BatchOf({{arrow::field("id", arrow::int64()), "[2]"},
                                     {arrow::field("price", arrow::float64()), "[1.5]"},
                                     {arrow::field("vector", kFloat2), "[[1, 0]]"}}))
                  .ok());
  EXPECT_THAT(RowsOf(engine, "d"), SizeIs(2));
  const Rows before = RowsOf(engine, "d");
  EXPECT_THAT(before[0], HasSubstr("id=1 text=a price=null vector=null"));
  EXPECT_THAT(before[1], HasSubstr("id=2 text=null price=1.5"));
  EXPECT_EQ((*engine->Pin("d"))->schema()->version, 2u);
  ExpectError(engine.Put("d", BatchOf({{arrow::field("id", arrow::int64()), "[2]"},
                                       {arrow::field("price", arrow::utf8()), R"(["x"])"}})),
              ErrorCode::kInvalidArgument, "schema mismatch: type mismatch for column 'price'");
  ExpectError(engine.Put("d", BatchOf({{arrow::field("id", arrow::int64()), "[2]"},
                                       {arrow::field("vector", arrow::fixed_size_list(arrow::float32(), 3)),
                                        "[[1, 2, 3]]"}})),
              ErrorCode::kInvalidArgument, "schema mismatch: type mismatch for column 'vector'");
  ExpectError(engine.Put("d", BatchOf({{arrow::field("text", arrow::utf8()), R"(["x"])"}})),
              ErrorCode::kInvalidArgument, "column 'id' is missing");
  engine.Reopen();
  EXPECT_EQ(RowsOf(engine, "d"), before);
  EXPECT_EQ((*engine->Pin("d"))->schema()->version, 2u);
}

TEST(Engine, AnOlderStreamGoesOnAfterAnEvolution) {
  EngineForTest engine;
  const auto batch = Texts("[1]", R"(["a"])");
  auto writer = *engine->OpenWriter("d", *batch->schema());
  ASSERT_TRUE(engine
                  .Put("d", BatchOf({{arrow::field("id", arrow::int64()), "[2]"},
                                     {arrow::field("vector", kFloat2), "[[1, 0]]"}}))
                  .ok());
  ASSERT_TRUE(engine.Put(*writer, batch).ok());
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre(HasSubstr("id=1 text=a vector=null"), HasSubstr("id=2")));
  writer.reset();  // it must not outlive the engine's environment
  engine.Reopen();
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre(HasSubstr("id=1 text=a vector=null"), HasSubstr("id=2")));
}

TEST(Engine, OneBadRowRefusesItsWholeBatch) {
  EngineForTest engine;
  ASSERT_TRUE(engine.Put("d", Batch("[1]", R"(["a"])", "[[1, 2]]")).ok());
  const Rows before = RowsOf(engine, "d");
  ExpectError(engine.Put("d", Batch("[2, null]", R"(["a", "b"])", "[[1, 2], [3, 4]]")),
              ErrorCode::kInvalidArgument, "column 'id', row 1: the key is null");
  ExpectError(engine.Put("d", Batch("[2, 3]", R"(["a", "b"])", "[[1, 2], [3, NaN]]")),
              ErrorCode::kInvalidArgument, "column 'vector', row 1: number 1 is NaN");
  ExpectError(engine.Put("d", Batch("[2, 3]", R"(["a", "b"])", "[[Inf, 2], [3, 4]]")),
              ErrorCode::kInvalidArgument, "column 'vector', row 0: number 0 is infinite");
  ExpectError(engine.Put("d", Batch("[2, 3]", R"(["a", "b"])", "[[null, 2], [3, 4]]")),
              ErrorCode::kInvalidArgument, "column 'vector', row 0: number 0 of the vector is null");
  EXPECT_EQ(RowsOf(engine, "d"), before);
  engine.Reopen();
  EXPECT_EQ(RowsOf(engine, "d"), before);
}

TEST(Engine, AZeroVectorIsRefusedOnlyUnderCosine) {
  EngineForTest engine;
  const auto zero = [](const char* metric, const char* vectors) {
    return BatchOf(
        {{arrow::field("id", arrow::int64()), "[1, 2]"}, {arrow::field("vector", kFloat2), vectors}},
        {{"longbow.metric", metric}});
  };
  EXPECT_TRUE(engine.Put("l2", zero("euclidean", "[[1, 2], [0, 0]]")).ok());
  EXPECT_TRUE(engine.Put("ip", zero("dot_product", "[[1, 2], [0, 0]]")).ok());
  EXPECT_TRUE(engine.Put("cos", zero("cosine", "[[1, 2], null]")).ok());
  ExpectError(engine.Put("cos", zero("cosine", "[[1, 2], [0, 0]]")), ErrorCode::kInvalidArgument,
              "column 'vector', row 1: the zero vector");
}

TEST(Engine, NullVectorsAreStored) {
  EngineForTest engine;
  ASSERT_TRUE(engine.Put("d", Batch("[1, 2]", R"(["a", "b"])", "[null, [3, 4]]")).ok());
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre(HasSubstr("id=1 text=a vector=null"), HasSubstr("id=2")));
  engine.Reopen();
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre(HasSubstr("id=1 text=a vector=null"), HasSubstr("id=2")));
}

TEST(Engine, ARowTooLargeIsRefused) {
  EngineOptions options;
  options.max_row_bytes = 100;
  EngineForTest engine(0, options);
  const std::string ok(80, 'x'), large(101, 'x');
  EXPECT_TRUE(engine.Put("d", Texts("[1, 2, 3]", "[\"" + ok + "\", \"" + ok + "\", \"" + ok + "\"]")).ok());
  ExpectError(engine.Put("d", Texts("[1, 2]", "[\"a\", \"" + large + "\"]")), ErrorCode::kInvalidArgument,
              "row 1: payload of 109 bytes");
}

TEST(Engine, ABatchSentAgainHasEffectOnce) {
  EngineForTest engine;
  const auto rows = [](const std::string& json) {
    return BatchOf({{arrow::field("text", arrow::utf8()), json}});
  };
  const RetryKey key{"client", "stream", 1};
  const auto first = engine.Put("d", rows(R"(["x"])"), key);
  ASSERT_TRUE(first.ok());
  const auto second = engine.Put("d", rows(R"(["x"])"), key);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->sequence, first->sequence);
  EXPECT_THAT(RowsOf(engine, "d"), SizeIs(1));
  engine.Reopen();
  const auto third = engine.Put("d", rows(R"(["x"])"), key);
  ASSERT_TRUE(third.ok());
  EXPECT_EQ(third->sequence, first->sequence);
  EXPECT_EQ(third->rows, 1);
  EXPECT_THAT(RowsOf(engine, "d"), SizeIs(1));
  ASSERT_TRUE(engine.Put("d", rows(R"(["y"])"), {"client", "stream", 2}).ok());
  ASSERT_TRUE(engine.Put("d", rows(R"(["z"])"), {"client", "other", 1}).ok());
  ASSERT_TRUE(engine.Put("e", rows(R"(["x"])"), key).ok());
  EXPECT_THAT(RowsOf(engine, "d"), SizeIs(3));
  EXPECT_THAT(RowsOf(engine, "e"), SizeIs(1));
}

TEST(Engine, MemoryDatasetsAreEmptyAfterARestart) {
  EngineForTest engine;
  const auto batch =
      BatchOf({{arrow::field("id", arrow::int64()), "[1]"}}, {{"longbow.durability", "memory"}});
  const auto ack = engine.Put("m", batch);
  ASSERT_TRUE(ack.ok()) << ack.status().ToString();
  EXPECT_EQ(ack->durability, storage::Durability::kMemory);
  EXPECT_THAT(RowsOf(engine, "m"), SizeIs(1));
  ASSERT_TRUE(engine
                  .Put("m", BatchOf({{arrow::field("id", arrow::int64()), "[2]"},
                                     {arrow::field("more", arrow::int64()), "[2]"}}))
                  .ok());
  EXPECT_THAT(RowsOf(engine, "m"), SizeIs(2));
  engine.Reopen();
  EXPECT_THAT(RowsOf(engine, "m"), IsEmpty());
  EXPECT_EQ((*engine->Pin("m"))->schema()->version, 2u);
  const auto other =
      BatchOf({{arrow::field("id", arrow::int64()), "[1]"}}, {{"longbow.durability", "fsync"}});
  ExpectError(engine.Put("m", other), ErrorCode::kFailedPrecondition,
              "longbow.durability of the dataset is memory");
}

TEST(Engine, AsyncDatasetsComeBackAfterAnOrderlyStop) {
  EngineForTest engine;
  const auto batch =
      BatchOf({{arrow::field("id", arrow::int64()), "[1]"}}, {{"longbow.durability", "async"}});
  const auto ack = engine.Put("a", batch);
  ASSERT_TRUE(ack.ok()) << ack.status().ToString();
  EXPECT_EQ(ack->durability, storage::Durability::kAsync);
  engine.Reopen();
  EXPECT_THAT(RowsOf(engine, "a"), SizeIs(1));
}

TEST(Engine, ADroppedNameIsFreeAndItsWritersAreDone) {
  EngineForTest engine;
  const auto batch = Texts("[1]", R"(["a"])");
  auto writer = *engine->OpenWriter("d", *batch->schema());
  ASSERT_TRUE(engine.Put(*writer, batch).ok());
  ASSERT_TRUE(engine.Drop("d").ok());
  ExpectError(engine.Put(*writer, batch), ErrorCode::kNotFound, "dataset not found: d");
  ExpectError(engine.Drop("d"), ErrorCode::kNotFound, "dataset not found: d");
  ASSERT_TRUE(engine.Put("d", BatchOf({{arrow::field("id", arrow::utf8()), R"(["k"])"}})).ok());
  ExpectError(engine.Put(*writer, batch), ErrorCode::kNotFound, "dataset not found: d");
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre("id=k "));
  engine.Reopen();
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre("id=k "));
}

TEST(Engine, DroppingGivesMemoryBack) {
  EngineForTest engine;
  ASSERT_TRUE(engine.Put("d", Batch("[1]", R"(["a"])", "[[1, 2]]")).ok());
  EXPECT_GT(engine.ledger().used(MemoryUse::kSlabs), 0);
  auto view = *engine->Pin("d");
  ASSERT_TRUE(engine.Drop("d").ok());
  EXPECT_GT(engine.ledger().used(MemoryUse::kSlabs), 0) << "a view still looks at it";
  view.reset();
  EXPECT_EQ(engine.ledger().used(MemoryUse::kSlabs), 0);
  EXPECT_EQ(engine.ledger().used(MemoryUse::kKeys), 0);
  EXPECT_EQ(engine.ledger().used(MemoryUse::kRows), 0);
  EXPECT_EQ(engine.ledger().used(MemoryUse::kNetwork), 0);
}

TEST(Engine, NamespacesHoldDatasets) {
  EngineForTest engine;
  EXPECT_THAT(engine->Namespaces(), ElementsAre("default"));
  ASSERT_TRUE(engine.CreateNamespace("team").ok());
  ExpectError(engine.CreateNamespace("team"), ErrorCode::kAlreadyExists, "team");
  ExpectError(engine.CreateNamespace("a/b"), ErrorCode::kInvalidArgument, "namespace name 'a/b'");
  ExpectError(engine.CreateNamespace("../x"), ErrorCode::kInvalidArgument, "namespace name");
  ASSERT_TRUE(engine.Put("team/d", Texts("[1]", R"(["a"])")).ok());
  ASSERT_TRUE(engine.Put("default/e", Texts("[1]", R"(["a"])")).ok());
  ASSERT_TRUE(engine.Put("other/d", Texts("[1]", R"(["a"])")).ok());
  EXPECT_THAT(engine->Namespaces(), ElementsAre("default", "other", "team"));
  EXPECT_THAT(RowsOf(engine, "e"), SizeIs(1));
  engine.Reopen();
  EXPECT_THAT(engine->Namespaces(), ElementsAre("default", "other", "team"));
  ASSERT_TRUE(engine.DropNamespace("team").ok());
  EXPECT_THAT(RowsOf(engine, "team/d"), ElementsAre("dataset not found: team/d"));
  ExpectError(engine.DropNamespace("team"), ErrorCode::kNotFound, "team");
  ExpectError(engine.DropNamespace("default"), ErrorCode::kFailedPrecondition, "default");
  engine.Reopen();
  EXPECT_THAT(engine->Namespaces(), ElementsAre("default", "other"));
  EXPECT_THAT(engine->Datasets(), SizeIs(2));
}

TEST(Engine, ANamespaceOutlivesItsDatasetAcrossARestart) {
  EngineForTest engine;
  ASSERT_TRUE(engine.Put("team/d", Texts("[1]", R"(["a"])")).ok());
  ASSERT_TRUE(engine.Drop("team/d").ok());
  EXPECT_THAT(engine->Namespaces(), ElementsAre("default", "team"));
  engine.Reopen();
  EXPECT_THAT(engine->Namespaces(), ElementsAre("default", "team"));
}

TEST(Engine, NamesThatAreNotNamesAreRefused) {
  EngineForTest engine;
  const auto schema = Texts("[]", "[]")->schema();
  for (const char* name : {"", "/", "a/", "/a", "a/b/c", "../x", ".hidden", "a b", "-x", "x\n", "ä"}) {
    EXPECT_EQ(CodeOf(engine->OpenWriter(name, *schema).status()), ErrorCode::kInvalidArgument) << name;
    EXPECT_EQ(CodeOf(engine->Pin(name).status()), ErrorCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(CodeOf(engine->OpenWriter(std::string(129, 'x'), *schema).status()), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(engine->OpenWriter(std::string(128, 'x'), *schema).ok());
}

TEST(Engine, AnEmptyStreamLeavesAnEmptyDataset) {
  EngineForTest engine;
  ASSERT_TRUE(engine.Put("d", Texts("[]", "[]")).ok());
  EXPECT_THAT(RowsOf(engine, "d"), IsEmpty());
  engine.Reopen();
  EXPECT_THAT(RowsOf(engine, "d"), IsEmpty());
  EXPECT_THAT(engine->Datasets(), SizeIs(1));
}

TEST(Engine, TheHardLimitRefusesBeforeTheLog) {
  EngineForTest engine(int64_t{3} << 20);
  ASSERT_TRUE(engine.Put("d", Texts("[1]", R"(["a"])")).ok());
  const auto appended = engine->committed();
  std::string large = "[\"" + std::string(900000, 'x') + "\"";
  for (int i = 0; i < 4; ++i) large += ", \"" + std::string(900000, 'x') + "\"";
  const auto delivered = *Deliver(*Texts("[1, 2, 3, 4, 5]", large + "]"));
  const auto writer = *engine->OpenWriter("d", *delivered.batch.batch->schema());
  Status refused;
  writer->Write(delivered.batch, delivered.message, {}, {},
                [&](Result<WriteAck> ack) { refused = ack.status(); });
  ExpectError(refused, ErrorCode::kResourceExhausted, "memory limit exceeded: ");
  EXPECT_THAT(refused.message(), HasSubstr("(write size: "));
  EXPECT_EQ(engine->committed(), appended);
  EXPECT_THAT(RowsOf(engine, "d"), ElementsAre("id=1 text=a "));
}

TEST(Engine, ASecondEngineOnTheDirectoryIsToldWhoHoldsIt) {
  EngineOptions options;
  options.holder = "process 4711 on host h";
  EngineForTest engine(0, options);
  const auto second = engine.OpenSecond();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(CodeOf(second.status()), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr("process 4711 on host h"));
}

TEST(Engine, ANodeKeepsItsIdentity) {
  EngineForTest engine;
  const std::string id = engine->node_id();
  EXPECT_EQ(id.size(), 32u);
  engine.Reopen();
  EXPECT_EQ(engine->node_id(), id);
}

TEST(Engine, ColumnsNamedByTheirTypeFindTheirRows) {
  EngineForTest engine;
  const auto list = arrow::list(arrow::float32());
  ASSERT_TRUE(engine
                  .Put("d", BatchOf({{arrow::field("id", arrow::utf8()), R"(["a", "b"])"},
                                     {arrow::field("vector", list), "[[1, 2, 3], []]"}}))
                  .ok());
  EXPECT_THAT((*engine->Pin("d"))->schema()->vectors, IsEmpty()) << "lists of any length are payload";
  EXPECT_THAT(RowsOf(engine, "d"), SizeIs(2));
}

TEST(Engine, ManySmallPutsMakeFewBlocks) {
  EngineForTest engine;
  const auto schema = Texts("[]", "[]")->schema();
  const auto writer = *engine->OpenWriter("d", *schema);
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(
        engine.Put(*writer, Texts("[" + std::to_string(i) + "]", "[\"" + std::to_string(i) + "\"]")).ok());
  }
  const auto view = *engine->Pin("d");
  EXPECT_LE(view->blocks().size(), 10u);
  const auto row = view->FindKey("137");
  ASSERT_TRUE(row.ok());
  EXPECT_EQ((*view->TakeColumn("text", {&*row, 1}))->ToString(), "[\n  \"137\"\n]");
}

TEST(Engine, SlicesOfAViewAreTheRowsAsWritten) {
  EngineForTest engine;
  const auto batch = Batch("[1, 2, 3]", R"(["a", null, "c"])", "[[1, 2], null, [5, 6]]");
  ASSERT_TRUE(engine.Put("d", batch).ok());
  const auto view = *engine->Pin("d");
  EXPECT_EQ(view->SliceEnd(0, 3), 3u);
  const auto whole = *view->SliceRows(0, 3);
  ASSERT_TRUE(whole->ValidateFull().ok());
  EXPECT_TRUE(whole->Equals(*batch)) << whole->ToString();
  const auto part = *view->SliceRows(1, 3);
  EXPECT_TRUE(part->Equals(*batch->Slice(1, 2))) << part->ToString();
}

}  // namespace
}  // namespace longbow::engine
