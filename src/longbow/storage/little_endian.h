// Numbers at fixed places in a block of bytes.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

namespace longbow::storage {

static_assert(std::endian::native == std::endian::little,
              "formats are little-endian and so is what we run on");

template <typename T>
void StoreAt(uint8_t* block, size_t offset, T value) {
  std::memcpy(block + offset, &value, sizeof(value));
}
template <typename T>
T LoadAt(const uint8_t* block, size_t offset) {
  T value;
  std::memcpy(&value, block + offset, sizeof(value));
  return value;
}
template <typename T>
void AppendTo(std::string* bytes, T value) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace longbow::storage
