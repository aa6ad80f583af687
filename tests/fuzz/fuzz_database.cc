#include "fuzz_database.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <cstdio>
#include <cstdlib>

#include "longbow/engine/batch_codec.h"

namespace longbow::fuzz {
namespace {

constexpr int64_t kRows = 64, kDim = 8;

std::shared_ptr<arrow::RecordBatch> Rows() {
  arrow::Int64Builder ids;
  arrow::StringBuilder texts;
  arrow::DoubleBuilder numbers;
  arrow::BooleanBuilder flags;
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MILLI), arrow::default_memory_pool());
  auto values = std::make_shared<arrow::FloatBuilder>();
  arrow::FixedSizeListBuilder vectors(arrow::default_memory_pool(), values, kDim);
  for (int64_t i = 0; i < kRows; ++i) {
    Status status = ids.Append(i);
    status &= i % 7 == 3 ? texts.AppendNull() : texts.Append("text " + std::to_string(i % 5));
    status &= i % 11 == 3 ? numbers.AppendNull() : numbers.Append(static_cast<double>(i) / 4);
    status &= flags.Append(i % 2 == 0);
    status &= times.Append(1'700'000'000'000 + i);
    status &= vectors.Append();
    for (int64_t j = 0; j < kDim; ++j) status &= values->Append(static_cast<float>((i * 31 + j * 17) % 23));
    Require(status.ok(), "rows are built");
  }
  const auto schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("vector", vectors.type()),
                     arrow::field("text", arrow::utf8()), arrow::field("x", arrow::float64()),
                     arrow::field("flag", arrow::boolean()), arrow::field("at", times.type())});
  return arrow::RecordBatch::Make(schema, kRows,
                                  {*ids.Finish(), *vectors.Finish(), *texts.Finish(), *numbers.Finish(),
                                   *flags.Finish(), *times.Finish()});
}

}  // namespace

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

FuzzDatabase::FuzzDatabase() {
  Environment environment = world_.environment();
  environment.clock = SystemClock();  // deadlines are to be met
  engine::EngineOptions options;
  options.log.segment_bytes = 1 << 20;
  options.log.spare_segments = 0;
  engine_ = engine::Engine::Open(environment, &ledger_, &arena_, options).ValueOrDie();
  query_ = std::make_unique<query::QueryEngine>(engine_.get(), environment, &ledger_, query::QueryOptions{});
}

template <typename T>
T FuzzDatabase::Wait(const std::optional<T>& outcome) {
  Require(world_.RunUntil([&] { return outcome.has_value(); }), "what was asked for is answered");
  return *outcome;
}

Status FuzzDatabase::WhenReady(engine::DatasetWriter& writer) {
  std::optional<Status> done;
  writer.WhenReady([&](Status status) { done = std::move(status); });
  return Wait(done);
}

Result<engine::WriteAck> FuzzDatabase::Write(engine::DatasetWriter& writer, engine::IncomingBatch batch,
                                             const engine::IpcMessage& message, engine::RetryKey retry) {
  std::optional<Result<engine::WriteAck>> done;
  writer.Write(std::move(batch), message, std::move(retry), {},
               [&](Result<engine::WriteAck> ack) { done = std::move(ack); });
  return Wait(done);
}

Status FuzzDatabase::Drop(const std::string& dataset) {
  std::optional<Status> done;
  engine_->DropDataset(dataset, [&](Status status) { done = std::move(status); });
  return Wait(done);
}

void FuzzDatabase::CheckStored(const std::string& dataset, int64_t acknowledged) {
  const auto info = engine_->Info(dataset);
  Require(info.ok(), "a dataset is there when its writer was ready");
  Require(info->rows <= acknowledged, "nothing is stored that was not acknowledged");
  query::ScanRequest whole;
  whole.dataset = dataset;
  const auto scan = query_->OpenScan(whole).ValueOrDie();
  int64_t rows = 0;
  for (;;) {
    const auto batch = scan->Next();
    Require(batch.ok(), "what is stored is read");
    if (*batch == nullptr) break;
    Require((*batch)->ValidateFull().ok(), "what is stored is sound");
    rows += (*batch)->num_rows();
  }
  Require(rows == info->rows, "every row is scanned once");
}

void FuzzDatabase::MakeRows() {
  const auto rows = Rows();
  Put("d", *rows);
  Put("t", *rows->RemoveColumn(rows->schema()->GetFieldIndex("vector")).ValueOrDie());
}

void FuzzDatabase::Put(const std::string& dataset, const arrow::RecordBatch& rows) {
  const auto writer = engine_->OpenWriter(dataset, *rows.schema()).ValueOrDie();
  engine::BatchDecoder decoder;
  engine::IncomingBatch incoming;
  Require(decoder.Next(engine::EncodeSchema(*rows.schema()).ValueOrDie(), &incoming).ok(),
          "a schema decodes");
  const auto message = engine::EncodeBatch(rows).ValueOrDie();
  Require(decoder.Next(message, &incoming).ok(), "a batch decodes");
  Require(Write(*writer, std::move(incoming), message).ok(), "rows are put");
}

}  // namespace longbow::fuzz
