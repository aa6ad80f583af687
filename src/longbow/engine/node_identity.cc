#include "longbow/engine/node_identity.h"

#include <xxhash.h>

#include <cstdio>

namespace longbow::engine {
namespace {

constexpr std::string_view kMagic = "longbow-node 1 ";
constexpr size_t kIdBytes = 16;

std::string ChecksumOf(std::string_view text) {
  char hex[17];
  std::snprintf(hex, sizeof(hex), "%016llx",
                static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
  return hex;
}

}  // namespace

Result<std::string> ReadNodeId(FileSystem* files) {
  LB_ASSIGN_OR_RETURN(const bool known, files->Exists(kNodeFileName));
  if (!known) return NotFound("the data directory has no file 'node'");
  LB_ASSIGN_OR_RETURN(const std::string content, files->ReadFile(kNodeFileName));
  const std::string_view text = content;
  const size_t body = kMagic.size() + 2 * kIdBytes;
  if (text.size() != body + 1 + 16 + 1 || !text.starts_with(kMagic) ||
      text.substr(body + 1, 16) != ChecksumOf(text.substr(0, body))) {
    return Error(ErrorCode::kCorruption,
                 "the file 'node' of the data directory is damaged; restore it from a backup");
  }
  return std::string(text.substr(kMagic.size(), 2 * kIdBytes));
}

Result<std::string> ReadOrMakeNodeId(FileSystem* files, Random* random) {
  auto known = ReadNodeId(files);
  if (known.ok() || CodeOf(known.status()) != ErrorCode::kNotFound) return known;
  std::string id = random->HexToken(kIdBytes);
  const std::string body = std::string(kMagic) + id;
  LB_RETURN_NOT_OK(files->ReplaceFile(kNodeFileName, body + " " + ChecksumOf(body) + "\n"));
  return id;
}

}  // namespace longbow::engine
