// Records on their way to the disk: the ones that one write takes.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "longbow/base/filesystem.h"
#include "longbow/storage/commit_log.h"
#include "longbow/storage/log_format.h"
#include "longbow/storage/segment_store.h"

namespace longbow::storage {

// Something that waits for its turn in the log: a record, or a barrier that only wants to be told.
struct LogEntry {
  Segment* segment = nullptr;  // null for a barrier; outlives the entry
  RecordHeader header;
  BufferChain payload;
  LogPosition position;
  AppendDone done;                      // may be empty
  std::function<void(Status)> barrier;  // may be empty
  bool async = false;                   // of durability kAsync, and not acknowledged ahead

  uint64_t bytes() const { return segment == nullptr ? 0 : RecordBytes(header.payload_bytes); }
};

// One write to one segment. Confined; stays where it is until the write completes.
class LogFlush {
 public:
  // Entries of one segment and barriers among them, consecutive. `durable`: every record up to this number is
  // durable.
  LogFlush(std::vector<LogEntry> entries, uint64_t durable);

  // Null when there are only barriers.
  Segment* segment() const { return segment_; }
  uint64_t offset() const { return offset_; }
  // Headers, paddings and small payloads from a buffer of the flush, large payloads from where they are.
  std::vector<ConstBytes> TakePieces() { return std::move(pieces_); }

  std::vector<LogEntry>& entries() { return entries_; }
  uint64_t records() const { return records_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t last_number() const { return last_number_; }      // 0 without records
  Sequence last_sequence() const { return last_sequence_; }  // 0 without data

 private:
  void Stage(const void* data, size_t size);
  void CloseRun();

  std::vector<LogEntry> entries_;
  Segment* segment_ = nullptr;
  uint64_t offset_ = 0;
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
  uint64_t last_number_ = 0;
  Sequence last_sequence_ = 0;
  std::vector<uint8_t> staged_;  // never grows once filled: pieces_ point into it
  size_t run_ = 0;               // where the piece being staged starts
  std::vector<ConstBytes> pieces_;
};

}  // namespace longbow::storage
