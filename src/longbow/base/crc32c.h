// CRC32C (Castagnoli), the checksum of what lies on disk and of batches that carry one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "longbow/base/buffer_chain.h"

namespace longbow {

// The CRC of some bytes followed by data[0, size), given the CRC of the former (0 for none).
uint32_t ExtendCrc32c(uint32_t crc, const void* data, size_t size);
uint32_t ExtendCrc32c(uint32_t crc, const BufferChain& bytes);

}  // namespace longbow
