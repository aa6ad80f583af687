// FlightData, the one large message of Arrow Flight, read and written by hand: no protobuf, and the body is
// never touched.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "longbow/base/buffer_chain.h"
#include "longbow/base/status.h"
#include "longbow/engine/batch_codec.h"

namespace arrow {
class Buffer;
class RecordBatch;
class Schema;
}  // namespace arrow

namespace longbow::protocol {

// Limit of each part but the body. A schema of 1,024 columns takes some hundred KiB.
inline constexpr size_t kMaxSmallPart = size_t{4} << 20;

struct FlightData {
  std::optional<std::string> descriptor;  // a serialised FlightDescriptor
  std::shared_ptr<arrow::Buffer> header;  // the flatbuffer of an IPC message, aligned; null when absent
  std::string app_metadata;
  std::optional<BufferChain> body;  // shares the message's memory
};

// InvalidArgument for anything that is not a FlightData: bad tags and lengths, a part twice, a part that is
// too long, a message without any known part.
Result<FlightData> ParseFlightData(const BufferChain& message);

// The body's buffers are shared, not copied.
BufferChain EncodeFlightData(const FlightData& data);

// The messages of an Arrow stream as FlightData. The batch's own buffers travel, or what compressing
// them gave.
Result<BufferChain> EncodeSchemaMessage(const arrow::Schema& schema, std::string_view app_metadata = {});
Result<BufferChain> EncodeBatchMessage(const arrow::RecordBatch& batch, std::string_view app_metadata = {},
                                       engine::BodyCompression compression = engine::BodyCompression::kNone);
BufferChain EncodeBatchMessage(engine::IpcMessage message, std::string_view app_metadata);
// A message that carries metadata only.
BufferChain EncodeMetadataMessage(std::string_view app_metadata);

}  // namespace longbow::protocol
