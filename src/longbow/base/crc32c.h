// CRC32C (Castagnoli), the checksum of what lies on disk and of batches that carry one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "longbow/base/buffer_chain.h"

namespace longbow {

// The CRC of some bytes followed by data[0, size), given the CRC of the former (0 for none).
uint32_t ExtendCrc32c(uint32_t crc, const void* data, size_t size);
uint32_t ExtendCrc32c(uint32_t crc, const BufferChain& bytes);
// The CRC of two stretches behind each other, given the CRC of each and the length of the second.
uint32_t JoinCrc32c(uint32_t first, uint32_t second, uint64_t second_bytes);

// The CRC of some bytes of a chain, from somebody who passed over them anyway.
struct KnownCrc {
  int64_t offset = 0, bytes = 0;
  uint32_t crc = 0;
};
// As above; `known` (in order, disjoint, within the chain) is taken as it stands and not read again.
uint32_t ExtendCrc32c(uint32_t crc, const BufferChain& bytes, std::span<const KnownCrc> known);

}  // namespace longbow
