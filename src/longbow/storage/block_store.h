// The numbered files of a data directory beside the log: sealed row blocks and derived files. Names, numbers,
// checksums and places; what is in a file is its writer's affair.
#pragma once

#include <xxhash.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/filesystem.h"
#include "longbow/base/status.h"
#include "longbow/storage/manifest.h"

namespace longbow::storage {

// A block being written from front to back. Confined.
class BlockFile {
 public:
  BlockFile(std::unique_ptr<File> file, uint64_t number);
  ~BlockFile();

  uint64_t number() const { return number_; }
  uint64_t bytes() const { return written_ + buffer_.size(); }
  Status Append(const void* data, size_t size);
  // Everything is on the medium; the name is after BlockStore::SyncNames. Sets file, bytes and checksum.
  Status Finish(BlockEntry* entry);

 private:
  static constexpr size_t kBufferBytes = size_t{1} << 20;
  Status Flush();

  const std::unique_ptr<File> file_;
  const uint64_t number_;
  std::string buffer_;
  uint64_t written_ = 0;
  XXH3_state_t* const hash_;
};

// A block to be read, whose every byte has been checked. Immutable.
class BlockBytes {
 public:
  uint64_t size() const { return size_; }
  Status Read(uint64_t offset, std::span<uint8_t> out) const;

 private:
  friend class BlockStore;
  uint64_t size_ = 0;
  std::unique_ptr<File> file_;
  std::string content_;  // of a small one
};

// Thread-safe.
class BlockStore {
 public:
  static constexpr std::string_view kBlocks = "blocks", kDerived = "derived", kQuarantine = "quarantine";

  explicit BlockStore(FileSystem* files) : files_(files) {}

  // Makes the directories. Numbers to come are above what `manifest` and the directories know.
  Status Open(const Manifest& manifest);
  // Whether there are files named as ours are.
  Result<bool> HasBlocks();

  uint64_t NewNumber() { return next_number_.fetch_add(1); }
  uint64_t next_number() const { return next_number_.load(); }
  static std::string BlockPath(uint64_t number);
  static std::string DerivedPath(uint64_t number);  // a directory

  Result<std::unique_ptr<BlockFile>> CreateBlock();
  Result<std::string> CreateDerived(uint64_t number);  // its path
  // The names of what was created so far are on the medium afterwards.
  Status SyncNames();
  // Corruption that names the file when it is not, byte for byte, what the entry says.
  Result<BlockBytes> OpenBlock(const BlockEntry& entry);

  // Removes files of ours that `manifest` does not name. Returns how many; what cannot be removed stays.
  int64_t RemoveUnnamed(const Manifest& manifest);

 private:
  FileSystem* const files_;
  std::atomic<uint64_t> next_number_{1};
};

}  // namespace longbow::storage
