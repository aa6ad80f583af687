#include "longbow/storage/block_store.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

namespace longbow::storage {
namespace {

constexpr std::string_view kBlockSuffix = ".parquet";
constexpr uint64_t kReadBytes = uint64_t{4} << 20;

// The number in a name that is decimal digits, without leading zeros, and `suffix`.
std::optional<uint64_t> NumberIn(std::string_view name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return std::nullopt;
  name.remove_suffix(suffix.size());
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool whole = error == std::errc() && end == name.data() + name.size();
  return whole && std::to_string(number) == name ? std::optional(number) : std::nullopt;
}

std::string PathIn(std::string_view directory, std::string_view name) {
  return std::string(directory) + "/" + std::string(name);
}

}  // namespace

BlockFile::BlockFile(std::unique_ptr<File> file, uint64_t number)
    : file_(std::move(file)), number_(number), hash_(XXH3_createState()) {
  XXH3_64bits_reset(hash_);
}

BlockFile::~BlockFile() { XXH3_freeState(hash_); }

Status BlockFile::Append(const void* data, size_t size) {
  XXH3_64bits_update(hash_, data, size);
  buffer_.append(static_cast<const char*>(data), size);
  return buffer_.size() >= kBufferBytes ? Flush() : Status::OK();
}

Status BlockFile::Flush() {
  if (buffer_.empty()) return Status::OK();
  LB_RETURN_NOT_OK(file_->Write(
      written_, {{reinterpret_cast<const uint8_t*>(buffer_.data()), buffer_.size()}}, /*sync=*/false));
  written_ += buffer_.size();
  buffer_.clear();
  return Status::OK();
}

Status BlockFile::Finish(BlockEntry* entry) {
  LB_RETURN_NOT_OK(Flush());
  LB_RETURN_NOT_OK(file_->Sync());
  entry->file = number_;
  entry->bytes = written_;
  entry->checksum = XXH3_64bits_digest(hash_);
  return Status::OK();
}

std::string BlockStore::BlockPath(uint64_t number) {
  return PathIn(kBlocks, std::to_string(number) + std::string(kBlockSuffix));
}
std::string BlockStore::DerivedPath(uint64_t number) { return PathIn(kDerived, std::to_string(number)); }

Status BlockStore::Open(const Manifest& manifest) {
  uint64_t next = std::max<uint64_t>(1, manifest.next_file);
  for (const auto& [directory, suffix] : {std::pair(kBlocks, kBlockSuffix), {kDerived, ""}}) {
    LB_RETURN_NOT_OK(files_->CreateDirectories(directory));
    LB_ASSIGN_OR_RETURN(const auto names, files_->List(directory));
    for (const auto& name : names) {
      if (const auto number = NumberIn(name, suffix)) next = std::max(next, *number + 1);
    }
  }
  next_number_.store(next);
  return Status::OK();
}

Result<bool> BlockStore::HasBlocks() {
  LB_ASSIGN_OR_RETURN(const bool exists, files_->Exists(kBlocks));
  if (!exists) return false;
  LB_ASSIGN_OR_RETURN(const auto names, files_->List(kBlocks));
  return std::any_of(names.begin(), names.end(),
                     [](const auto& name) { return NumberIn(name, kBlockSuffix).has_value(); });
}

Result<std::unique_ptr<BlockFile>> BlockStore::CreateBlock() {
  const uint64_t number = NewNumber();
  LB_ASSIGN_OR_RETURN(auto file, files_->Open(BlockPath(number), OpenMode::kCreate));
  return std::make_unique<BlockFile>(std::move(file), number);
}

Result<std::string> BlockStore::CreateDerived(uint64_t number) {
  std::string path = DerivedPath(number);
  LB_RETURN_NOT_OK(files_->CreateDirectories(path));
  return path;
}

Status BlockStore::SyncNames() {
  LB_RETURN_NOT_OK(files_->SyncDirectory(kBlocks));
  return files_->SyncDirectory(kDerived);
}

Result<BlockBytes> BlockStore::OpenBlock(const BlockEntry& entry) {
  const std::string path = BlockPath(entry.file);
  const auto damaged = [&](std::string_view what) {
    return Error(ErrorCode::kCorruption, "row block ", path, " of shard ", entry.shard, ", rows ",
                 entry.first_row, " to ", entry.end_row, ": ", what,
                 "; restore the file from a copy, or see longbowd --verify and --repair");
  };
  auto opened = files_->Open(path, OpenMode::kRead);
  if (!opened.ok() && CodeOf(opened.status()) == ErrorCode::kNotFound) return damaged("the file is missing");
  BlockBytes out;
  LB_ASSIGN_OR_RETURN(out.file_, std::move(opened));
  LB_ASSIGN_OR_RETURN(out.size_, out.file_->Size());
  if (out.size_ != entry.bytes) return damaged("its length differs from the manifest's");
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> hash(XXH3_createState(),
                                                                             XXH3_freeState);
  XXH3_64bits_reset(hash.get());
  std::string bytes;
  for (uint64_t at = 0; at < out.size_; at += bytes.size()) {
    bytes.resize(std::min(out.size_ - at, kReadBytes));
    LB_RETURN_NOT_OK(out.file_->Read(at, {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()}));
    XXH3_64bits_update(hash.get(), bytes.data(), bytes.size());
  }
  if (XXH3_64bits_digest(hash.get()) != entry.checksum) return damaged("its checksum differs");
  if (bytes.size() < out.size_) return out;
  out.content_ = std::move(bytes);
  out.file_ = nullptr;
  return out;
}

Status BlockBytes::Read(uint64_t offset, std::span<uint8_t> out) const {
  if (offset > size_ || out.size() > size_ - offset) {
    return Error(ErrorCode::kCorruption, "row block: ", out.size(), " bytes at ", offset,
                 " were asked for, it has ", size_);
  }
  if (file_ != nullptr) return file_->Read(offset, out);
  std::copy_n(content_.begin() + static_cast<int64_t>(offset), out.size(), out.begin());
  return Status::OK();
}

int64_t BlockStore::RemoveUnnamed(const Manifest& manifest) {
  std::set<uint64_t> blocks, derived;
  for (const auto& block : manifest.blocks) blocks.insert(block.file);
  for (const auto& entry : manifest.derived) derived.insert(entry.file);
  int64_t removed = 0;
  for (const auto& name : files_->List(kBlocks).ValueOr({})) {
    const auto number = NumberIn(name, kBlockSuffix);
    if (number && !blocks.contains(*number)) removed += files_->Remove(PathIn(kBlocks, name)).ok();
  }
  for (const auto& name : files_->List(kDerived).ValueOr({})) {
    const auto number = NumberIn(name, "");
    if (!number || derived.contains(*number)) continue;
    const std::string directory = PathIn(kDerived, name);
    for (const auto& file : files_->List(directory).ValueOr({})) {
      removed += files_->Remove(PathIn(directory, file)).ok();
    }
    (void)files_->Remove(directory);
  }
  return removed;
}

}  // namespace longbow::storage
