// The messages of a DoExchange stream: first its command, or path, up to a zero byte, then frames. Of
// searches every answer is sound, in order, and goes into a message; of ingest nothing is stored that was not
// acknowledged, and what is stored is sound Arrow.
#include <arrow/array.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "frames.h"
#include "fuzz_database.h"
#include "longbow/protocol/exchange_frames.h"
#include "longbow/protocol/put_frames.h"
#include "longbow/server/batch_input.h"
#include "longbow/server/put_progress.h"

using namespace longbow;

namespace {

constexpr int kIngestsADatabase = 2000;        // then a fresh one: its log has no end
constexpr int64_t kLongestNanos = 50'000'000;  // a search at all caps is cut short, not waited for

void CheckAnswer(const query::SearchRequest& request, const query::SearchAnswer& answer,
                 size_t queries_at_most) {
  fuzz::Require(answer.hits->ValidateFull().ok(), "an answer is sound");
  if (request.explain != query::Explain::kNo) return;
  fuzz::Require(answer.offsets.size() <= queries_at_most + 1, "one group of hits a query");
  // Of texts and fusions the score decides, and an order by a column.
  const bool by_distance = !request.order_by && !request.text.present();
  const auto distances =
      std::dynamic_pointer_cast<arrow::FloatArray>(answer.hits->GetColumnByName("distance"));
  fuzz::Require(distances != nullptr, "an answer has distances");
  for (size_t query = 0; query + 1 < answer.offsets.size(); ++query) {
    fuzz::Require(answer.offsets[query] <= answer.offsets[query + 1], "groups follow each other");
    for (int64_t i = answer.offsets[query] + 1; by_distance && i < answer.offsets[query + 1]; ++i) {
      fuzz::Require(!(distances->Value(i) < distances->Value(i - 1)), "the nearest comes first");
    }
  }
  fuzz::Require(answer.offsets.back() == answer.hits->num_rows(), "every hit is in a group");
}

Status Handle(fuzz::FuzzDatabase& database, const protocol::SearchCall& defaults, server::BatchInput& stream,
              const BufferChain& frame) {
  LB_ASSIGN_OR_RETURN(auto data, protocol::ParseFlightData(frame));
  LB_ASSIGN_OR_RETURN(auto input, stream.Next(std::move(data)));
  if (input.kind != server::InputKind::kBatch) return Status::OK();
  LB_RETURN_NOT_OK(engine::GatherVectors(&input.batch));
  LB_ASSIGN_OR_RETURN(auto request, protocol::ReadExchangeRequest(*input.batch.batch, defaults));
  request.call.request.number_queries = true;
  request.call.request.deadline_ns = SystemClock()->MonotonicNanos() + kLongestNanos;
  (void)database.query().EstimateNanos(request.call.request);
  LB_ASSIGN_OR_RETURN(const auto answer, database.query().Search(request.call.request));
  CheckAnswer(request.call.request, answer, static_cast<size_t>(input.batch.batch->num_rows()));
  const std::string metadata = protocol::WriteExchangeMetadata(request.request_id, answer);
  fuzz::Require(nlohmann::json::accept(metadata), "what is told beside an answer is JSON");
  LB_RETURN_NOT_OK(protocol::WithoutSq8Range(answer.hits->schema()).status());
  return protocol::EncodeBatchMessage(*answer.hits, metadata).status();
}

void Search(fuzz::FuzzDatabase& database, const protocol::SearchCall& defaults, fuzz::Frames frames) {
  server::BatchInput stream;
  while (auto frame = frames.Next()) {
    if (!Handle(database, defaults, stream, *frame).ok()) return;
  }
}

// One stream of ingest, as far as its messages are sound. Confined.
class Ingest {
 public:
  Ingest(fuzz::FuzzDatabase* database, std::string dataset)
      : database_(database), dataset_(std::move(dataset)) {}

  void Run(fuzz::Frames frames) {
    while (auto frame = frames.Next()) {
      if (!Handle(*frame).ok()) break;
    }
    if (!writer_ || !database_->WhenReady(*writer_).ok()) return;
    database_->CheckStored(dataset_, acknowledged_);
    fuzz::Require(database_->Drop(dataset_).ok(), "a dataset is dropped");
  }

 private:
  Status Handle(const BufferChain& frame) {
    LB_ASSIGN_OR_RETURN(auto data, protocol::ParseFlightData(frame));
    LB_ASSIGN_OR_RETURN(auto input, input_.Next(std::move(data)));
    if (input.kind == server::InputKind::kSchema && !writer_) {
      LB_ASSIGN_OR_RETURN(writer_, database_->engine().OpenWriter(dataset_, *input_.schema()));
    }
    if (input.kind != server::InputKind::kBatch) return Status::OK();
    fuzz::Require(writer_ != nullptr, "a batch comes after its schema");
    const int64_t rows = input.batch.batch->num_rows();
    progress_.Begin(++batches_, writer_->durability());
    const auto ack = database_->Write(*writer_, std::move(input.batch), input.message);
    progress_.Finish(batches_, ack);
    LB_RETURN_NOT_OK(ack.status());
    acknowledged_ += rows;
    const std::string metadata =
        protocol::WriteIngestAck(batches_, rows, progress_.Take(ack->sequence, 1 << 20));
    fuzz::Require(nlohmann::json::accept(metadata), "an acknowledgement is JSON");
    return Status::OK();
  }

  fuzz::FuzzDatabase* const database_;
  const std::string dataset_;
  server::BatchInput input_;
  server::PutProgress progress_;
  std::shared_ptr<engine::DatasetWriter> writer_;
  uint64_t batches_ = 0;
  int64_t acknowledged_ = 0;
};

// A command, or with a slash in front a path.
protocol::FlightDescriptor Descriptor(std::string_view text) {
  if (!text.starts_with('/')) return {{}, std::string(text)};
  protocol::FlightDescriptor descriptor;
  while (!text.empty()) {
    text.remove_prefix(1);
    const size_t end = std::min(text.find('/'), text.size());
    descriptor.path.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return descriptor;
}

// Those that searches are asked of stay as they are.
bool IsSearched(const std::string& dataset) {
  const auto name = engine::DatasetName::Parse(dataset);
  return name.ok() && name->name_space == "default" && (name->name == "d" || name->name == "t");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static std::unique_ptr<fuzz::FuzzDatabase> database;
  static int ingests = 0;
  if (!database || ingests >= kIngestsADatabase) {
    database = nullptr;
    database = std::make_unique<fuzz::FuzzDatabase>();
    database->MakeRows();
    ingests = 0;
  }
  fuzz::Frames frames(data, size);
  const auto command = protocol::ReadExchangeCommand(Descriptor(frames.TakeText()));
  if (!command.ok()) return 0;
  if (const auto* search = std::get_if<protocol::ExchangeSearch>(&*command)) {
    Search(*database, search->defaults, frames);
  } else if (const auto& dataset = std::get<protocol::ExchangeIngest>(*command).dataset;
             !IsSearched(dataset)) {
    ++ingests;
    Ingest(database.get(), dataset).Run(frames);
  }
  return 0;
}
