#include "longbow/storage/manifest.h"

#include <xxhash.h>

#include <string>
#include <string_view>

#include "longbow/storage/little_endian.h"

namespace longbow::storage {
namespace {

constexpr std::string_view kPath = "manifest";
constexpr uint64_t kMagic = 0x5346494E414D424CULL;  // "LBMANIFS"
constexpr uint32_t kVersion = 1;
constexpr uint32_t kMinReader = 1;
constexpr size_t kHeadBytes = 48, kBlockBytes = 48, kChecksumBytes = 8;

Status Damaged(std::string_view what) {
  return Error(ErrorCode::kCorruption, "manifest is damaged: ", what, "; restore the file from a copy");
}

}  // namespace

Status SaveManifest(FileSystem* files, const Manifest& manifest) {
  std::string bytes;
  AppendTo(&bytes, kMagic);
  AppendTo(&bytes, kVersion);
  AppendTo(&bytes, kMinReader);
  AppendTo(&bytes, manifest.version);
  AppendTo(&bytes, manifest.log_generation);
  AppendTo(&bytes, manifest.snapshot_sequence);
  AppendTo(&bytes, uint64_t{manifest.blocks.size()});
  for (const BlockEntry& block : manifest.blocks) {
    AppendTo(&bytes, block.file);
    AppendTo(&bytes, block.shard);
    AppendTo(&bytes, block.first_row);
    AppendTo(&bytes, block.end_row);
    AppendTo(&bytes, block.bytes);
    AppendTo(&bytes, block.checksum);
    AppendTo(&bytes, uint64_t{0});
  }
  AppendTo(&bytes, uint64_t{XXH3_64bits(bytes.data(), bytes.size())});
  return files->ReplaceFile(kPath, bytes);
}

Result<Manifest> LoadManifest(FileSystem* files) {
  LB_ASSIGN_OR_RETURN(const bool exists, files->Exists(kPath));
  if (!exists) return NotFound("manifest: the data directory has none");
  LB_ASSIGN_OR_RETURN(const std::string bytes, files->ReadFile(kPath));
  const auto* in = reinterpret_cast<const uint8_t*>(bytes.data());
  if (bytes.size() < kHeadBytes + kChecksumBytes) return Damaged("shorter than its head");
  if (LoadAt<uint64_t>(in, 0) != kMagic) return Damaged("it does not begin with LBMANIFS");
  const size_t end = bytes.size() - kChecksumBytes;
  if (LoadAt<uint64_t>(in, end) != XXH3_64bits(in, end)) return Damaged("its checksum does not fit");
  if (LoadAt<uint32_t>(in, 12) > kVersion) {
    return Error(ErrorCode::kFailedPrecondition, "manifest: written by format version ",
                 LoadAt<uint32_t>(in, 8), ", this program reads up to ", kVersion, "; start a newer program");
  }
  Manifest manifest;
  manifest.version = LoadAt<uint64_t>(in, 16);
  manifest.log_generation = LoadAt<uint64_t>(in, 24);
  manifest.snapshot_sequence = LoadAt<uint64_t>(in, 32);
  const uint64_t blocks = LoadAt<uint64_t>(in, 40);
  if ((end - kHeadBytes) % kBlockBytes != 0 || (end - kHeadBytes) / kBlockBytes != blocks) {
    return Damaged("its length does not fit its number of blocks");
  }
  for (size_t at = kHeadBytes; at < end; at += kBlockBytes) {
    manifest.blocks.push_back({.file = LoadAt<uint64_t>(in, at),
                               .shard = LoadAt<uint64_t>(in, at + 8),
                               .first_row = LoadAt<uint32_t>(in, at + 16),
                               .end_row = LoadAt<uint32_t>(in, at + 20),
                               .bytes = LoadAt<uint64_t>(in, at + 24),
                               .checksum = LoadAt<uint64_t>(in, at + 32)});
  }
  return manifest;
}

}  // namespace longbow::storage
