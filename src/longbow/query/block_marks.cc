#include "longbow/query/block_marks.h"

namespace longbow::query {

BlockMarks BlockMarks::Of(const RowSelection& chosen) {
  BlockMarks marks;
  marks.rows_ = chosen.end();
  marks.count_ = chosen.Count();
  if (marks.count_ == 0 || marks.count_ == marks.rows_) return marks;
  if (marks.rows_ <= kMaxPositions && marks.count_ * 16 < marks.rows_) {
    marks.positions_.reserve(static_cast<size_t>(marks.count_));
    chosen.ForEach(0, chosen.end(), [&](RowOrdinal row) {
      marks.positions_.push_back(static_cast<uint16_t>(row));
      return true;
    });
  } else {
    marks.words_ = chosen.words();
  }
  return marks;
}

void BlockMarks::AddTo(RowOrdinal first, RowOrdinal rows, RowSelection* selection) const {
  if (count_ == 0) return;
  if (count_ == rows_) {
    selection->AddRange(first, first + rows);
  } else if (!words_.empty()) {
    selection->AddBits(first, reinterpret_cast<const uint8_t*>(words_.data()), 0, rows);
  } else {
    for (const uint16_t position : positions_) {
      if (position < rows) selection->Add(first + position);
    }
  }
}

int64_t BlockMarks::bytes() const {
  return static_cast<int64_t>(sizeof(*this) + positions_.capacity() * sizeof(uint16_t) +
                              words_.capacity() * sizeof(uint64_t));
}

}  // namespace longbow::query
