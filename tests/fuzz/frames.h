// A fuzzer's input as the messages of a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "longbow/base/buffer_chain.h"

namespace longbow::fuzz {

// Each message: u16 length, then a byte that says how the rest is meant:
//   0  a FlightData as it is on the wire
//   1  u16 header length, u16 app_metadata length, header, app_metadata, body: put together into a FlightData
// Lengths beyond the input mean its end. Confined.
class Frames {
 public:
  Frames(const uint8_t* data, size_t size) : left_(reinterpret_cast<const char*>(data), size) {}

  // The bytes up to the first zero byte, once, at the start.
  std::string_view TakeText();
  // The next message as bytes of the wire, in uneven pieces as a network delivers them; absent at the end.
  std::optional<BufferChain> Next();

 private:
  std::string_view Take(size_t bytes);
  size_t TakeLength();

  std::string_view left_;
};

}  // namespace longbow::fuzz
