// The messages of a DoExchange stream that searches: first the command's text up to a zero byte, then frames.
// Every answer is sound, in order, and goes into a message.
#include <arrow/array.h>
#include <arrow/record_batch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "frames.h"
#include "fuzz_database.h"
#include "longbow/protocol/exchange_frames.h"
#include "longbow/server/batch_input.h"

using namespace longbow;

namespace {

constexpr int64_t kLongestNanos = 50'000'000;  // a search at all caps is cut short, not waited for

void CheckAnswer(const query::SearchAnswer& answer, size_t queries_at_most) {
  fuzz::Require(answer.hits->ValidateFull().ok(), "an answer is sound");
  fuzz::Require(answer.offsets.size() <= queries_at_most + 1, "one group of hits a query");
  const auto distances =
      std::dynamic_pointer_cast<arrow::FloatArray>(answer.hits->GetColumnByName("distance"));
  fuzz::Require(distances != nullptr, "an answer has distances");
  for (size_t query = 0; query + 1 < answer.offsets.size(); ++query) {
    fuzz::Require(answer.offsets[query] <= answer.offsets[query + 1], "groups follow each other");
    for (int64_t i = answer.offsets[query] + 1; i < answer.offsets[query + 1]; ++i) {
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
  CheckAnswer(answer, static_cast<size_t>(input.batch.batch->num_rows()));
  const std::string metadata = protocol::WriteExchangeMetadata(request.request_id, answer);
  return protocol::EncodeBatchMessage(*answer.hits, metadata).status();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto database = [] {
    auto made = std::make_unique<fuzz::FuzzDatabase>();
    made->MakeRows();
    return made;
  }();
  fuzz::Frames frames(data, size);
  const auto command = protocol::ReadExchangeCommand({{}, std::string(frames.TakeText())});
  if (!command.ok() || !std::holds_alternative<protocol::ExchangeSearch>(*command)) return 0;
  const auto& defaults = std::get<protocol::ExchangeSearch>(*command).defaults;
  server::BatchInput stream;
  while (auto frame = frames.Next()) {
    if (!Handle(*database, defaults, stream, *frame).ok()) return 0;
  }
  return 0;
}
