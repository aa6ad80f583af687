#include "longbow/base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace longbow {

// ISA-L picks the widest carry-less multiply of the processor at the first call.
uint32_t ExtendCrc32c(uint32_t crc, const void* data, size_t size) {
  constexpr size_t kStep = size_t{1} << 30;  // its length is an int
  auto* bytes = const_cast<unsigned char*>(static_cast<const unsigned char*>(data));
  uint32_t state = ~crc;
  while (size > 0) {
    const size_t n = std::min(size, kStep);
    state = crc32_iscsi(bytes, static_cast<int>(n), state);
    bytes += n;
    size -= n;
  }
  return ~state;
}

uint32_t ExtendCrc32c(uint32_t crc, const BufferChain& bytes) {
  for (const auto& piece : bytes.pieces()) {
    crc = ExtendCrc32c(crc, piece->data(), static_cast<size_t>(piece->size()));
  }
  return crc;
}

}  // namespace longbow
