#include "longbow/server/batch_input.h"

#include <utility>

namespace longbow::server {
namespace {

// Whatever is wrong with a client's bytes is the client's affair, whichever word Arrow found for it.
Status AsClientError(const Status& status) {
  switch (CodeOf(status)) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kDimensionMismatch:
    case ErrorCode::kResourceExhausted:
      return status;
    default:
      return InvalidArgument("message does not decode: ", status.message());
  }
}

}  // namespace

Result<protocol::FlightDescriptor> BatchInput::Descriptor(const protocol::FlightData& first) {
  if (!first.descriptor)
    return InvalidArgument("missing flight descriptor: the first message of a stream carries it");
  return protocol::ParseFlightDescriptor(*first.descriptor);
}

Result<StreamInput> BatchInput::Next(protocol::FlightData data) {
  StreamInput out;
  out.app_metadata = std::move(data.app_metadata);
  if (!data.header || data.header->size() == 0) {
    if (out.app_metadata.empty() && !data.descriptor) {
      return InvalidArgument("message does not decode: it holds neither an IPC header nor app_metadata");
    }
    return out;
  }
  out.message.metadata = std::move(data.header);
  if (data.body) out.message.body = *std::move(data.body);
  auto is_schema = decoder_.Next(out.message, &out.batch);
  if (!is_schema.ok()) return AsClientError(is_schema.status());
  out.kind = *is_schema ? InputKind::kSchema : InputKind::kBatch;
  return out;
}

}  // namespace longbow::server
