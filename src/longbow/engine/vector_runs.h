// Walking vectors that lie scattered over the pieces of a message.
#pragma once

#include <cstring>
#include <vector>

#include "longbow/engine/batch_codec.h"

namespace longbow::engine {

// Calls visit(first_row, row_count, bytes) for runs of whole rows that lie in one piece, in order; a row that
// a border between pieces cuts is copied together and comes alone. Stops when visit returns false.
template <typename Visit>
void ForEachRun(const LazyVectors& vectors, int64_t rows, Visit&& visit) {
  const int64_t row_bytes = vectors.row_bytes;
  std::vector<uint8_t> cut(static_cast<size_t>(row_bytes));
  int64_t filled = 0, row = 0;
  bool go_on = true;
  vectors.body.ForEachSpan(vectors.offset, rows * row_bytes, [&](const uint8_t* data, int64_t n) {
    if (go_on && filled > 0) {
      const int64_t take = std::min(n, row_bytes - filled);
      std::memcpy(cut.data() + filled, data, static_cast<size_t>(take));
      filled += take;
      data += take;
      n -= take;
      if (filled == row_bytes) {
        go_on = visit(row, int64_t{1}, static_cast<const uint8_t*>(cut.data()));
        ++row;
        filled = 0;
      }
    }
    const int64_t whole = n / row_bytes;
    if (go_on && whole > 0) go_on = visit(row, whole, data);
    row += whole;
    const int64_t rest = n - whole * row_bytes;
    if (rest > 0) std::memcpy(cut.data(), data + whole * row_bytes, static_cast<size_t>(rest));
    if (rest > 0) filled = rest;
  });
}

}  // namespace longbow::engine
