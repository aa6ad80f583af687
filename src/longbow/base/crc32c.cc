#include "longbow/base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

#include "longbow/base/check.h"

namespace longbow {
namespace {

// Polynomials over GF(2) modulo the Castagnoli one, bit-reversed as the CRC has them: the highest bit is x^0.
constexpr uint32_t kPolynomial = 0x82F63B78u;
constexpr uint32_t kOne = 0x80000000u;

constexpr uint32_t MultiplyByX(uint32_t p) { return (p >> 1) ^ ((p & 1) != 0 ? kPolynomial : 0); }

constexpr uint32_t Multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = kOne; bit != 0; bit >>= 1, b = MultiplyByX(b)) {
    if ((a & bit) != 0) product ^= b;
  }
  return product;
}

// x to the power of 8 * bytes.
uint32_t Shift(uint64_t bytes) {
  uint32_t result = kOne, square = kOne >> 8;  // x^8
  for (; bytes > 0; bytes >>= 1, square = Multiply(square, square)) {
    if ((bytes & 1) != 0) result = Multiply(result, square);
  }
  return result;
}

uint32_t ExtendOver(uint32_t crc, const BufferChain& chain, int64_t offset, int64_t bytes) {
  chain.ForEachSpan(offset, bytes, [&](const uint8_t* data, int64_t n) {
    crc = ExtendCrc32c(crc, data, static_cast<size_t>(n));
  });
  return crc;
}

}  // namespace

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

uint32_t JoinCrc32c(uint32_t first, uint32_t second, uint64_t second_bytes) {
  return Multiply(Shift(second_bytes), first) ^ second;
}

uint32_t ExtendCrc32c(uint32_t crc, const BufferChain& bytes, std::span<const KnownCrc> known) {
  int64_t at = 0;
  for (const KnownCrc& stretch : known) {
    LB_CHECK_FATAL(stretch.offset >= at && stretch.bytes >= 0);
    LB_CHECK_FATAL(stretch.offset + stretch.bytes <= bytes.size());
    crc = ExtendOver(crc, bytes, at, stretch.offset - at);
    crc = JoinCrc32c(crc, stretch.crc, static_cast<uint64_t>(stretch.bytes));
    at = stretch.offset + stretch.bytes;
  }
  return ExtendOver(crc, bytes, at, bytes.size() - at);
}

}  // namespace longbow
