// A few texts that a column's values are compared with, all at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "longbow/base/status.h"

namespace arrow {
class Array;
}

namespace longbow::filter {

// Compares by length and first bytes, which nearly always decides: several times as fast as Arrow's equal and
// is_in are for texts. Immutable.
class TextSet {
 public:
  static constexpr size_t kMost = 16;  // beyond, hashing wins

  explicit TextSet(const std::vector<std::string>& texts);

  // Booleans: whether the value is one of the texts; null for null. `values` are utf8, binary, or their large
  // forms.
  Result<std::shared_ptr<arrow::Array>> Find(const arrow::Array& values) const;

 private:
  struct Text {
    uint64_t length, head;  // its first 8 bytes, zeros behind the end
    std::string rest;       // what comes behind these
  };
  template <typename Offset>
  void Mark(const Offset* offsets, const uint8_t* bytes, int64_t rows, uint8_t* bits) const;
  bool Holds(const uint8_t* value, uint64_t length, const uint8_t* end) const;

  std::vector<Text> short_, long_;  // short: no longer than its head
};

}  // namespace longbow::filter
