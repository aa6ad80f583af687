#include "longbow/storage/log_format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "longbow/base/crc32c.h"
#include "longbow/storage/little_endian.h"

namespace longbow::storage {
namespace {

constexpr uint64_t kSegmentMagic = 0x474553474F4C424CULL;  // "LBLOGSEG"
constexpr uint32_t kRecordMagic = 0x4345524C;              // "LREC"
constexpr uint32_t kVersion = 2;
constexpr uint32_t kMinReader = 2;
constexpr uint32_t kFlagCut = 1;
constexpr size_t kNameDigits = 20;

// The CRC of a block whose four bytes at `at` count as zero.
uint32_t CrcWithout(const uint8_t* block, size_t size, size_t at) {
  constexpr std::array<uint8_t, 4> kZeros{};
  uint32_t crc = ExtendCrc32c(0, block, at);
  crc = ExtendCrc32c(crc, kZeros.data(), kZeros.size());
  return ExtendCrc32c(crc, block + at + 4, size - at - 4);
}

std::string Name(uint64_t number, std::string_view suffix) {
  std::string digits = std::to_string(number);
  return std::string(kNameDigits - digits.size(), '0') + digits + std::string(suffix);
}

std::optional<uint64_t> ParseName(std::string_view name, std::string_view suffix) {
  if (name.size() != kNameDigits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  uint64_t number = 0;
  const char* end = name.data() + kNameDigits;
  const auto [stopped, error] = std::from_chars(name.data(), end, number);
  if (error != std::errc() || stopped != end || number == 0) return std::nullopt;
  return number;
}

}  // namespace

std::vector<uint8_t> EncodeSegmentHeader(const SegmentHeader& header) {
  std::vector<uint8_t> block(kSegmentHeaderBytes);
  uint8_t* out = block.data();
  StoreAt(out, 0, kSegmentMagic);
  StoreAt(out, 8, kVersion);
  StoreAt(out, 12, kMinReader);
  StoreAt(out, 20, header.cut ? kFlagCut : uint32_t{0});
  StoreAt(out, 24, header.number);
  StoreAt(out, 32, header.generation);
  StoreAt(out, 40, header.salt);
  StoreAt(out, 48, header.base);
  StoreAt(out, 56, header.base_sequence);
  StoreAt(out, 16, CrcWithout(out, block.size(), 16));
  return block;
}

Result<SegmentHeader> DecodeSegmentHeader(std::span<const uint8_t> block, std::string_view name) {
  const uint8_t* in = block.data();
  if (block.size() < kSegmentHeaderBytes || LoadAt<uint64_t>(in, 0) != kSegmentMagic ||
      LoadAt<uint32_t>(in, 16) != CrcWithout(in, kSegmentHeaderBytes, 16)) {
    return Error(ErrorCode::kCorruption, "log segment ", name, ": the header at offset 0 is damaged (",
                 block.size(), " bytes read); restore the file from a copy");
  }
  if (LoadAt<uint32_t>(in, 12) > kVersion) {
    return Error(ErrorCode::kFailedPrecondition, "log segment ", name, ": written by format version ",
                 LoadAt<uint32_t>(in, 8), ", this program reads up to ", kVersion, "; start a newer program");
  }
  SegmentHeader header;
  header.cut = (LoadAt<uint32_t>(in, 20) & kFlagCut) != 0;
  header.number = LoadAt<uint64_t>(in, 24);
  header.generation = LoadAt<uint64_t>(in, 32);
  header.salt = LoadAt<uint64_t>(in, 40);
  header.base = LoadAt<uint64_t>(in, 48);
  header.base_sequence = LoadAt<uint64_t>(in, 56);
  return header;
}

void EncodeRecordHeader(const RecordHeader& header, uint8_t* out) {
  std::memset(out, 0, kRecordHeaderBytes);
  StoreAt(out, 0, kRecordMagic);
  StoreAt(out, 4, header.type);
  StoreAt(out, 6, header.kind);
  StoreAt(out, 12, header.payload_crc);
  StoreAt(out, 16, header.payload_bytes);
  StoreAt(out, 24, header.salt);
  StoreAt(out, 32, header.offset);
  StoreAt(out, 40, header.number);
  StoreAt(out, 48, header.durable);
  StoreAt(out, 56, header.generation);
  StoreAt(out, 64, header.shard);
  StoreAt(out, 72, header.term);
  StoreAt(out, 80, header.index);
  StoreAt(out, 88, header.sequence);
  StoreAt(out, 96, header.schema_version);
  StoreAt(out, 100, header.codec);
  StoreAt(out, 8, ExtendCrc32c(0, out, kRecordHeaderBytes));
}

std::optional<RecordHeader> DecodeRecordHeader(const uint8_t* bytes) {
  if (LoadAt<uint32_t>(bytes, 0) != kRecordMagic) return std::nullopt;
  if (LoadAt<uint32_t>(bytes, 8) != CrcWithout(bytes, kRecordHeaderBytes, 8)) return std::nullopt;
  RecordHeader header;
  header.type = LoadAt<RecordType>(bytes, 4);
  header.kind = LoadAt<uint16_t>(bytes, 6);
  header.payload_crc = LoadAt<uint32_t>(bytes, 12);
  header.payload_bytes = LoadAt<uint64_t>(bytes, 16);
  header.salt = LoadAt<uint64_t>(bytes, 24);
  header.offset = LoadAt<uint64_t>(bytes, 32);
  header.number = LoadAt<uint64_t>(bytes, 40);
  header.durable = LoadAt<uint64_t>(bytes, 48);
  header.generation = LoadAt<uint64_t>(bytes, 56);
  header.shard = LoadAt<uint64_t>(bytes, 64);
  header.term = LoadAt<uint64_t>(bytes, 72);
  header.index = LoadAt<uint64_t>(bytes, 80);
  header.sequence = LoadAt<uint64_t>(bytes, 88);
  header.schema_version = LoadAt<uint32_t>(bytes, 96);
  header.codec = LoadAt<RecordCodec>(bytes, 100);
  return header;
}

uint32_t PayloadCrc(const BufferChain& payload, std::span<const KnownCrc> known) {
  constexpr std::array<uint8_t, kRecordAlignment> kZeros{};
  return ExtendCrc32c(ExtendCrc32c(0, payload, known), kZeros.data(),
                      PaddingBytes(static_cast<uint64_t>(payload.size())));
}

std::string EncodeMarks(const LogMarks& marks) {
  std::string bytes;
  AppendTo(&bytes, marks.first_segment);
  AppendTo(&bytes, marks.last_sequence);
  AppendTo(&bytes, uint64_t{marks.shards.size()});
  for (const LogMarks::Shard& shard : marks.shards) {
    AppendTo(&bytes, shard.shard);
    AppendTo(&bytes, shard.term);
    AppendTo(&bytes, shard.last_index);
  }
  return bytes;
}

Result<LogMarks> DecodeMarks(const BufferChain& payload) {
  constexpr int64_t kHead = 24, kEach = 24;
  uint8_t bytes[std::max(kHead, kEach)];
  LogMarks marks;
  LB_RETURN_NOT_OK(payload.CopyTo(0, kHead, bytes));
  marks.first_segment = LoadAt<uint64_t>(bytes, 0);
  marks.last_sequence = LoadAt<uint64_t>(bytes, 8);
  const uint64_t count = LoadAt<uint64_t>(bytes, 16);
  if (payload.size() < kHead || count != static_cast<uint64_t>(payload.size() - kHead) / kEach) {
    return Error(ErrorCode::kCorruption, "log marks: ", count, " shards announced in ", payload.size(),
                 " bytes");
  }
  for (uint64_t i = 0; i < count; ++i) {
    LB_RETURN_NOT_OK(payload.CopyTo(kHead + static_cast<int64_t>(i) * kEach, kEach, bytes));
    marks.shards.push_back(
        {LoadAt<uint64_t>(bytes, 0), LoadAt<uint64_t>(bytes, 8), LoadAt<uint64_t>(bytes, 16)});
  }
  return marks;
}

std::string SegmentName(uint64_t number) { return Name(number, ".log"); }
std::string SpareName(uint64_t number) { return Name(number, ".spare"); }
std::optional<uint64_t> ParseSegmentName(std::string_view name) { return ParseName(name, ".log"); }
std::optional<uint64_t> ParseSpareName(std::string_view name) { return ParseName(name, ".spare"); }

}  // namespace longbow::storage
