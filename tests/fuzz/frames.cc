#include "frames.h"

#include <arrow/buffer.h>

#include <algorithm>
#include <string>

#include "longbow/protocol/flight_data.h"

namespace longbow::fuzz {
namespace {

constexpr size_t kPieceBytes = 251;  // odd, so that pieces are not aligned

BufferChain InPieces(std::string_view bytes) {
  BufferChain chain;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(kPieceBytes, bytes.size()))) {
    chain.Append(arrow::Buffer::FromString(std::string(bytes.substr(0, kPieceBytes))));
  }
  return chain;
}

}  // namespace

std::string_view Frames::Take(size_t bytes) {
  const std::string_view taken = left_.substr(0, bytes);
  left_.remove_prefix(taken.size());
  return taken;
}

size_t Frames::TakeLength() {
  const std::string_view bytes = Take(2);
  size_t length = 0;
  for (size_t i = 0; i < bytes.size(); ++i)
    length |= static_cast<size_t>(static_cast<uint8_t>(bytes[i])) << 8 * i;
  return length;
}

std::string_view Frames::TakeText() {
  const std::string_view text = Take(std::min(left_.find('\0'), left_.size()));
  Take(1);
  return text;
}

std::optional<BufferChain> Frames::Next() {
  if (left_.empty()) return std::nullopt;
  const size_t length = TakeLength();
  std::string_view message = Take(length);
  if (message.empty() || message[0] == 0)
    return InPieces(message.substr(std::min<size_t>(1, message.size())));
  Frames parts(reinterpret_cast<const uint8_t*>(message.data()) + 1, message.size() - 1);
  const size_t header_bytes = parts.TakeLength(), metadata_bytes = parts.TakeLength();
  protocol::FlightData data;
  const std::string_view header = parts.Take(header_bytes);
  if (!header.empty()) data.header = arrow::Buffer::FromString(std::string(header));
  data.app_metadata = parts.Take(metadata_bytes);
  data.body = InPieces(parts.left_);
  const BufferChain encoded = protocol::EncodeFlightData(data);
  std::string wire;
  for (const auto& piece : encoded.pieces()) wire += std::string_view(*piece);
  return InPieces(wire);
}

}  // namespace longbow::fuzz
