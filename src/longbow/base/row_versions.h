// When each row was born and died: what a reader's sequence number is held against.
#pragma once

#include "longbow/base/chunked_array.h"
#include "longbow/base/ids.h"

namespace longbow {

// One writer (apply), any number of readers. A row that was never written has born == kNever.
class RowVersions {
 public:
  explicit RowVersions(MemoryLedger* ledger)
      : born_(ledger, MemoryUse::kRows, kNever), died_(ledger, MemoryUse::kRows, kNever) {}

  void Grow(uint64_t rows) {
    born_.Grow(rows);
    died_.Grow(rows);
  }
  void SetBorn(RowOrdinal row, Sequence at) { born_.Set(row, at); }
  void SetDied(RowOrdinal row, Sequence at) { died_.Set(row, at); }
  Sequence born(RowOrdinal row) const { return born_.GetRelaxed(row); }
  Sequence died(RowOrdinal row) const { return died_.GetRelaxed(row); }
  // All kChunk rows around `row` were born and died before everything, until they are set; nobody reads yet.
  void Zero(RowOrdinal row) {
    born_.Zero(row);
    died_.Zero(row);
  }
  // All kChunk rows around `row` are forgotten: they read as born and dead before everything.
  void Release(RowOrdinal row) {
    died_.Release(row);
    born_.Release(row);
  }
  bool released(RowOrdinal row) const { return born_.released(row); }
  uint64_t held() const { return born_.held(); }  // rows that are not forgotten, whole chunks of them
  void Prefetch(RowOrdinal row) const {
    __builtin_prefetch(born_.At(row));
    __builtin_prefetch(died_.At(row));
  }
  // For scans: births and deaths of the kChunk rows around `row`, element 0 being row & ~(kChunk - 1).
  static constexpr uint32_t kChunk = ChunkedArray<Sequence>::kChunk;
  const std::atomic<Sequence>* BornChunk(RowOrdinal row) const { return born_.Chunk(row); }
  const std::atomic<Sequence>* DiedChunk(RowOrdinal row) const { return died_.Chunk(row); }

 private:
  ChunkedArray<Sequence> born_, died_;
};

// What a reader pinned: rows below `end`, seen at sequence `at`. Immutable; keeps nothing alive.
struct Visibility {
  const RowVersions* versions = nullptr;
  Sequence at = 0;
  RowOrdinal end = 0;

  bool Visible(RowOrdinal row) const {
    return row < end && versions->born(row) <= at && at < versions->died(row);
  }
  // Ahead of Visible.
  void Prefetch(RowOrdinal row) const {
    if (row < end) versions->Prefetch(row);
  }
};

}  // namespace longbow
