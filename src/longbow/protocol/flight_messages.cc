#include "longbow/protocol/flight_messages.h"

#include <arrow/buffer.h>
#include <arrow/ipc/writer.h>
#include <arrow/type.h>

#include <climits>

#include "flight.pb.h"
#include "longbow/protocol/json_document.h"
#include "longbow/protocol/ticket.h"

namespace longbow::protocol {
namespace {

constexpr size_t kMaxSmallMessageBytes = size_t{32} << 20;
constexpr size_t kMaxHandshakeBytes = size_t{64} << 10;
constexpr size_t kFrameBytes = 64;  // tags and lengths around a field

template <typename Message>
Result<Message> Parse(std::string_view bytes, size_t max_bytes, std::string_view what) {
  if (bytes.size() > max_bytes) {
    return InvalidArgument("invalid ", what, ": ", bytes.size(), " bytes, at most ", max_bytes,
                           " are allowed");
  }
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return InvalidArgument("invalid ", what, ": the bytes do not decode");
  }
  return message;
}

Result<std::string> SchemaBytes(const arrow::Schema& schema) {
  LB_ASSIGN_OR_RETURN(auto bytes, arrow::ipc::SerializeSchema(schema));
  return bytes->ToString();
}

Status Fill(const FlightInfo& info, pb::FlightInfo* out) {
  if (info.schema) {
    LB_ASSIGN_OR_RETURN(*out->mutable_schema(), SchemaBytes(*info.schema));
  }
  out->mutable_flight_descriptor()->set_type(pb::FlightDescriptor::PATH);
  out->mutable_flight_descriptor()->add_path(info.dataset);
  out->add_endpoint()->mutable_ticket()->set_ticket(WriteScanTicket(info.dataset));
  out->set_total_records(info.rows);
  out->set_total_bytes(info.bytes);
  out->set_ordered(true);
  return Status::OK();
}

}  // namespace

Result<FlightDescriptor> ParseFlightDescriptor(std::string_view bytes) {
  LB_ASSIGN_OR_RETURN(auto message,
                      Parse<pb::FlightDescriptor>(bytes, kMaxDescriptorBytes, "flight descriptor"));
  return FlightDescriptor{{message.path().begin(), message.path().end()}, std::move(*message.mutable_cmd())};
}

Result<std::string> ParseTicket(std::string_view bytes) {
  LB_ASSIGN_OR_RETURN(auto message, Parse<pb::Ticket>(bytes, kMaxTicketBytes + kFrameBytes, "ticket format"));
  return std::move(*message.mutable_ticket());
}

Result<Action> ParseAction(std::string_view bytes) {
  LB_ASSIGN_OR_RETURN(auto message, Parse<pb::Action>(bytes, INT_MAX, "action"));
  return Action{std::move(*message.mutable_type()), std::move(*message.mutable_body())};
}

Result<std::string> ParseCriteria(std::string_view bytes) {
  LB_ASSIGN_OR_RETURN(auto message, Parse<pb::Criteria>(bytes, kMaxCriteriaBytes + kFrameBytes, "criteria"));
  return std::move(*message.mutable_expression());
}

Result<std::string> ParseHandshakeRequest(std::string_view bytes) {
  LB_ASSIGN_OR_RETURN(auto message, Parse<pb::HandshakeRequest>(bytes, kMaxHandshakeBytes, "handshake"));
  return std::move(*message.mutable_payload());
}

Result<std::string> ParsePutResult(std::string_view bytes) {
  LB_ASSIGN_OR_RETURN(auto message, Parse<pb::PutResult>(bytes, kMaxSmallMessageBytes, "put result"));
  return std::move(*message.mutable_app_metadata());
}

std::string EncodeFlightDescriptor(const FlightDescriptor& descriptor) {
  pb::FlightDescriptor message;
  message.set_type(descriptor.path.empty() ? pb::FlightDescriptor::CMD : pb::FlightDescriptor::PATH);
  message.set_cmd(descriptor.command);
  for (const auto& part : descriptor.path) message.add_path(part);
  return message.SerializeAsString();
}

std::string EncodeTicket(std::string_view ticket) {
  pb::Ticket message;
  message.set_ticket(ticket.data(), ticket.size());
  return message.SerializeAsString();
}

std::string EncodeAction(const Action& action) {
  pb::Action message;
  message.set_type(action.type);
  message.set_body(action.body);
  return message.SerializeAsString();
}

std::string EncodeCriteria(std::string_view expression) {
  pb::Criteria message;
  message.set_expression(expression.data(), expression.size());
  return message.SerializeAsString();
}

std::string EncodeHandshakeResponse(std::string_view payload) {
  pb::HandshakeResponse message;
  message.set_payload(payload.data(), payload.size());
  return message.SerializeAsString();
}

std::string EncodeActionType(std::string_view type, std::string_view description) {
  pb::ActionType message;
  message.set_type(type.data(), type.size());
  message.set_description(description.data(), description.size());
  return message.SerializeAsString();
}

std::string EncodeActionResult(std::string_view body) {
  pb::Result message;
  message.set_body(body.data(), body.size());
  return message.SerializeAsString();
}

std::string EncodePutResult(std::string_view app_metadata) {
  pb::PutResult message;
  message.set_app_metadata(app_metadata.data(), app_metadata.size());
  return message.SerializeAsString();
}

Result<std::string> EncodeFlightInfo(const FlightInfo& info) {
  pb::FlightInfo message;
  LB_RETURN_NOT_OK(Fill(info, &message));
  return message.SerializeAsString();
}

Result<std::string> EncodePollInfo(const FlightInfo& info) {
  pb::PollInfo message;
  LB_RETURN_NOT_OK(Fill(info, message.mutable_info()));
  message.set_progress(1.0);
  return message.SerializeAsString();
}

Result<std::string> EncodeSchemaResult(const arrow::Schema& schema) {
  pb::SchemaResult message;
  LB_ASSIGN_OR_RETURN(*message.mutable_schema(), SchemaBytes(schema));
  return message.SerializeAsString();
}

std::string EncodeErrorDetails(int grpc_code, std::string_view message, std::string_view reason,
                               int64_t retry_delay_ms) {
  pb::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain("longbow");
  pb::ErrorStatus status;
  status.set_code(grpc_code);
  status.set_message(std::string(message));
  pb::ErrorDetail* const detail = status.add_details();
  detail->set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  detail->set_value(info.SerializeAsString());
  if (retry_delay_ms > 0) {
    pb::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(retry_delay_ms / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(retry_delay_ms % 1000 * 1'000'000));
    pb::ErrorDetail* const delay = status.add_details();
    delay->set_type_url("type.googleapis.com/google.rpc.RetryInfo");
    delay->set_value(retry.SerializeAsString());
  }
  return status.SerializeAsString();
}

Status CheckCancelFlightInfo(std::string_view body) {
  return Parse<pb::CancelFlightInfoRequest>(body, kMaxSmallMessageBytes, "CancelFlightInfo request").status();
}

std::string EncodeNotCancellable() {
  pb::CancelFlightInfoResult message;
  message.set_status(pb::CancelFlightInfoResult::NOT_CANCELLABLE);
  return message.SerializeAsString();
}

Result<std::string> DatasetOf(const FlightDescriptor& descriptor) {
  if (!descriptor.path.empty()) {
    if (descriptor.path[0].empty())
      return InvalidArgument("flight descriptor: path[0] is empty, expected a dataset's name");
    return descriptor.path[0];
  }
  if (descriptor.command.empty()) {
    return InvalidArgument("missing flight descriptor path: expected path[0] to be a dataset's name");
  }
  if (descriptor.command[0] != '{') return descriptor.command;
  LB_ASSIGN_OR_RETURN(auto document,
                      JsonDocument::Parse(descriptor.command, kMaxDescriptorBytes, "descriptor"));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  std::string name;
  LB_RETURN_NOT_OK(object.Read("name", &name));
  if (name.empty()) LB_RETURN_NOT_OK(object.Read("dataset", &name));
  if (name.empty()) return object.Invalid("expected \"name\" or \"dataset\" to be a dataset's name");
  return name;
}

}  // namespace longbow::protocol
