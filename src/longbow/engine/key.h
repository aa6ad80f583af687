// Row keys: as clients write them, as Arrow columns, and as the numbers the engine works with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"
#include "longbow/engine/dataset_schema.h"

namespace arrow {
struct ArrayData;
}  // namespace arrow

namespace longbow::engine {

// `number` is the integer's 64 bits (sign-extended), the hidden key, or XXH3-64 (seed 0) of the string. Two
// strings can share a number, so `text` decides for string keys; it is empty for the others.
struct Key {
  uint64_t number = 0;
  std::string text;
};

uint64_t StringKeyNumber(std::string_view text);

// InvalidArgument that says what an id of this kind looks like.
Result<Key> ParseKey(KeyKind kind, std::string_view text);

// The numbers of a key column, which has no nulls.
std::vector<uint64_t> KeyNumbers(const arrow::ArrayData& ids);

// Element i of a utf8 or large_utf8 array.
std::string_view TextAt(const arrow::ArrayData& strings, int64_t i);

// Whether key `a` comes before `b`, for kinds whose number is the key.
inline bool NumberBefore(KeyKind kind, uint64_t a, uint64_t b) {
  return kind == KeyKind::kSigned ? static_cast<int64_t>(a) < static_cast<int64_t>(b) : a < b;
}

}  // namespace longbow::engine
