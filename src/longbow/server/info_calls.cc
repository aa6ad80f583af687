#include "longbow/server/info_calls.h"

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <string>
#include <utility>
#include <vector>

#include "longbow/protocol/flight_messages.h"
#include "longbow/protocol/ticket.h"

namespace longbow::server {
namespace {

// The schema as stored; the level of durability and its window also when its creator took the default.
std::shared_ptr<arrow::Schema> Described(const engine::DatasetSchema& schema) {
  auto metadata = schema.arrow->metadata() == nullptr ? std::make_shared<arrow::KeyValueMetadata>()
                                                      : schema.arrow->metadata()->Copy();
  (void)metadata->Set("longbow.durability", std::string(storage::DurabilityName(schema.durability)));
  if (schema.durability == storage::Durability::kAsync) {
    (void)metadata->Set("longbow.async_window_ms", std::to_string(schema.async_window.ns / 1'000'000));
    (void)metadata->Set("longbow.async_window_bytes", std::to_string(schema.async_window.bytes));
  }
  return schema.arrow->WithMetadata(std::move(metadata));
}

protocol::FlightInfo ToFlightInfo(const engine::DatasetInfo& dataset) {
  return {dataset.name, Described(*dataset.schema), dataset.rows, dataset.bytes};
}

Result<std::vector<std::string>> EncodeFlights(const engine::Engine& engine,
                                               const protocol::FlightCriteria& criteria) {
  std::vector<std::string> out;
  for (const engine::DatasetInfo& dataset : engine.Datasets()) {
    if (!criteria.Matches(dataset.name, dataset.rows)) continue;
    LB_ASSIGN_OR_RETURN(out.emplace_back(), protocol::EncodeFlightInfo(ToFlightInfo(dataset)));
  }
  return out;
}

// Hands the dataset that the request's descriptor means to `encode`, once the engine serves.
void AnswerAbout(std::shared_ptr<RequestCall> call, const std::string& request,
                 Result<std::string> (*encode)(const engine::DatasetInfo&)) {
  auto descriptor = protocol::ParseFlightDescriptor(request);
  if (!descriptor.ok()) return call->FinishOne(descriptor.status());
  auto name = protocol::DatasetOf(*descriptor);
  if (!name.ok()) return call->FinishOne(name.status());
  RequestCall* const raw = call.get();
  raw->WhenOpen([call = std::move(call), name = *std::move(name), encode] {
    auto info = call->serving().engine()->Info(name);
    if (!info.ok() && CodeOf(info.status()) == ErrorCode::kNotFound)
      return call->FinishOne(NotFound("dataset not found"));
    call->FinishOne(info.ok() ? encode(*info) : Result<std::string>(info.status()));
  });
}

}  // namespace

void ListFlights(std::shared_ptr<RequestCall> call, std::string request) {
  auto expression = protocol::ParseCriteria(request);
  if (!expression.ok()) return call->Finish(expression.status());
  auto criteria = protocol::FlightCriteria::Read(*expression);
  if (!criteria.ok()) return call->Finish(criteria.status());
  RequestCall* const raw = call.get();
  raw->WhenOpen([call = std::move(call), criteria = *std::move(criteria)] {
    call->Finish(EncodeFlights(*call->serving().engine(), criteria));
  });
}

void GetFlightInfo(std::shared_ptr<RequestCall> call, std::string request) {
  AnswerAbout(std::move(call), request, [](const engine::DatasetInfo& dataset) {
    return protocol::EncodeFlightInfo(ToFlightInfo(dataset));
  });
}

void PollFlightInfo(std::shared_ptr<RequestCall> call, std::string request) {
  AnswerAbout(std::move(call), request, [](const engine::DatasetInfo& dataset) {
    return protocol::EncodePollInfo(ToFlightInfo(dataset));
  });
}

void GetSchema(std::shared_ptr<RequestCall> call, std::string request) {
  AnswerAbout(std::move(call), request, [](const engine::DatasetInfo& dataset) {
    return protocol::EncodeSchemaResult(*Described(*dataset.schema));
  });
}

void Handshake(std::shared_ptr<RequestCall> call, std::string request) {
  auto payload = protocol::ParseHandshakeRequest(request);
  if (!payload.ok()) return call->FinishOne(payload.status());
  const FlightOptions& options = call->shared().options;
  const auto finish = [&](const std::string& answer) {
    // Who logs in by headers alone reads no message, and would wait for ever behind one.
    if (!call->has_request()) return call->Finish(std::vector<std::string>{});
    call->FinishOne(protocol::EncodeHandshakeResponse(answer));
  };
  if (options.token.empty()) return finish(*payload);
  const Status by_header = CheckToken(call->context(), options);
  if (!by_header.ok() && !SameSecret(options.token, *payload) &&
      !SameSecret(options.token, BasicPassword(call->context()))) {
    call->shared().counters.unauthenticated.Add();
    return call->FinishOne(by_header);
  }
  call->AddHeader("authorization", "Bearer " + options.token);
  finish(options.token);
}

}  // namespace longbow::server
