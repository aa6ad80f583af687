// For tests: an engine in a directory of its own, written and asked without a network.
#pragma once

#include <arrow/api.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "longbow/base/counters_for_test.h"
#include "longbow/engine/batch_codec.h"
#include "longbow/engine/engine.h"
#include "longbow/query/search.h"

namespace longbow::query {

// The system's clock, moved on by `step_ns` at every look. Atomic.
class SteppingClock final : public Clock {
 public:
  int64_t MonotonicNanos() const override {
    return SystemClock()->MonotonicNanos() + skipped_.fetch_add(step_ns) + step_ns;
  }
  int64_t WallMicros() const override { return SystemClock()->WallMicros(); }
  std::atomic<int64_t> step_ns{0};

 private:
  mutable std::atomic<int64_t> skipped_{0};
};

// Calls may come from several threads, as the engine's do.
class TestDatabase {
 public:
  explicit TestDatabase(QueryOptions query = {}) {
    char name[] = "/tmp/longbow_query_XXXXXX";
    root_ = mkdtemp(name);
    files_ = MakePosixFileSystem(root_, 2).ValueOrDie();
    random_ = MakeSeededRandom(7);
    for (auto* pool : {&appliers_, &searchers_, &builders_}) *pool = MakeThreadPool({.threads = 1});
    environment_.files = files_.get();
    environment_.clock = SystemClock();
    environment_.random = random_.get();
    environment_.appliers = appliers_.get();
    environment_.searchers = searchers_.get();
    environment_.builders = builders_.get();
    engine::EngineOptions options;
    options.log.segment_bytes = 1 << 20;
    options.log.spare_segments = 0;
    engine_ = engine::Engine::Open(environment_, &ledger_, &arena_, options).ValueOrDie();
    Environment query_environment = environment_;
    query_environment.clock = &clock;
    query_ = std::make_unique<QueryEngine>(engine_.get(), query_environment, &ledger_, query);
  }
  ~TestDatabase() {
    query_.reset();
    engine_.reset();
    for (auto* pool : {&appliers_, &searchers_, &builders_}) pool->reset();
    files_.reset();
    std::filesystem::remove_all(root_);
  }

  engine::Engine& engine() { return *engine_; }
  QueryEngine& query() { return *query_; }
  MemoryLedger& ledger() { return ledger_; }
  Executor& builders() { return *builders_; }

  void Create(const std::string& dataset, const std::shared_ptr<arrow::Schema>& schema) {
    auto writer = engine_->OpenWriter(dataset, *schema);
    ASSERT_TRUE(writer.ok()) << writer.status();
    std::promise<Status> done;
    (*writer)->WhenReady([&](Status status) { done.set_value(std::move(status)); });
    const Status status = done.get_future().get();
    ASSERT_TRUE(status.ok()) << status;
  }

  void Put(const std::string& dataset, const std::shared_ptr<arrow::RecordBatch>& batch) {
    auto writer = engine_->OpenWriter(dataset, *batch->schema());
    ASSERT_TRUE(writer.ok()) << writer.status();
    engine::BatchDecoder decoder;
    engine::IncomingBatch incoming;
    const auto schema = engine::EncodeSchema(*batch->schema()).ValueOrDie();
    ASSERT_TRUE(decoder.Next(schema, &incoming).ValueOrDie());
    const auto message = engine::EncodeBatch(*batch).ValueOrDie();
    const auto decoded = decoder.Next(message, &incoming);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    std::promise<Status> done;
    (*writer)->Write(std::move(incoming), message, {}, {},
                     [&](Result<engine::WriteAck> ack) { done.set_value(ack.status()); });
    const Status status = done.get_future().get();
    ASSERT_TRUE(status.ok()) << status;
  }

  void Delete(const std::string& dataset, std::vector<std::string> keys) {
    std::promise<Status> done;
    engine_->Delete(dataset, std::move(keys),
                    [&](Result<engine::WriteAck> ack) { done.set_value(ack.status()); });
    const Status status = done.get_future().get();
    ASSERT_TRUE(status.ok()) << status;
  }

  void WaitIndexed(const std::string& dataset) {
    std::promise<Status> done;
    engine_->WhenIndexed(dataset, [&](Status status) { done.set_value(std::move(status)); });
    const Status status = done.get_future().get();
    ASSERT_TRUE(status.ok()) << status;
  }

  SteppingClock clock;  // of searches, not of the engine

 private:
  std::string root_;
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Executor> appliers_, searchers_, builders_;
  Environment environment_;
  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<QueryEngine> query_;
};

// Columns from plain values; null where there is none.
template <typename Builder, typename T>
std::shared_ptr<arrow::Array> MakeColumn(const std::vector<std::optional<T>>& values) {
  Builder builder;
  for (const auto& value : values) {
    EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  }
  return builder.Finish().ValueOrDie();
}
inline std::shared_ptr<arrow::Array> Int64s(const std::vector<std::optional<int64_t>>& values) {
  return MakeColumn<arrow::Int64Builder>(values);
}
inline std::shared_ptr<arrow::Array> Strings(const std::vector<std::optional<std::string>>& values) {
  return MakeColumn<arrow::StringBuilder>(values);
}
// [first, first + count) as int64.
inline std::shared_ptr<arrow::Array> Range(int64_t first, int64_t count) {
  std::vector<std::optional<int64_t>> values;
  for (int64_t i = 0; i < count; ++i) values.emplace_back(first + i);
  return Int64s(values);
}

// Rows of doubles as a fixed_size_list<type>; an empty row is null. Values must fit the type.
std::shared_ptr<arrow::Array> Vectors(const std::vector<std::vector<double>>& rows, size_t width,
                                      const std::shared_ptr<arrow::DataType>& type = arrow::float32());

inline std::shared_ptr<arrow::RecordBatch> Batch(
    const std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>>& columns,
    std::shared_ptr<const arrow::KeyValueMetadata> metadata = nullptr) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, array] : columns) {
    fields.push_back(arrow::field(name, array->type()));
    arrays.push_back(array);
  }
  return arrow::RecordBatch::Make(arrow::schema(fields, std::move(metadata)), arrays[0]->length(), arrays);
}

template <typename ArrowType>
std::vector<typename ArrowType::c_type> Values(const arrow::RecordBatch& batch, const std::string& column) {
  std::vector<typename ArrowType::c_type> values;
  const auto array = batch.GetColumnByName(column);
  if (array == nullptr || array->type_id() != ArrowType::type_id) {
    ADD_FAILURE() << "no column " << column << " of type " << ArrowType::type_name() << " in "
                  << batch.schema()->ToString();
    return values;
  }
  const auto& typed = static_cast<const typename arrow::TypeTraits<ArrowType>::ArrayType&>(*array);
  for (int64_t i = 0; i < typed.length(); ++i) values.push_back(typed.Value(i));
  return values;
}

using Point = std::vector<double>;
using Ids = std::vector<uint64_t>;

// The nearest `k` of each.
inline SearchRequest Ask(std::string dataset, std::vector<Point> queries, int64_t k) {
  SearchRequest request;
  request.dataset = std::move(dataset);
  request.queries.numbers = std::move(queries);
  request.k = {k};
  return request;
}

inline Ids IdsOf(const SearchAnswer& answer) {
  return answer.hits == nullptr ? Ids{} : Values<arrow::UInt64Type>(*answer.hits, "id");
}

}  // namespace longbow::query
