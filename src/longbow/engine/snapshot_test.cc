// Snapshots and starting from them, on a real directory.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "longbow/base/counters_for_test.h"
#include "longbow/engine/edge_store.h"
#include "longbow/engine/engine_for_test.h"
#include "longbow/storage/manifest.h"

namespace longbow::engine {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Rows = std::vector<std::string>;

const auto kFloat4 = arrow::fixed_size_list(arrow::float32(), 4);

// Small log segments, so that cutting the log can be seen.
EngineOptions SmallSegments() {
  EngineOptions options;
  options.log.segment_bytes = uint64_t{64} << 10;
  options.log.spare_segments = 0;
  return options;
}

std::string Numbers(int first, int count, const char* format) {
  std::string out;
  for (int i = first; i < first + count; ++i) {
    char text[160];
    std::snprintf(text, sizeof(text), format, i, i + 1, i * 3 % 17, i % 5);
    out += (out.empty() ? "" : ",") + std::string(text);
  }
  return "[" + out + "]";
}

std::shared_ptr<arrow::RecordBatch> RowsFrom(int first, int count) {
  return BatchOf({{arrow::field("id", arrow::int64()), Numbers(first, count, "%d")},
                  {arrow::field("text", arrow::utf8()), Numbers(first, count, R"("row %d")")},
                  {arrow::field("vector", kFloat4), Numbers(first, count, "[%d, %d, %d, %d]")}});
}

class Snapshots : public testing::Test {
 protected:
  Snapshots() : engine_(0, SmallSegments()) {}

  Rows All(const std::string& dataset) {
    const auto view = engine_->Pin(dataset);
    return view.ok() ? VisibleRows(**view) : Rows{view.status().message()};
  }
  SnapshotInfo Take() {
    const auto info = engine_.Snapshot();
    EXPECT_TRUE(info.ok()) << info.status().ToString();
    return info.ValueOr(SnapshotInfo{});
  }
  fs::path Path(const std::string& name) const { return fs::path(engine_.directory()) / name; }
  size_t FilesIn(const std::string& directory) const {
    size_t count = 0;
    for (const auto& entry : fs::directory_iterator(Path(directory)))
      count += entry.is_regular_file() ? 1 : 0;
    return count;
  }
  storage::Manifest Manifest() const {
    const auto files = MakePosixFileSystem(engine_.directory(), 1).ValueOrDie();
    return storage::LoadManifest(files.get()).ValueOrDie();
  }
  // Segments are given back behind a snapshot's answer.
  bool LogIsCutWithin(std::chrono::milliseconds time) const {
    const auto segments = [&] {
      size_t count = 0;
      for (const auto& file : fs::directory_iterator(Path("log"))) count += file.path().extension() == ".log";
      return count;
    };
    const auto end = std::chrono::steady_clock::now() + time;
    while (segments() > 3 && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return segments() <= 3;
  }
  EngineForTest engine_;
};

TEST_F(Snapshots, HoldWhatWasThereAndLetTheLogBeCut) {
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(engine_.Put("d", RowsFrom(i * 100, 100)).ok());
  ASSERT_TRUE(engine_.Delete("d", {"7", "8", "1999"}).ok());
  const Rows expected = All("d");
  ASSERT_THAT(expected, SizeIs(5997));
  const SnapshotInfo info = Take();
  EXPECT_EQ(info.blocks_written, 1);
  EXPECT_GE(info.sequence, 62u);
  EXPECT_TRUE(LogIsCutWithin(std::chrono::seconds(30)));
  engine_.Reopen();
  EXPECT_EQ(All("d"), expected);
  EXPECT_LT(engine_->recovery().records, 61u) << "the log was not cut";
  ASSERT_TRUE(engine_.Put("d", RowsFrom(50000, 1)).ok());
  EXPECT_THAT(All("d"), SizeIs(5998));
}

TEST_F(Snapshots, TakeNothingOfTheLogUntilTheirManifestIsThere) {
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(engine_.Put("d", RowsFrom(i * 100, 100)).ok());
  const Rows expected = All("d");
  fs::create_directories(Path("manifest.new/in the way"));
  const auto info = engine_.Snapshot();
  ASSERT_FALSE(info.ok());
  EXPECT_FALSE(LogIsCutWithin(std::chrono::milliseconds(500)));
  engine_.Stop();
  fs::remove_all(Path("manifest.new"));
  ASSERT_TRUE(engine_.Start().ok());
  EXPECT_EQ(All("d"), expected);
  ASSERT_TRUE(engine_.Put("d", RowsFrom(50000, 1)).ok());
  Take();
  EXPECT_TRUE(LogIsCutWithin(std::chrono::seconds(30)));
  engine_.Reopen();
  EXPECT_THAT(All("d"), SizeIs(6001));
}

TEST_F(Snapshots, HoldEveryKindOfColumnAsItWas) {
  const std::vector<std::pair<std::shared_ptr<arrow::DataType>, std::string>> columns = {
      {arrow::boolean(), "[true, null, false]"},
      {arrow::int8(), "[-128, null, 3]"},
      {arrow::uint64(), "[18446744073709551615, null, 0]"},
      {arrow::float16(), "[1.5, null, -2]"},
      {arrow::float64(), "[0.1, null, 1e300]"},
      {arrow::large_utf8(), R"(["", null, "x"])"},
      {arrow::binary(), R"(["", null, "x"])"},
      {arrow::fixed_size_binary(3), R"(["abc", null, "xyz"])"},
      {arrow::decimal128(10, 2), R"(["1.25", null, "-3.50"])"},
      {arrow::decimal256(50, 2), R"(["1.25", null, "-3.50"])"},
      {arrow::date32(), "[1, null, -1]"},
      {arrow::date64(), "[86400000, null, 0]"},
      {arrow::date64(), "[-86400000, null, null]"},
      {arrow::time32(arrow::TimeUnit::SECOND), "[1, null, 86399]"},
      {arrow::time32(arrow::TimeUnit::MILLI), "[1, null, 2]"},
      {arrow::time64(arrow::TimeUnit::NANO), "[1, null, 2]"},
      {arrow::timestamp(arrow::TimeUnit::SECOND, "UTC"), "[1, null, 9223372036854775807]"},
      {arrow::timestamp(arrow::TimeUnit::SECOND), "[1, null, -9223372036854775]"},
      {arrow::timestamp(arrow::TimeUnit::NANO), "[1, null, -5]"},
      {arrow::duration(arrow::TimeUnit::MICRO), "[1, null, 2]"},
      {arrow::month_interval(), "[1, null, 2]"},
      {arrow::null(), "[null, null, null]"},
      {arrow::list(arrow::utf8()), R"([["a", null], null, []])"},
      {arrow::large_list(arrow::int32()), "[[1, null], null, []]"},
      {arrow::fixed_size_list(arrow::utf8(), 2), R"([["a", "b"], null, [null, "c"]])"},
      {arrow::fixed_size_list(arrow::timestamp(arrow::TimeUnit::SECOND), 1), R"([[1], null, [null]])"},
      {arrow::map(arrow::utf8(), arrow::int32()), R"([[["a", 1]], null, []])"},
      {arrow::struct_({arrow::field("a", arrow::int32()), arrow::field("b", arrow::utf8())}),
       R"([{"a": 1, "b": "x"}, null, {"a": null, "b": null}])"},
      {arrow::struct_({arrow::field("t", arrow::date64())}), R"([{"t": 86400000}, null, {"t": null}])"},
      {arrow::struct_(arrow::FieldVector{}), "[{}, null, {}]"},
  };
  std::vector<JsonColumn> all = {{arrow::field("id", arrow::uint32()), "[1, 2, 4294967295]"}};
  for (size_t i = 0; i < columns.size(); ++i) {
    all.push_back({arrow::field("c" + std::to_string(i), columns[i].first), columns[i].second});
  }
  for (const auto& type :
       {arrow::float16(), arrow::float32(), arrow::float64(), arrow::int8(), arrow::int16(), arrow::int32(),
        arrow::int64(), arrow::uint8(), arrow::uint16(), arrow::uint32(), arrow::uint64()}) {
    all.push_back(
        {arrow::field("v_" + type->name(), arrow::fixed_size_list(type, 2)), "[[1, 2], [3, 4], [5, 6]]"});
    all.push_back(
        {arrow::field("n." + type->name(), arrow::fixed_size_list(type, 2)), "[[1, 2], null, [5, 6]]"});
    all.push_back({arrow::field("o_" + type->name(), arrow::fixed_size_list(type, 2)), "[null, null, null]"});
  }
  const auto ack = engine_.Put("d", BatchOf(all));
  ASSERT_TRUE(ack.ok()) << ack.status().ToString();
  const Rows expected = All("d");
  Take();
  engine_.Reopen();
  EXPECT_EQ(All("d"), expected);
  EXPECT_FALSE(Manifest().blocks.empty());
}

TEST_F(Snapshots, HoldTheCatalog) {
  ASSERT_TRUE(engine_.CreateNamespace("empty").ok());
  ASSERT_TRUE(engine_.CreateNamespace("gone").ok());
  ASSERT_TRUE(
      engine_.Put("ns/strings", BatchOf({{arrow::field("id", arrow::utf8()), R"(["a", "b"])"}})).ok());
  ASSERT_TRUE(engine_.Put("hidden", BatchOf({{arrow::field("x", arrow::int32()), "[1, 2, 3]"}})).ok());
  ASSERT_TRUE(engine_.Delete("hidden", {"2"}).ok());
  ASSERT_TRUE(engine_.Put("dropped", RowsFrom(0, 3)).ok());
  ASSERT_TRUE(engine_
                  .Put("volatile", BatchOf({{arrow::field("id", arrow::int64()), "[1]"}},
                                           {{"longbow.durability", "memory"}}))
                  .ok());
  ASSERT_TRUE(engine_
                  .Put("evolved", BatchOf({{arrow::field("id", arrow::int64()), "[1]"},
                                           {arrow::field("v", kFloat4), "[[1, 2, 3, 4]]"}},
                                          {{"longbow.metric", "cosine"}, {"longbow.durability", "async"}}))
                  .ok());
  ASSERT_TRUE(engine_
                  .Put("evolved", BatchOf({{arrow::field("id", arrow::int64()), "[2]"},
                                           {arrow::field("w", kFloat4), "[[1, 2, 3, 4]]"}},
                                          {{"longbow.metric", "ip"}, {"longbow.index", "flat"}}))
                  .ok());
  ASSERT_TRUE(engine_.Drop("dropped").ok());
  ASSERT_TRUE(engine_.DropNamespace("gone").ok());
  const auto namespaces = engine_->Namespaces();
  const Rows strings = All("ns/strings"), hidden = All("hidden"), evolved = All("evolved");
  Take();
  engine_.Reopen();
  EXPECT_EQ(engine_->Namespaces(), namespaces);
  EXPECT_EQ(All("ns/strings"), strings);
  EXPECT_EQ(All("hidden"), hidden);
  EXPECT_EQ(All("evolved"), evolved);
  EXPECT_THAT(All("volatile"), IsEmpty());
  EXPECT_EQ(CodeOf(engine_->Info("dropped").status()), ErrorCode::kNotFound);
  const auto schema = engine_->Info("evolved")->schema;
  EXPECT_EQ(schema->version, 2u);
  EXPECT_EQ(schema->durability, storage::Durability::kAsync);
  ASSERT_EQ(schema->vectors.size(), 2u);
  EXPECT_EQ(schema->vectors[0].metric, distance::Metric::kCosine);
  EXPECT_EQ(schema->vectors[0].index, "graph");
  EXPECT_EQ(schema->vectors[1].metric, distance::Metric::kInnerProduct);
  EXPECT_EQ(schema->vectors[1].index, "flat");
  // Keys that were drawn are not drawn again.
  ASSERT_TRUE(engine_.Put("hidden", BatchOf({{arrow::field("x", arrow::int32()), "[4]"}})).ok());
  EXPECT_THAT(All("hidden").back(), HasSubstr("3: "));
}

TEST_F(Snapshots, HoldEdgesInTheirOrder) {
  ASSERT_TRUE(engine_.Put("d", RowsFrom(0, 3)).ok());
  const auto add = [&](std::vector<NewEdge> edges) {
    std::promise<Status> added;
    engine_->AddEdges("d", std::move(edges),
                      [&](const Result<WriteAck>& ack) { added.set_value(ack.status()); });
    return added.get_future().get();
  };
  const auto all = [&] {
    Rows out;
    const auto store = *engine_->Edges("d");
    const EdgeReader reader(*store);
    for (uint32_t node = 0; node < reader.nodes(); ++node) {
      out.push_back("node " + std::to_string(reader.key(node).number));
      for (const auto& links : {reader.Out(node), reader.In(node)}) {
        for (const auto& link : links) {
          out.push_back(reader.predicates()[link.predicate] + " " + std::to_string(link.node) + " " +
                        std::to_string(link.weight));
        }
      }
    }
    out.push_back(std::to_string(reader.edges()));
    return out;
  };
  ASSERT_TRUE(add({{"1", "cites", "2", 1}, {"0", "cites", "2", 2}, {"2", "likes", "1", 3}}).ok());
  ASSERT_TRUE(add({{"1", "cites", "2", 7}, {"1", "likes", "1", 4}}).ok());
  const Rows before = all();
  Take();
  engine_.Reopen();
  EXPECT_EQ(all(), before);
  ASSERT_TRUE(add({{"0", "cites", "2", 5}}).ok());
  const Rows after = all();
  EXPECT_EQ(after.size(), before.size());
  engine_.Reopen();
  EXPECT_EQ(all(), after);
}

TEST_F(Snapshots, KnowWhichBatchesHadTheirEffect) {
  const RetryKey retry{"client", "stream", 17};
  const auto first = engine_.Put("d", RowsFrom(0, 100), retry);
  ASSERT_TRUE(first.ok());
  for (int i = 1; i < 40; ++i) ASSERT_TRUE(engine_.Put("d", RowsFrom(i * 100, 100)).ok());
  ASSERT_TRUE(engine_.Delete("d", {"5"}).ok());
  Take();
  engine_.Reopen();
  const auto again = engine_.Put("d", RowsFrom(0, 100), retry);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->sequence, first->sequence);
  EXPECT_THAT(All("d"), SizeIs(3999)) << "a batch sent again brought a deleted row back";
}

TEST_F(Snapshots, WriteOnlyWhatIsNew) {
  ASSERT_TRUE(engine_.Put("d", RowsFrom(0, 1000)).ok());
  EXPECT_EQ(Take().blocks_written, 1);
  EXPECT_EQ(Take().blocks_written, 0);
  const auto block = Manifest().blocks.at(0).file;
  ASSERT_TRUE(engine_.Put("d", RowsFrom(1000, 10)).ok());
  EXPECT_EQ(Take().blocks_written, 1);
  ASSERT_THAT(Manifest().blocks, SizeIs(2));
  EXPECT_EQ(Manifest().blocks[0].file, block);
  engine_.Reopen();
  EXPECT_EQ(Take().blocks_written, 0) << "also after a restart";
  EXPECT_THAT(All("d"), SizeIs(1010));
}

TEST_F(Snapshots, LeaveDeadRowsOutAndTheyStayDead) {
  ASSERT_TRUE(engine_.Put("d", RowsFrom(0, 1000)).ok());
  Take();
  for (int i = 0; i < 600; i += 100) {
    Rows keys;
    for (int k = i; k < i + 100; ++k) keys.push_back(std::to_string(k));
    ASSERT_TRUE(engine_.Delete("d", keys).ok());
  }
  ASSERT_TRUE(engine_.Put("d", RowsFrom(900, 100)).ok());  // replaced
  const Rows expected = All("d");
  for (int round = 0; round < 3; ++round) {
    Take();
    engine_.Reopen();
    EXPECT_EQ(All("d"), expected) << round;
  }
  uint64_t rows = 0;
  for (const auto& block : Manifest().blocks) rows += block.rows;
  EXPECT_EQ(rows, 400u);
  EXPECT_EQ(FilesIn("blocks"), Manifest().blocks.size()) << "old blocks were not removed";
  ASSERT_TRUE(engine_.Put("d", RowsFrom(100, 1)).ok());
  EXPECT_THAT(All("d"), SizeIs(401));
}

TEST_F(Snapshots, ShowOneMomentWhileWritesGoOn) {
  ASSERT_TRUE(engine_.Put("d", RowsFrom(0, 1)).ok());
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 1; !stop; ++i) {
      ASSERT_TRUE(engine_.Put("d", RowsFrom(i % 500 * 10, 10)).ok());
      if (i % 7 != 0) continue;
      ASSERT_TRUE(engine_.Delete("d", {std::to_string(i % 500 * 10)}).ok());
    }
  });
  for (int i = 0; i < 10; ++i) Take();
  stop = true;
  writer.join();
  const Rows expected = All("d");
  engine_.Reopen();
  EXPECT_EQ(All("d"), expected);
}

TEST_F(Snapshots, AreTakenByThemselvesWhenTheLogHasGrown) {
  EngineOptions options = SmallSegments();
  options.snapshot_log_bytes = 100000;
  EngineForTest engine(0, options);
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(engine.Put("d", RowsFrom(i * 100, 100)).ok());
  const auto files = MakePosixFileSystem(engine.directory(), 1).ValueOrDie();
  const auto taken = [&] { return storage::LoadManifest(files.get())->snapshot_sequence > 0; };
  for (int i = 0; i < 3000 && !taken(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(taken());
}

TEST_F(Snapshots, AreTakenSoonerWhereRowsReplaceRows) {
  EngineOptions options = SmallSegments();
  options.snapshot_dead_bytes = 100000;
  EngineForTest engine(0, options);
  const auto files = MakePosixFileSystem(engine.directory(), 1).ValueOrDie();
  const auto taken = [&] { return storage::LoadManifest(files.get())->version; };
  const auto logged = [&] { return CountersSeen::Of(*engine)["wal_bytes_written_total"]; };
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(engine.Put("d", RowsFrom(i * 100, 100)).ok());
  const auto first = taken();
  EXPECT_GT(logged(), 2 * 100000) << "more than may have died";
  EXPECT_EQ(storage::LoadManifest(files.get())->snapshot_sequence, 0u) << "rows that live are no reason";
  for (int round = 0; round < 200 && taken() < first + 3; ++round) {
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(engine.Put("d", RowsFrom(i * 100, 100)).ok());
  }
  EXPECT_GE(taken(), first + 3);
}

TEST_F(Snapshots, KeepWritersWaitingThatReplaceRowsFasterThanTheyGo) {
  EngineOptions options = SmallSegments();
  options.snapshot_dead_bytes = 100000;
  EngineForTest engine(0, options);
  const auto held = [&] { return CountersSeen::Of(*engine)["snapshot_answers_held_total"]; };
  ASSERT_TRUE(engine.Put("d", RowsFrom(0, 4000)).ok());
  engine.disk().Hold("blocks");
  for (int i = 0; i < 20 && held() == 0; ++i) ASSERT_TRUE(engine.Put("d", RowsFrom(0, 4000)).ok());
  EXPECT_GT(held(), 0);
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(engine.Put("d", RowsFrom(0, 4000)).ok());
  EXPECT_GT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(500));
  const auto before = held();
  ASSERT_TRUE(engine.Put("d", RowsFrom(0, 10)).ok());
  EXPECT_EQ(held(), before) << "small ones do not matter";
  std::thread writer([&] { ASSERT_TRUE(engine.Put("d", RowsFrom(0, 4000)).ok()); });
  engine.disk().LetGo();
  writer.join();
  EXPECT_THAT(VisibleRows(**engine->Pin("d")), SizeIs(4000));
  std::thread last([&] { ASSERT_TRUE(engine.Put("d", RowsFrom(0, 4000)).ok()); });
  last.join();
  engine.Stop();
}

// An engine whose snapshots are due at 1 MB of log, and a put under way for as long as it likes.
class SnapshotsBesideWriters : public testing::Test {
 protected:
  SnapshotsBesideWriters() : engine_(0, DueAtOneMegabyte()) {
    arriving_ = engine_.ledger().ReserveAlways(MemoryUse::kNetwork, 1 << 20);
  }
  static EngineOptions DueAtOneMegabyte() {
    EngineOptions options = SmallSegments();
    options.snapshot_log_bytes = 1'000'000;
    return options;
  }
  void Put() { ASSERT_TRUE(engine_.Put("d", RowsFrom(100 * puts_++, 100)).ok()); }
  void PutUntilDue() {
    while (Logged() < 1'300'000) Put();
  }
  uint64_t Logged() const {
    uint64_t bytes = 0;
    for (const auto& entry : fs::directory_iterator(fs::path(engine_.directory()) / "log")) {
      std::error_code gone;  // spares come and go meanwhile
      const uint64_t size = entry.path().extension() == ".log" ? fs::file_size(entry.path(), gone) : 0;
      if (!gone) bytes += size;
    }
    return bytes;
  }
  bool TakenWithin(std::chrono::milliseconds time) const {
    const auto files = MakePosixFileSystem(engine_.directory(), 1).ValueOrDie();
    const auto taken = [&] { return storage::LoadManifest(files.get())->snapshot_sequence > 0; };
    const auto end = std::chrono::steady_clock::now() + time;
    while (!taken() && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return taken();
  }

  EngineForTest engine_;
  MemoryReservation arriving_;
  int puts_ = 0;
};

TEST_F(SnapshotsBesideWriters, WaitUntilTheLogIsTwiceAsLong) {
  PutUntilDue();
  EXPECT_FALSE(TakenWithin(std::chrono::milliseconds(300)));
  for (const int due = puts_; puts_ < 2 * due;) Put();
  EXPECT_TRUE(TakenWithin(std::chrono::seconds(30)));
}

TEST_F(SnapshotsBesideWriters, AreTakenWhenThePutsEnd) {
  PutUntilDue();
  arriving_.Release();
  EXPECT_TRUE(TakenWithin(std::chrono::seconds(30)));
}

TEST_F(Snapshots, GoOnWithoutACompactionThatWasCancelled) {
  ASSERT_TRUE(engine_.Put("d", RowsFrom(0, 1000)).ok());
  Take();
  ASSERT_TRUE(engine_.Delete("d", {"1", "2", "3"}).ok());
  EXPECT_FALSE(engine_->CancelCompaction()) << "there is none";
  const uint64_t block = Manifest().blocks.at(0).file;
  const Rows expected = All("d");
  engine_.disk().Hold("blocks");
  std::promise<Status> compacted, compacted_later, snapshot;
  engine_->Compact("d", [&](const Result<SnapshotInfo>& info) { compacted.set_value(info.status()); });
  engine_.disk().AwaitWriter();
  EXPECT_EQ(CountersSeen::Of(*engine_)["compaction_running"], 1);
  engine_->Compact("", [&](const Result<SnapshotInfo>& info) { compacted_later.set_value(info.status()); });
  engine_->TakeSnapshot([&](const Result<SnapshotInfo>& info) { snapshot.set_value(info.status()); });
  EXPECT_TRUE(engine_->CancelCompaction());
  EXPECT_EQ(CodeOf(compacted_later.get_future().get()), ErrorCode::kCancelled);
  engine_.disk().LetGo();
  EXPECT_EQ(CodeOf(compacted.get_future().get()), ErrorCode::kCancelled);
  EXPECT_TRUE(snapshot.get_future().get().ok());
  ASSERT_THAT(Manifest().blocks, SizeIs(1));
  EXPECT_EQ(Manifest().blocks[0].file, block) << "three dead of a thousand are not due";
  EXPECT_EQ(FilesIn("blocks"), 1u) << "what the compaction wrote is gone";
  const auto counters = CountersSeen::Of(*engine_);
  EXPECT_EQ(counters["compaction_running"], 0);
  EXPECT_EQ(counters["compaction_cancelled_total"], 2);
  engine_.Reopen();
  EXPECT_EQ(All("d"), expected);
}

TEST_F(Snapshots, AreTakenAlsoWhenTheirCompactionFindsNoSpace) {
  ASSERT_TRUE(engine_.Put("d", RowsFrom(0, 1000)).ok());
  Take();
  Rows keys;
  for (int i = 0; i < 500; ++i) keys.push_back(std::to_string(i));
  ASSERT_TRUE(engine_.Delete("d", keys).ok());
  const Rows expected = All("d");
  const uint64_t block = Manifest().blocks.at(0).file;
  engine_.disk().Hold("blocks");  // nothing is new: only the compaction writes there
  std::promise<Status> snapshot, compaction;
  engine_->TakeSnapshot([&](const Result<SnapshotInfo>& info) { snapshot.set_value(info.status()); });
  engine_.disk().AwaitWriter();
  engine_->Compact("d", [&](const Result<SnapshotInfo>& info) { compaction.set_value(info.status()); });
  const auto deletions = Manifest().blocks.at(0).dead;
  EXPECT_FALSE(deletions.empty()) << "the snapshot is there before anything is written again";
  engine_.disk().set_full(true);
  engine_.disk().LetGo();
  const Status taken = snapshot.get_future().get();
  EXPECT_TRUE(taken.ok()) << taken.ToString();
  EXPECT_EQ(CodeOf(compaction.get_future().get()), ErrorCode::kResourceExhausted);
  EXPECT_EQ(Manifest().blocks.at(0).file, block);
  EXPECT_EQ(FilesIn("blocks"), 1u) << "what was begun takes no space";
  EXPECT_GE(CountersSeen::Of(*engine_)["compaction_failed_total"], 1);
  engine_.disk().set_full(false);
  engine_.Reopen();
  EXPECT_EQ(All("d"), expected);
  Take();
  ASSERT_THAT(Manifest().blocks, SizeIs(1));
  EXPECT_EQ(Manifest().blocks[0].rows, 500u);
  engine_.Reopen();
  EXPECT_EQ(All("d"), expected);
}

TEST_F(Snapshots, StartBesideFilesThatAreNotTheirs) {
  ASSERT_TRUE(engine_.Put("d", RowsFrom(0, 100)).ok());
  Take();
  const Rows expected = All("d");
  engine_.Stop();
  for (const char* name : {"blocks/99.parquet", "blocks/.tmp", "blocks/x.parquet", "blocks/7.parquet.part",
                           "derived/notes", "manifest.new", "junk", "log/core", "log/1.log.bak"}) {
    std::ofstream(Path(name)) << (std::string_view(name).ends_with("junk") ? "" : "junk");
  }
  fs::create_directories(Path("derived/98"));
  std::ofstream(Path("derived/98/graph.new")) << "junk";
  ASSERT_TRUE(engine_.Start().ok());
  EXPECT_EQ(All("d"), expected);
  EXPECT_FALSE(fs::exists(Path("blocks/99.parquet")));
  EXPECT_FALSE(fs::exists(Path("derived/98")));
  EXPECT_TRUE(fs::exists(Path("blocks/x.parquet")));
  EXPECT_TRUE(fs::exists(Path("junk")));
  Take();
}

TEST_F(Snapshots, RefuseADamagedBlockAndNameIt) {
  ASSERT_TRUE(engine_.Put("d", RowsFrom(0, 100)).ok());
  Take();
  engine_.Stop();
  const std::string name = "blocks/" + std::to_string(Manifest().blocks.at(0).file) + ".parquet";
  std::fstream(Path(name), std::ios::in | std::ios::out).seekp(300).put('!');
  const Status refused = engine_.Start();
  EXPECT_EQ(CodeOf(refused), ErrorCode::kCorruption);
  EXPECT_THAT(refused.message(), HasSubstr(name));
}

TEST_F(Snapshots, RefuseADirectoryThatLostItsManifest) {
  ASSERT_TRUE(engine_.Put("d", RowsFrom(0, 100)).ok());
  Take();
  engine_.Stop();
  fs::remove(Path("manifest"));
  const Status refused = engine_.Start();
  EXPECT_EQ(CodeOf(refused), ErrorCode::kCorruption);
  EXPECT_THAT(refused.message(), HasSubstr("manifest"));
}

TEST_F(Snapshots, SaveIndexesAndDoWithoutThemWhenTheyAreDamaged) {
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(engine_.Put("d", RowsFrom(i * 100, 100)).ok());
  ASSERT_TRUE(engine_.WaitIndexed().ok());
  ASSERT_TRUE(engine_.Delete("d", {"1", "2", "3"}).ok());
  Take();
  ASSERT_THAT(Manifest().derived, SizeIs(1));
  const std::string directory = "derived/" + std::to_string(Manifest().derived[0].file);
  const Rows expected = All("d");
  for (const char* damage : {"none", "flip", "removed"}) {
    SCOPED_TRACE(damage);
    ASSERT_TRUE(engine_.Put("d", RowsFrom(5000, 2)).ok());  // in the log alone
    engine_.Stop();
    if (damage == std::string("flip")) {
      std::fstream(Path(directory + "/graph"), std::ios::in | std::ios::out).seekp(3000).put('!');
    }
    if (damage == std::string("removed")) fs::remove_all(Path(directory));
    ASSERT_TRUE(engine_.Start().ok());
    ASSERT_TRUE(engine_.WaitIndexed().ok());
    EXPECT_EQ(engine_->IndexBacklog("d"), 0);
    EXPECT_THAT(All("d"), SizeIs(expected.size() + 2));
    const auto view = *engine_->Pin("d");
    const auto audit = view->Index(0).Audit();
    ASSERT_TRUE(audit.ok());
    EXPECT_THAT(audit->violations, IsEmpty());
    EXPECT_EQ(audit->live, view->live_rows());
  }
}

}  // namespace
}  // namespace longbow::engine
