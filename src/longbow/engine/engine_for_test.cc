#include "longbow/engine/engine_for_test.h"

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <future>

namespace longbow::engine {
namespace {

template <typename Call>
Status Await(Call&& call) {
  std::promise<Status> promise;
  call([&](Status status) { promise.set_value(std::move(status)); });
  return promise.get_future().get();
}

template <typename Call>
Result<WriteAck> AwaitAck(Call&& call) {
  std::promise<Result<WriteAck>> promise;
  call([&](Result<WriteAck> ack) { promise.set_value(std::move(ack)); });
  return promise.get_future().get();
}

}  // namespace

EngineForTest::EngineForTest() : EngineForTest(0) {}
EngineForTest::EngineForTest(int64_t hard_limit) : EngineForTest(hard_limit, EngineOptions()) {}

EngineForTest::EngineForTest(int64_t hard_limit, EngineOptions options) : options_(std::move(options)) {
  std::string pattern = (std::filesystem::temp_directory_path() / "longbow-engine-XXXXXX").string();
  directory_ = mkdtemp(pattern.data());
  options_.log.segment_bytes = std::min<uint64_t>(options_.log.segment_bytes, uint64_t{4} << 20);
  ledger_ = std::make_unique<MemoryLedger>(0, hard_limit);
  arena_ = std::make_unique<SlabArena>(ledger_.get());
  Open();
}

EngineForTest::~EngineForTest() {
  engine_.reset();
  appliers_.reset();
  searchers_.reset();
  builder_pool_.reset();
  builders_.reset();
  disk_.reset();
  files_.reset();
  std::filesystem::remove_all(directory_);
}

void EngineForTest::Open() {
  const Status started = Start();
  if (!started.ok()) started.Abort();
}

Status EngineForTest::Start() {
  auto files = MakePosixFileSystem(directory_, 2).ValueOrDie();
  disk_ = std::make_unique<FillingDisk>(files.get());
  files_ = std::move(files);
  appliers_ = MakeThreadPool({"applier", 2, 4096});
  searchers_ = MakeThreadPool({"searcher", 1, 4096});
  builder_pool_ = MakeThreadPool({"builder", 1, 4096});
  builders_ = std::make_unique<FailingExecutor>(builder_pool_.get());
  environment_ = {disk_.get(),     SystemClock(),    SystemRandom(),
                  appliers_.get(), searchers_.get(), builders_.get()};
  return Engine::Open(environment_, ledger_.get(), arena_.get(), options_).Value(&engine_);
}

void EngineForTest::Stop() {
  engine_.reset();
  appliers_.reset();
  searchers_.reset();
  builder_pool_.reset();
  builders_.reset();
}

void EngineForTest::Reopen() {
  Stop();
  Open();
}

Result<std::unique_ptr<Engine>> EngineForTest::OpenSecond() {
  return Engine::Open(environment_, ledger_.get(), arena_.get(), options_);
}

Result<WriteAck> EngineForTest::Put(const std::string& dataset,
                                    const std::shared_ptr<arrow::RecordBatch>& batch, RetryKey retry) {
  LB_ASSIGN_OR_RETURN(auto writer, engine_->OpenWriter(dataset, *batch->schema()));
  LB_RETURN_NOT_OK(Await([&](Done done) { writer->WhenReady(std::move(done)); }));
  return Put(*writer, batch, std::move(retry));
}

Result<WriteAck> EngineForTest::Put(DatasetWriter& writer, const std::shared_ptr<arrow::RecordBatch>& batch,
                                    RetryKey retry) {
  LB_ASSIGN_OR_RETURN(auto delivered, Deliver(*batch));
  LB_ASSIGN_OR_RETURN(auto reservation, ledger_->Reserve(MemoryUse::kNetwork, delivered.message.body.size()));
  return AwaitAck([&](WriteDone done) {
    writer.Write(std::move(delivered.batch), delivered.message, std::move(retry), std::move(reservation),
                 std::move(done));
  });
}

Result<WriteAck> EngineForTest::Delete(const std::string& dataset, std::vector<std::string> keys) {
  return AwaitAck([&](WriteDone done) { engine_->Delete(dataset, std::move(keys), std::move(done)); });
}

Status EngineForTest::Drop(const std::string& dataset) {
  return Await([&](Done done) { engine_->DropDataset(dataset, std::move(done)); });
}

Status EngineForTest::CreateNamespace(const std::string& name) {
  return Await([&](Done done) { engine_->CreateNamespace(name, std::move(done)); });
}

Status EngineForTest::DropNamespace(const std::string& name) {
  return Await([&](Done done) { engine_->DropNamespace(name, std::move(done)); });
}

Result<SnapshotInfo> EngineForTest::Snapshot() {
  std::promise<Result<SnapshotInfo>> promise;
  engine_->TakeSnapshot([&](Result<SnapshotInfo> info) { promise.set_value(std::move(info)); });
  return promise.get_future().get();
}

Status EngineForTest::WaitIndexed(const std::string& dataset) {
  return Await([&](Done done) { engine_->WhenIndexed(dataset, std::move(done)); });
}

Result<Delivered> Deliver(const arrow::RecordBatch& batch, int64_t piece_bytes) {
  BatchDecoder decoder;
  Delivered out;
  LB_ASSIGN_OR_RETURN(const auto schema, EncodeSchema(*batch.schema()));
  LB_RETURN_NOT_OK(decoder.Next(schema, &out.batch).status());
  LB_ASSIGN_OR_RETURN(const auto whole, EncodeBatch(batch));
  LB_ASSIGN_OR_RETURN(const auto joined, whole.body.Join());
  out.message.metadata = whole.metadata;
  for (int64_t at = 0; at < joined->size(); at += piece_bytes) {
    out.message.body.Append(arrow::SliceBuffer(joined, at, std::min(piece_bytes, joined->size() - at)));
  }
  LB_RETURN_NOT_OK(decoder.Next(out.message, &out.batch).status());
  return out;
}

std::shared_ptr<arrow::RecordBatch> BatchOf(
    const std::vector<JsonColumn>& columns,
    const std::vector<std::pair<std::string, std::string>>& metadata) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& column : columns) {
    fields.push_back(column.field);
    arrays.push_back(arrow::json::ArrayFromJSONString(column.field->type(), column.json).ValueOrDie());
  }
  auto kept = std::make_shared<arrow::KeyValueMetadata>();
  for (const auto& [key, value] : metadata) kept->Append(key, value);
  const int64_t rows = arrays.empty() ? 0 : arrays[0]->length();
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields), kept), rows, std::move(arrays));
}

std::vector<std::string> VisibleRows(const View& view) {
  std::vector<std::string> out;
  const auto& schema = *view.schema();
  for (const auto& block : view.blocks()) {
    for (RowOrdinal row = block->first; row < block->end; ++row) {
      if (!view.visibility().Visible(row)) continue;
      std::string text;
      for (const auto& field : schema.arrow->fields()) {
        const VectorColumn* vector = schema.FindVector(field->name());
        const auto array = vector != nullptr
                               ? view.TakeVectors(static_cast<int>(vector - schema.vectors.data()), {&row, 1})
                               : view.TakeColumn(field->name(), {&row, 1});
        if (!array.ok()) {
          ADD_FAILURE() << array.status().ToString();
          return out;
        }
        text += field->name() + "=" + (*(*array)->GetScalar(0))->ToString() + " ";
      }
      if (schema.key == KeyKind::kHidden) text = std::to_string(view.KeyNumber(row)) + ": " + text;
      out.push_back(text);
    }
  }
  std::sort(out.begin(), out.end());
  if (static_cast<int64_t>(out.size()) != view.live_rows()) {
    ADD_FAILURE() << out.size() << " visible rows, live_rows() says " << view.live_rows();
  }
  return out;
}

}  // namespace longbow::engine
