// Finds out, before anything is replayed, where a log ends and whether that end is one that a crash can
// leave.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "longbow/storage/segment_reader.h"
#include "longbow/storage/segment_store.h"

namespace longbow::storage {

using Segments = std::vector<std::shared_ptr<Segment>>;

// The part of a segment that belongs to the log.
struct SegmentSpan {
  size_t segment = 0;         // among those surveyed
  uint64_t first_number = 0;  // of its first record
  uint64_t records = 0;
  uint64_t end_offset = kSegmentHeaderBytes;
  Sequence last_sequence = 0;  // newest up to its end
};

struct RecordPlace {
  size_t segment = 0;
  uint64_t offset = 0;
  RecordHeader header;
};

// Records that were forgotten: a truncation hits those of its shard with a smaller number and a larger index.
// Confined.
class Truncations {
 public:
  void Add(uint64_t number, ShardId shard, uint64_t index) { by_shard_[shard].emplace_back(number, index); }
  void DropFrom(uint64_t number);
  bool Forgotten(const RecordHeader& record) const;

 private:
  std::unordered_map<ShardId, std::vector<std::pair<uint64_t, uint64_t>>> by_shard_;
};

struct LogSurvey {
  std::vector<SegmentSpan> spans;  // in log order; the last one holds the end
  uint64_t last_number = 0;        // of the last good record
  Sequence last_sequence = 0;
  std::vector<RecordPlace> unproved;  // good records at the end that nothing proves durable
  Truncations truncations;
  bool torn = false;  // something of this log stands behind the end
  uint64_t torn_bytes = 0;
};

// Corruption when the log ends before a record that something behind it proves durable. Reads headers, and
// payloads only of records that nothing proves durable: a damaged payload among the others is left to the
// replay, for which every record up to last_number is either whole or corrupt. Changes nothing.
Result<LogSurvey> SurveyLog(const Segments& segments);

// What to say of a record that must be there and is not whole.
Status DamagedRecord(const Segment& segment, uint64_t offset, uint64_t number, Sequence sequence_before,
                     std::string_view proof);

}  // namespace longbow::storage
