// The log's bytes, as docs/formats/log.md has them. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/buffer_chain.h"
#include "longbow/base/crc32c.h"
#include "longbow/base/ids.h"
#include "longbow/base/status.h"

namespace longbow::storage {

inline constexpr uint64_t kSegmentHeaderBytes = 4096;  // records start behind it
inline constexpr uint64_t kRecordHeaderBytes = 104;
inline constexpr uint64_t kRecordAlignment = 8;

struct SegmentHeader {
  uint64_t number = 0;
  uint64_t generation = 0;
  uint64_t salt = 0;  // of this use of the file
  uint64_t base = 0;  // every record up to here was durable when this was written
  Sequence base_sequence = 0;
  bool cut = false;  // the log before this segment ends at record `base`
};

std::vector<uint8_t> EncodeSegmentHeader(const SegmentHeader& header);
// `name` is for messages. Corruption; FailedPrecondition when a newer version wrote it.
Result<SegmentHeader> DecodeSegmentHeader(std::span<const uint8_t> block, std::string_view name);

enum class RecordType : uint16_t { kData = 1, kSeal = 2, kTruncate = 3, kMarks = 4 };
enum class RecordCodec : uint8_t { kPlain = 0, kLz4 = 1, kZstd = 2 };

struct RecordHeader {
  RecordType type = RecordType::kData;
  uint16_t kind = 0;
  uint32_t payload_crc = 0;  // of payload and padding
  uint64_t payload_bytes = 0;
  uint64_t salt = 0;
  uint64_t offset = 0;
  uint64_t number = 0;
  uint64_t durable = 0;
  uint64_t generation = 0;
  ShardId shard = 0;
  uint64_t term = 0;
  uint64_t index = 0;
  Sequence sequence = 0;
  SchemaVersion schema_version = 0;
  RecordCodec codec = RecordCodec::kPlain;  // as read: may be one that is not known
};

void EncodeRecordHeader(const RecordHeader& header, uint8_t* out);  // kRecordHeaderBytes
// Nothing when these are not a whole header.
std::optional<RecordHeader> DecodeRecordHeader(const uint8_t* bytes);

constexpr uint64_t PaddingBytes(uint64_t payload_bytes) { return (0 - payload_bytes) % kRecordAlignment; }
constexpr uint64_t RecordBytes(uint64_t payload_bytes) {
  return kRecordHeaderBytes + payload_bytes + PaddingBytes(payload_bytes);
}
// Of the payload with the zeros behind it. `known`: of stretches of the payload.
uint32_t PayloadCrc(const BufferChain& payload, std::span<const KnownCrc> known = {});

// What a marks record says.
struct LogMarks {
  struct Shard {
    ShardId shard = 0;
    uint64_t term = 0;
    uint64_t last_index = 0;
  };
  uint64_t first_segment = 0;  // segments below it may be gone
  Sequence last_sequence = 0;
  std::vector<Shard> shards = {};
};
std::string EncodeMarks(const LogMarks& marks);
Result<LogMarks> DecodeMarks(const BufferChain& payload);

std::string SegmentName(uint64_t number);  // "00000000000000000001.log"
std::string SpareName(uint64_t number);
// The number in a name that SegmentName or SpareName made.
std::optional<uint64_t> ParseSegmentName(std::string_view name);
std::optional<uint64_t> ParseSpareName(std::string_view name);

}  // namespace longbow::storage
