// Memory of rows that nobody sees any more goes back, and nothing else goes with it.
#include <arrow/api.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "longbow/engine/engine_for_test.h"
#include "longbow/index/vector_index.h"

namespace longbow::engine {
namespace {

constexpr int kDim = 64;

struct Case {
  std::string name, key, index;
};

// What a dataset holds: by key, the number that its row was written with.
using Model = std::map<int64_t, int64_t>;

class Forgetting : public testing::TestWithParam<Case> {
 protected:
  bool hidden() const { return GetParam().key == "hidden"; }
  std::string KeyText(int64_t key) const {
    return GetParam().key == "string" ? "key " + std::to_string(key) : std::to_string(key);
  }

  // Rows written with numbers from `first` on.
  std::shared_ptr<arrow::RecordBatch> Batch(const std::vector<int64_t>& keys, int64_t first) const {
    arrow::Int64Builder ints, numbers;
    arrow::StringBuilder strings, texts;
    arrow::FloatBuilder values;
    for (size_t i = 0; i < keys.size(); ++i) {
      const int64_t number = first + static_cast<int64_t>(i);
      EXPECT_TRUE(ints.Append(keys[i]).ok() && strings.Append(KeyText(keys[i])).ok());
      EXPECT_TRUE(numbers.Append(number).ok() && texts.Append("row " + std::to_string(number)).ok());
      for (int d = 0; d < kDim; ++d) EXPECT_TRUE(values.Append(static_cast<float>(number % 9973 + d)).ok());
    }
    const auto type = arrow::fixed_size_list(arrow::float32(), kDim);
    const auto vectors = std::make_shared<arrow::FixedSizeListArray>(type, static_cast<int64_t>(keys.size()),
                                                                     *values.Finish());
    arrow::FieldVector fields{arrow::field("number", arrow::int64()), arrow::field("text", arrow::utf8()),
                              arrow::field("vector", type)};
    arrow::ArrayVector columns{*numbers.Finish(), *texts.Finish(), vectors};
    if (!hidden()) {
      const bool text = GetParam().key == "string";
      fields.insert(fields.begin(), arrow::field("id", text ? arrow::utf8() : arrow::int64()));
      columns.insert(columns.begin(), text ? *strings.Finish() : *ints.Finish());
    }
    const auto metadata =
        arrow::key_value_metadata({{"longbow.index", GetParam().index}, {"longbow.durability", "async"}});
    return arrow::RecordBatch::Make(arrow::schema(fields, metadata), static_cast<int64_t>(keys.size()),
                                    columns);
  }

  void Put(const std::vector<int64_t>& keys) {
    const auto ack = engine_.Put("d", Batch(keys, next_number_));
    ASSERT_TRUE(ack.ok()) << ack.status().ToString();
    for (const int64_t key : keys) model_[key] = next_number_++;
    next_key_ = std::max(next_key_, *std::max_element(keys.begin(), keys.end()) + 1);
  }
  void Delete(const std::vector<int64_t>& keys) {
    std::vector<std::string> texts;
    for (const int64_t key : keys) {
      texts.push_back(KeyText(key));
      model_.erase(key);
    }
    const auto ack = engine_.Delete("d", texts);
    ASSERT_TRUE(ack.ok()) << ack.status().ToString();
  }
  std::vector<int64_t> Fresh(int count) const {
    std::vector<int64_t> keys;
    for (int i = 0; i < count; ++i) keys.push_back(next_key_ + i);
    return keys;
  }

  // The view shows the model: rows, their vectors, the way from keys, and what a scan finds.
  void Check(const View& view, const Model& model) {
    std::vector<RowOrdinal> rows;
    for (const auto& block : view.blocks()) {
      for (RowOrdinal row = block->first; row < block->end; ++row) {
        if (view.visibility().Visible(row)) rows.push_back(row);
      }
    }
    ASSERT_EQ(rows.size(), model.size());
    std::map<int64_t, RowOrdinal> row_of;
    const auto numbers = *view.TakeColumn("number", rows);
    const auto texts = *view.TakeColumn("text", rows);
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      const int64_t number = static_cast<const arrow::Int64Array&>(*numbers).Value(at);
      row_of[number] = rows[i];
      ASSERT_EQ(static_cast<const arrow::StringArray&>(*texts).GetString(at),
                "row " + std::to_string(number));
      float vector[kDim];
      std::memcpy(vector, view.Vectors(0).Row(rows[i]), sizeof(vector));
      for (int d = 0; d < kDim; ++d)
        ASSERT_EQ(vector[d], static_cast<float>(number % 9973 + d)) << "row " << rows[i];
    }
    size_t looked = 0;
    for (const auto& [key, number] : model) {
      ASSERT_TRUE(row_of.contains(number)) << "key " << key;
      if (looked++ % 7 != 0) continue;
      const auto row = view.FindKey(KeyText(key));
      ASSERT_TRUE(row.ok()) << row.status().ToString();
      ASSERT_EQ(*row, row_of[number]);
    }
    CheckSearch(view, model);
  }
  void CheckSearch(const View& view, const Model& model) {
    if (model.empty()) return;
    const std::vector<float> query(kDim, 5000);
    index::SearchSpec spec;
    spec.queries = reinterpret_cast<const std::byte*>(query.data());
    const uint32_t k[] = {static_cast<uint32_t>(std::min<size_t>(20, model.size()))};
    spec.k = k;
    spec.visibility = view.visibility();
    index::SearchShape shape;
    shape.rows = spec.visibility.end;
    for (const auto& cost : view.Index(0).Methods(shape)) {
      spec.method = cost.method;
      const auto scratch = view.Index(0).NewScratch();
      index::SearchHits hits;
      ASSERT_TRUE(view.Index(0).Search(spec, scratch.get(), &hits).ok());
      EXPECT_EQ(hits.neighbors.size(), k[0]) << index::MethodName(cost.method);
      for (const auto& hit : hits.neighbors) EXPECT_TRUE(spec.visibility.Visible(hit.row));
    }
  }
  void CheckNow() { Check(**engine_->Pin("d"), model_); }

  // Of rows written with numbers from 0 on.
  static void ExpectFirstRows(const arrow::RecordBatch& batch) {
    const auto column = batch.GetColumnByName("vector");
    const auto& vectors = static_cast<const arrow::FixedSizeListArray&>(*column);
    const auto& values = static_cast<const arrow::FloatArray&>(*vectors.values());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      ASSERT_EQ(values.Value(row * kDim), static_cast<float>(row % 9973));
    }
  }

  // Until the ledger says so; a write now and then, as the last view of what was published stays until then.
  bool Falls(MemoryUse use, int64_t below) {
    for (int i = 0; i < 1500 && engine_.ledger().used(use) > below; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      if (i % 20 == 19) Put(Fresh(1));
    }
    return engine_.ledger().used(use) <= below;
  }

  EngineForTest engine_;
  Model model_;
  int64_t next_number_ = 0, next_key_ = 0;
};

TEST_P(Forgetting, ChurnLosesNothingAndStopsGrowing) {
  if (hidden()) GTEST_SKIP() << "its rows are never replaced";
  const bool graph = GetParam().index == "graph";
  const int keys = graph ? 800 : 3000, batches = graph ? 60 : 150;
  std::mt19937 random(7);
  std::shared_ptr<const View> old;
  Model old_model;
  for (int batch = 0; batch < batches; ++batch) {
    std::vector<int64_t> put, gone;
    for (int i = 0; i < 1000; ++i) put.push_back(static_cast<int64_t>(random() % keys));
    ASSERT_NO_FATAL_FAILURE(Put(put));
    for (int i = 0; i < 50; ++i) gone.push_back(put[random() % put.size()]);
    ASSERT_NO_FATAL_FAILURE(Delete(gone));
    if (batch % 10 == 0) {
      if (old != nullptr) {
        ASSERT_NO_FATAL_FAILURE(Check(*old, old_model)) << "batch " << batch;
      }
      old = batch % 40 == 30 ? nullptr : *engine_->Pin("d");
      old_model = model_;
    }
    if (batch % 25 == 24) {
      ASSERT_NO_FATAL_FAILURE(CheckNow()) << "batch " << batch;
    }
  }
  ASSERT_TRUE(engine_.WaitIndexed().ok());
  old = nullptr;
  EXPECT_TRUE(Falls(MemoryUse::kSlabs, int64_t{graph ? 4 : 8} << 20))
      << engine_.ledger().used(MemoryUse::kSlabs);
  CheckNow();
  ASSERT_TRUE(engine_.Snapshot().ok());
  engine_.Reopen();
  ASSERT_TRUE(engine_.WaitIndexed().ok());
  CheckNow();
  EXPECT_TRUE(Falls(MemoryUse::kSlabs, int64_t{graph ? 4 : 8} << 20))
      << engine_.ledger().used(MemoryUse::kSlabs);
  ASSERT_NO_FATAL_FAILURE(Put({1, 2, 3}));
  CheckNow();
}

// Many generations are in the log, or behind a snapshot in the log; what a start needs is what was alive.
TEST_P(Forgetting, AStartNeedsNoMemoryForRowsThatDiedInTheLog) {
  const auto churn = [&](int batches) {
    for (int batch = 0; batch < batches; ++batch) {
      std::vector<int64_t> gone;
      for (const auto& [key, number] : model_) gone.push_back(key);
      std::vector<int64_t> put = hidden() ? Fresh(2000) : gone;
      if (put.empty()) put = Fresh(2000);
      if (hidden() && !gone.empty()) {
        ASSERT_NO_FATAL_FAILURE(Delete(gone));
      }
      ASSERT_NO_FATAL_FAILURE(Put(put));
    }
  };
  const auto restart = [&](const char* when) {
    engine_.Reopen();
    // 2,000 rows are 0.5 MB, 100 generations 51 MB; dead ones are looked for every 16,384 rows.
    EXPECT_LE(engine_.ledger().used(MemoryUse::kSlabs), int64_t{12} << 20) << when;
    ASSERT_NO_FATAL_FAILURE(CheckNow()) << when;
    ASSERT_NO_FATAL_FAILURE(Put(Fresh(300)));  // beside rows of before
    ASSERT_NO_FATAL_FAILURE(CheckNow()) << when;
    ASSERT_TRUE(engine_.WaitIndexed().ok());
    ASSERT_NO_FATAL_FAILURE(CheckNow()) << when;
    const auto report = *(*engine_->Pin("d"))->Index(0).Audit();
    EXPECT_TRUE(report.violations.empty()) << when << ": " << report.violations.front();
  };
  ASSERT_NO_FATAL_FAILURE(churn(100));
  ASSERT_NO_FATAL_FAILURE(restart("from the log"));
  ASSERT_NO_FATAL_FAILURE(churn(10));
  ASSERT_TRUE(engine_.WaitIndexed().ok());
  ASSERT_TRUE(engine_.Snapshot().ok());
  ASSERT_NO_FATAL_FAILURE(churn(100));
  ASSERT_NO_FATAL_FAILURE(restart("from a snapshot and the log"));
  ASSERT_NO_FATAL_FAILURE(churn(10));
  ASSERT_TRUE(engine_.WaitIndexed().ok());
  CheckNow();
  EXPECT_TRUE(Falls(MemoryUse::kSlabs, int64_t{8} << 20)) << engine_.ledger().used(MemoryUse::kSlabs);
  ASSERT_TRUE(engine_.Snapshot().ok());
  ASSERT_NO_FATAL_FAILURE(restart("from a snapshot"));
}

// While all rows are dead there is nothing to make codes of. When there is, they are made for rows whose
// memory is on its way back, and writers let few be made at a time.
TEST_P(Forgetting, RowsMayBeForgottenBeforeTheyAreCoded) {
  for (int batch = 0; batch < 25; ++batch) {
    ASSERT_NO_FATAL_FAILURE(Put(Fresh(2000)));
    std::vector<int64_t> gone;
    for (const auto& [key, number] : model_) gone.push_back(key);
    ASSERT_NO_FATAL_FAILURE(Delete(gone));
  }
  engine_.Reopen();
  ASSERT_TRUE(engine_.WaitIndexed().ok());
  auto view = engine_->Pin("d");
  auto writing = engine_.ledger().ReserveAlways(MemoryUse::kNetwork, 1 << 20);
  for (int batch = 0; batch < 60; ++batch) {
    ASSERT_NO_FATAL_FAILURE(Put(Fresh(100)));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (batch == 10) view = engine_->Pin("d");
  }
  writing.Release();
  ASSERT_TRUE(engine_.WaitIndexed().ok());
  ASSERT_NO_FATAL_FAILURE(CheckNow());
}

TEST_P(Forgetting, NewRowsInOldOnesOutTakeNoMore) {
  // A window of 20,000 rows slides over six times as many.
  const int window = 20000, step = 2000, rounds = GetParam().index == "graph" ? 20 : 60;
  for (int round = 0; round < rounds; ++round) {
    ASSERT_NO_FATAL_FAILURE(Put(Fresh(step)));
    if (round * step >= window) {
      std::vector<int64_t> gone;
      for (const auto& [key, number] : model_) {
        if (static_cast<int>(gone.size()) == step) break;
        gone.push_back(key);
      }
      ASSERT_NO_FATAL_FAILURE(Delete(gone));
      EXPECT_TRUE(engine_.Delete("d", {KeyText(gone[0])}).ok()) << "a deletion sent again";
    }
    ASSERT_TRUE(engine_.WaitIndexed().ok());
  }
  CheckNow();
  EXPECT_TRUE(Falls(MemoryUse::kSlabs, int64_t{12} << 20)) << "20,000 rows are 5 MB";
  CheckNow();
  std::vector<int64_t> all;
  for (const auto& [key, number] : model_) all.push_back(key);
  ASSERT_NO_FATAL_FAILURE(Delete(all));
  // All but the rows of the last chunk, which is not full.
  EXPECT_TRUE(Falls(MemoryUse::kSlabs, int64_t{4} << 20)) << engine_.ledger().used(MemoryUse::kSlabs);
  EXPECT_TRUE(Falls(MemoryUse::kRows, int64_t{2} << 20)) << engine_.ledger().used(MemoryUse::kRows);
}

TEST_P(Forgetting, AViewAndWhatWasReadThroughItKeepTheirRows) {
  ASSERT_NO_FATAL_FAILURE(Put(Fresh(40000)));
  ASSERT_TRUE(engine_.WaitIndexed().ok());
  auto view = *engine_->Pin("d");
  const Model before = model_;
  std::vector<int64_t> all;
  for (const auto& [key, number] : model_) all.push_back(key);
  auto batch = *view->SliceRows(0, view->SliceEnd(0, 100));
  ASSERT_NO_FATAL_FAILURE(Delete(all));
  ASSERT_NO_FATAL_FAILURE(Put(Fresh(1)));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ASSERT_NO_FATAL_FAILURE(Check(*view, before));
  view = nullptr;
  // Slabs that were given back too early hold other rows by now.
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_NO_FATAL_FAILURE(Put(Fresh(10000)));
  }
  ExpectFirstRows(*batch);
  batch = nullptr;
  all.clear();
  for (const auto& [key, number] : model_) all.push_back(key);
  ASSERT_NO_FATAL_FAILURE(Delete(all));
  ASSERT_TRUE(engine_.WaitIndexed().ok());
  EXPECT_TRUE(Falls(MemoryUse::kSlabs, int64_t{4} << 20)) << engine_.ledger().used(MemoryUse::kSlabs);
}

// Though it sees none of the rows: it may have come to them on its way before they were taken out of reach.
TEST_P(Forgetting, WhoLooksWhileRowsAreForgottenKeepsTheirSlabs) {
  ASSERT_NO_FATAL_FAILURE(Put(Fresh(40000)));
  ASSERT_TRUE(engine_.WaitIndexed().ok());
  std::vector<int64_t> all;
  for (const auto& [key, number] : model_) all.push_back(key);
  auto before = *engine_->Pin("d");
  ASSERT_NO_FATAL_FAILURE(Delete(all));
  auto behind = *engine_->Pin("d");
  const int64_t slabs = engine_.ledger().used(MemoryUse::kSlabs);
  before = nullptr;
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_NO_FATAL_FAILURE(Put(Fresh(1)));
    ASSERT_GT(engine_.ledger().used(MemoryUse::kSlabs), slabs / 2);
  }
  behind = nullptr;
  EXPECT_TRUE(Falls(MemoryUse::kSlabs, int64_t{4} << 20)) << engine_.ledger().used(MemoryUse::kSlabs);
}

INSTANTIATE_TEST_SUITE_P(Each, Forgetting,
                         testing::Values(Case{"IntFlat", "int", "flat"}, Case{"StringFlat", "string", "flat"},
                                         Case{"HiddenFlat", "hidden", "flat"},
                                         Case{"IntGraph", "int", "graph"}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace longbow::engine
