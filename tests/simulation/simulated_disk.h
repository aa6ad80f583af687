// What a disk holds, and what only the kernel's cache holds and a power cut may take.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"

namespace longbow::simulation {

inline constexpr uint64_t kSectorBytes = 512;

// Numbers the changes of a disk in the order in which they reached the cache.
using Stamp = uint64_t;
// Says of each thing whose fate is open at a power cut, one by one, whether it is kept.
using Fate = std::function<bool()>;

// Bytes and size of one file. Processes see the cache; each sector keeps every version written since the
// medium's, any of which the disk may have taken by itself. Nothing but a sync is certain to reach the
// medium. Confined.
class SimulatedInode {
 public:
  // As seen by processes.
  uint64_t size() const { return cached_sizes_.empty() ? medium_size_ : cached_sizes_.back().size; }
  void Read(uint64_t offset, std::span<uint8_t> out) const;

  // Into the cache.
  void Write(uint64_t offset, std::span<const uint8_t> bytes, Stamp stamp);
  void Resize(uint64_t size, Stamp stamp);

  // Onto the medium: what the cache had at `through`.
  void SyncThrough(Stamp through);
  // Onto the medium: what the cache has of these bytes, and the size.
  void SyncRange(uint64_t offset, uint64_t length);
  // A failed sync: what the cache had at `through` is still read, and never reaches the medium (as Linux
  // marks pages clean after a failed write-back, so that the next sync says OK).
  void Forsake(Stamp through);

  // For each sector and the size: the medium's state, or with luck one of the cache's.
  void LosePower(const Fate& kept, const std::function<uint64_t(uint64_t)>& below);
  // Bit rot, on the medium and in the cache.
  void Flip(uint64_t offset, uint8_t mask);

 private:
  using Bytes = std::array<uint8_t, kSectorBytes>;
  struct Version {
    Stamp stamp;
    bool forsaken;
    Bytes bytes;
  };
  struct Sector {
    Bytes medium = {};
    std::vector<Version> cached;  // oldest first
    const Bytes& seen() const { return cached.empty() ? medium : cached.back().bytes; }
  };
  struct CachedSize {
    Stamp stamp;
    uint64_t size;
    bool shrinks;
  };
  void SyncSector(uint64_t number, Stamp through);
  void SyncSizes(size_t count);

  std::map<uint64_t, Sector> sectors_;  // absent: zeros
  std::set<uint64_t> dirty_;            // sectors with cached versions
  uint64_t medium_size_ = 0;
  std::vector<CachedSize> cached_sizes_;  // oldest first
};

// Files and directories by path. A name made, moved or removed is seen at once and is on the medium after a
// sync of each directory concerned; made directories are on the medium at once. Confined.
class SimulatedDisk {
 public:
  SimulatedDisk() = default;
  SimulatedDisk(SimulatedDisk&&) = default;
  SimulatedDisk& operator=(SimulatedDisk&&) = default;
  // A disk of its own with the same content, so that several fates of one crash can be tried.
  SimulatedDisk Copy() const;

  bool Exists(std::string_view path) const { return path.empty() || seen_.count(std::string(path)) != 0; }
  bool IsDirectory(std::string_view path) const;
  Result<std::shared_ptr<SimulatedInode>> Find(std::string_view path) const;  // a file
  Result<std::vector<std::string>> List(std::string_view directory) const;
  uint64_t used_bytes() const;

  Result<std::shared_ptr<SimulatedInode>> Create(std::string_view path);
  Status CreateDirectories(std::string_view path);
  Status Rename(std::string_view from, std::string_view to);  // files only
  Status Remove(std::string_view path);
  Status SyncDirectory(std::string_view path);
  Stamp NextStamp() { return ++stamp_; }
  Stamp stamp() const { return stamp_; }

  // Nothing is in the cache afterwards. A name whose earlier change was lost keeps none of its later ones.
  void LosePower(const Fate& kept, const std::function<uint64_t(uint64_t)>& below);

 private:
  using InodePtr = std::shared_ptr<SimulatedInode>;
  struct Entry {
    InodePtr file;  // null for a directory
  };
  using Tree = std::map<std::string, Entry, std::less<>>;
  struct NameChange {
    std::string path;
    std::optional<Entry> entry;  // none: removed
    bool synced = false;
  };
  using Transaction = std::vector<NameChange>;  // all or nothing

  void Begin(Transaction transaction);
  static void Apply(const Transaction& transaction, Tree* tree);
  static bool HasChildren(const Tree& tree, std::string_view path);
  Status CheckParent(std::string_view path) const;

  Tree seen_, medium_;
  std::vector<Transaction> pending_;  // in seen_ and not yet in medium_, oldest first
  Stamp stamp_ = 0;
};

}  // namespace longbow::simulation
