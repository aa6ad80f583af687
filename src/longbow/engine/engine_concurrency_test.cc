// Writers, readers and deleters at once; most telling under TSan.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "longbow/engine/engine_for_test.h"

namespace longbow::engine {
namespace {

constexpr int kWriters = 2, kBatches = 60, kRows = 8;

// Every row of a batch carries the batch's number, so that a torn batch shows.
std::shared_ptr<arrow::RecordBatch> BatchOfWriter(int writer, int batch, const std::string& kind) {
  std::string ids, numbers, vectors;
  for (int row = 0; row < kRows; ++row) {
    const std::string comma = row == 0 ? "" : ",";
    const std::string key = std::to_string(writer * 1000 + row);
    ids += comma + (kind == "string" ? "\"" + key + "\"" : key);
    numbers += comma + std::to_string(batch);
    vectors += comma + "[" + std::to_string(batch) + "," + std::to_string(row) + "]";
  }
  return BatchOf({{arrow::field("id", kind == "string" ? arrow::utf8() : arrow::int64()), "[" + ids + "]"},
                  {arrow::field("batch", arrow::int64()), "[" + numbers + "]"},
                  {arrow::field("vector", arrow::fixed_size_list(arrow::float32(), 2)), "[" + vectors + "]"}},
                 {{"longbow.durability", "async"}});
}

// Each writer overwrites its own keys batch after batch: a view shows all rows of one batch of each writer,
// or none.
void ExpectWholeBatches(const View& view, std::atomic<int>* looks) {
  std::vector<RowOrdinal> rows;
  for (const auto& block : view.blocks()) {
    for (RowOrdinal row = block->first; row < block->end; ++row) {
      if (view.visibility().Visible(row)) rows.push_back(row);
    }
  }
  ASSERT_EQ(static_cast<int64_t>(rows.size()), view.live_rows());
  ASSERT_EQ(rows.size() % kRows, 0u);
  const auto batches = view.TakeColumn("batch", rows);
  ASSERT_TRUE(batches.ok());
  const auto& numbers = static_cast<const arrow::Int64Array&>(**batches);
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(numbers.Value(static_cast<int64_t>(i)), numbers.Value(static_cast<int64_t>(i / kRows * kRows)));
    float vector[2];
    std::memcpy(vector, view.Vectors(0).Row(rows[i]), sizeof(vector));
    ASSERT_EQ(vector[0], static_cast<float>(numbers.Value(static_cast<int64_t>(i))));
  }
  for (int writer = 0; writer < kWriters; ++writer) {
    const auto row = view.FindKey(std::to_string(writer * 1000));
    ASSERT_EQ(row.ok(), view.FindKey(std::to_string(writer * 1000 + kRows - 1)).ok());
  }
  looks->fetch_add(1);
}

class Concurrency : public ::testing::TestWithParam<std::string> {};

TEST_P(Concurrency, ViewsShowWholeBatchesWhateverRunsBeside) {
  EngineForTest engine;
  const std::string kind = GetParam();
  ASSERT_TRUE(engine.Put("d", BatchOfWriter(0, 0, kind)).ok());
  std::atomic<int> writing{kWriters}, looks{0};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      const auto schema = BatchOfWriter(writer, 0, kind)->schema();
      const auto stream = *engine->OpenWriter("d", *schema);
      for (int batch = 0; batch < kBatches; ++batch) {
        EXPECT_TRUE(engine
                        .Put(*stream, BatchOfWriter(writer, batch, kind),
                             {"c", std::to_string(writer), static_cast<uint64_t>(batch)})
                        .ok());
        if (batch % 10 != 9) continue;
        std::vector<std::string> keys;
        for (int row = 0; row < kRows; ++row) keys.push_back(std::to_string(writer * 1000 + row));
        const auto ack = engine.Delete("d", keys);
        EXPECT_TRUE(ack.ok() && ack->rows == kRows) << ack.status().ToString();
      }
      writing.fetch_sub(1);
    });
  }
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      while (writing.load() > 0) {
        const auto view = engine->Pin("d");
        ASSERT_TRUE(view.ok());
        ASSERT_NO_FATAL_FAILURE(ExpectWholeBatches(**view, &looks));
        (void)engine->Datasets();
        (void)engine->IndexBacklog("d");
      }
    });
  }
  threads.emplace_back([&] {  // datasets that come and go beside
    for (int i = 0; writing.load() > 0; ++i) {
      const std::string name = "t" + std::to_string(i % 3);
      EXPECT_TRUE(engine.Put(name, BatchOfWriter(0, i, kind)).ok());
      const auto view = engine->Pin(name);
      EXPECT_TRUE(engine.Drop(name).ok());
      if (view.ok()) {
        EXPECT_EQ((*view)->live_rows(), kRows);
      }
    }
  });
  for (auto& thread : threads) thread.join();
  EXPECT_GT(looks.load(), 0);
  EXPECT_EQ((*engine->Pin("d"))->live_rows(), 0) << "the last batch of each writer was deleted";
  engine.Reopen();
  EXPECT_EQ((*engine->Pin("d"))->live_rows(), 0);
}

INSTANTIATE_TEST_SUITE_P(Keys, Concurrency, ::testing::Values("int", "string"),
                         [](const auto& info) { return info.param; });

TEST(EngineConcurrency, OneBatchSentByManyAtOnceHasEffectOnce) {
  EngineForTest engine;
  const auto batch = BatchOf({{arrow::field("text", arrow::utf8()), R"(["x"])"}});
  const auto writer = *engine->OpenWriter("d", *batch->schema());
  std::vector<std::future<Result<WriteAck>>> acks;
  for (int i = 0; i < 8; ++i) {
    acks.push_back(std::async(std::launch::async, [&] { return engine.Put("d", batch, {"c", "s", 1}); }));
  }
  Sequence sequence = 0;
  for (auto& future : acks) {
    const auto ack = future.get();
    ASSERT_TRUE(ack.ok()) << ack.status().ToString();
    if (sequence == 0) sequence = ack->sequence;
    EXPECT_EQ(ack->sequence, sequence);
  }
  EXPECT_EQ((*engine->Pin("d"))->live_rows(), 1);
}

}  // namespace
}  // namespace longbow::engine
