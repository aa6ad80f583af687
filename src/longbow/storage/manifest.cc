#include "longbow/storage/manifest.h"

#include <xxhash.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "longbow/storage/little_endian.h"

namespace longbow::storage {
namespace {

constexpr std::string_view kPath = "manifest";
constexpr uint64_t kMagic = 0x5346494E414D424CULL;  // "LBMANIFS"
// Version 3 is version 2 with shards that are behind, and written only when there are some: the programs
// before it can read what they understand.
constexpr uint32_t kVersion = 3, kVersionWithoutBehind = 2;
constexpr size_t kFirstHeadBytes = 48;  // of version 1
constexpr size_t kHeadBytes = 72, kBlockBytes = 56, kDerivedBytes = 32, kBehindBytes = 16, kChecksumBytes = 8;

Status Damaged(std::string_view what) {
  return Error(ErrorCode::kCorruption, "manifest is damaged: ", what, "; restore the file from a copy");
}

void AppendBlock(std::string* bytes, const BlockEntry& block) {
  AppendTo(bytes, block.file);
  AppendTo(bytes, block.shard);
  AppendTo(bytes, block.first_row);
  AppendTo(bytes, block.end_row);
  AppendTo(bytes, block.rows);
  AppendTo(bytes, static_cast<uint32_t>(block.dead.size()));
  AppendTo(bytes, block.bytes);
  AppendTo(bytes, block.checksum);
  AppendTo(bytes, uint64_t{0});
  bytes->append(block.dead);
}

// What is left of a manifest between head and checksum, taken from the front. Confined.
class Body {
 public:
  explicit Body(std::string_view bytes) : left_(bytes) {}
  size_t left() const { return left_.size(); }
  std::string_view Take(size_t count) {
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }

 private:
  std::string_view left_;
};

Status TakeBlock(Body* body, BlockEntry* block) {
  if (body->left() < kBlockBytes) return Damaged("it ends within its blocks");
  const auto* in = reinterpret_cast<const uint8_t*>(body->Take(kBlockBytes).data());
  *block = {.file = LoadAt<uint64_t>(in, 0),
            .shard = LoadAt<uint64_t>(in, 8),
            .first_row = LoadAt<uint32_t>(in, 16),
            .end_row = LoadAt<uint32_t>(in, 20),
            .rows = LoadAt<uint32_t>(in, 24),
            .bytes = LoadAt<uint64_t>(in, 32),
            .checksum = LoadAt<uint64_t>(in, 40),
            .dead = {}};
  const uint64_t dead_bytes = LoadAt<uint32_t>(in, 28);
  if (block->first_row >= block->end_row || block->rows > block->end_row - block->first_row) {
    return Damaged("a block has more rows than its range");
  }
  const uint64_t bitmap = (uint64_t{block->end_row - block->first_row} + 7) / 8;
  if (dead_bytes != 0 && dead_bytes != bitmap) return Damaged("a bitmap does not fit its block");
  if (body->left() < dead_bytes) return Damaged("it ends within a bitmap");
  block->dead = body->Take(dead_bytes);
  return Status::OK();
}

// From the fields behind snapshot_sequence on.
Status TakeContent(std::string_view bytes, bool with_behind, Manifest* manifest) {
  const auto* in = reinterpret_cast<const uint8_t*>(bytes.data());
  const size_t head_bytes = kHeadBytes + (with_behind ? 8 : 0);
  if (bytes.size() < head_bytes) return Damaged("shorter than its head");
  manifest->next_file = LoadAt<uint64_t>(in, 40);
  const uint64_t blocks = LoadAt<uint64_t>(in, 48), derived = LoadAt<uint64_t>(in, 56),
                 catalog_bytes = LoadAt<uint64_t>(in, 64),
                 behind = with_behind ? LoadAt<uint64_t>(in, kHeadBytes) : 0;
  Body body(bytes.substr(head_bytes));
  for (uint64_t i = 0; i < blocks; ++i) {
    LB_RETURN_NOT_OK(TakeBlock(&body, &manifest->blocks.emplace_back()));
  }
  if (body.left() / kDerivedBytes < derived) return Damaged("it ends within its derived files");
  for (uint64_t i = 0; i < derived; ++i) {
    const auto* entry = reinterpret_cast<const uint8_t*>(body.Take(kDerivedBytes).data());
    manifest->derived.push_back({.file = LoadAt<uint64_t>(entry, 0),
                                 .shard = LoadAt<uint64_t>(entry, 8),
                                 .column = LoadAt<uint32_t>(entry, 16),
                                 .sequence = LoadAt<uint64_t>(entry, 24)});
  }
  if (body.left() / kBehindBytes < behind) return Damaged("it ends within its shards");
  for (uint64_t i = 0; i < behind; ++i) {
    const auto* entry = reinterpret_cast<const uint8_t*>(body.Take(kBehindBytes).data());
    manifest->behind.push_back({LoadAt<uint64_t>(entry, 0), LoadAt<uint64_t>(entry, 8)});
    if (manifest->behind.back().sequence > manifest->snapshot_sequence) {
      return Damaged("a shard is ahead of the snapshot");
    }
  }
  if (body.left() != catalog_bytes) return Damaged("its length does not fit its catalog");
  manifest->catalog = body.Take(catalog_bytes);
  return Status::OK();
}

}  // namespace

Sequence Manifest::StateOf(ShardId shard) const {
  for (const ShardBehind& entry : behind) {
    if (entry.shard == shard) return entry.sequence;
  }
  return snapshot_sequence;
}

Sequence Manifest::log_begin() const {
  Sequence begin = snapshot_sequence;
  for (const ShardBehind& entry : behind) begin = std::min(begin, entry.sequence);
  return begin;
}

Status SaveManifest(FileSystem* files, const Manifest& manifest) {
  std::string bytes;
  const uint32_t version = manifest.behind.empty() ? kVersionWithoutBehind : kVersion;
  AppendTo(&bytes, kMagic);
  AppendTo(&bytes, version);
  AppendTo(&bytes, version);  // the oldest reader
  AppendTo(&bytes, manifest.version);
  AppendTo(&bytes, manifest.log_generation);
  AppendTo(&bytes, manifest.snapshot_sequence);
  AppendTo(&bytes, manifest.next_file);
  AppendTo(&bytes, uint64_t{manifest.blocks.size()});
  AppendTo(&bytes, uint64_t{manifest.derived.size()});
  AppendTo(&bytes, uint64_t{manifest.catalog.size()});
  if (version == kVersion) AppendTo(&bytes, uint64_t{manifest.behind.size()});
  for (const BlockEntry& block : manifest.blocks) AppendBlock(&bytes, block);
  for (const DerivedEntry& derived : manifest.derived) {
    AppendTo(&bytes, derived.file);
    AppendTo(&bytes, derived.shard);
    AppendTo(&bytes, derived.column);
    AppendTo(&bytes, uint32_t{0});
    AppendTo(&bytes, derived.sequence);
  }
  for (const ShardBehind& entry : manifest.behind) {
    AppendTo(&bytes, entry.shard);
    AppendTo(&bytes, entry.sequence);
  }
  bytes += manifest.catalog;
  AppendTo(&bytes, uint64_t{XXH3_64bits(bytes.data(), bytes.size())});
  return files->ReplaceFile(kPath, bytes);
}

Result<Manifest> LoadManifest(FileSystem* files, std::string_view path) {
  LB_ASSIGN_OR_RETURN(const bool exists, files->Exists(path));
  if (!exists) return NotFound("manifest: the data directory has none");
  LB_ASSIGN_OR_RETURN(const std::string bytes, files->ReadFile(path));
  const auto* in = reinterpret_cast<const uint8_t*>(bytes.data());
  if (bytes.size() < kFirstHeadBytes + kChecksumBytes) return Damaged("shorter than its head");
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
  if (LoadAt<uint32_t>(in, 8) == 1) {
    if (LoadAt<uint64_t>(in, 40) != 0 || end != kFirstHeadBytes) return Damaged("version 1 had no blocks");
    return manifest;
  }
  const bool with_behind = LoadAt<uint32_t>(in, 12) > kVersionWithoutBehind;
  LB_RETURN_NOT_OK(TakeContent(std::string_view(bytes).substr(0, end), with_behind, &manifest));
  return manifest;
}

}  // namespace longbow::storage
