// One direction of record batches as Flight streams carry it: FlightData in, decoded batches out.
#pragma once

#include <optional>
#include <string>

#include "longbow/engine/batch_codec.h"
#include "longbow/protocol/flight_data.h"
#include "longbow/protocol/flight_messages.h"

namespace longbow::server {

// What a message was.
enum class InputKind : uint8_t { kSchema, kBatch, kMetadata };

struct StreamInput {
  InputKind kind = InputKind::kMetadata;
  std::string app_metadata;
  engine::IpcMessage message;  // of a batch
  engine::IncomingBatch batch;
};

// Confined to its stream's handler.
class BatchInput {
 public:
  // The descriptor of a stream's first message; InvalidArgument when it has none.
  static Result<protocol::FlightDescriptor> Descriptor(const protocol::FlightData& first);

  // InvalidArgument for anything that does not decode.
  Result<StreamInput> Next(protocol::FlightData data);
  const std::shared_ptr<arrow::Schema>& schema() const { return decoder_.schema(); }

 private:
  engine::BatchDecoder decoder_;
};

}  // namespace longbow::server
