#include "simulation/simulated_disk.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace longbow::simulation {
namespace {

std::string_view ParentOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

// Calls visit(sector, begin in sector, end in sector, place in range) for each sector of [offset, offset +
// length).
template <typename Visit>
void ForEachSector(uint64_t offset, uint64_t length, Visit&& visit) {
  for (uint64_t done = 0; done < length;) {
    const uint64_t begin = (offset + done) % kSectorBytes;
    const uint64_t n = std::min(kSectorBytes - begin, length - done);
    visit((offset + done) / kSectorBytes, begin, begin + n, done);
    done += n;
  }
}

}  // namespace

void SimulatedInode::Read(uint64_t offset, std::span<uint8_t> out) const {
  ForEachSector(offset, out.size(), [&](uint64_t number, uint64_t begin, uint64_t end, uint64_t place) {
    const auto sector = sectors_.find(number);
    if (sector == sectors_.end()) {
      std::memset(out.data() + place, 0, end - begin);
    } else {
      std::memcpy(out.data() + place, sector->second.seen().data() + begin, end - begin);
    }
  });
}

void SimulatedInode::Write(uint64_t offset, std::span<const uint8_t> bytes, Stamp stamp) {
  ForEachSector(offset, bytes.size(), [&](uint64_t number, uint64_t begin, uint64_t end, uint64_t place) {
    Sector& sector = sectors_[number];
    Version version{stamp, false, sector.seen()};
    std::memcpy(version.bytes.data() + begin, bytes.data() + place, end - begin);
    sector.cached.push_back(version);
    dirty_.insert(number);
  });
  const uint64_t end = offset + bytes.size();
  if (!bytes.empty() && end > size()) cached_sizes_.push_back({stamp, end, false});
}

void SimulatedInode::Resize(uint64_t size, Stamp stamp) {
  const bool shrinks = size < this->size();
  cached_sizes_.push_back({stamp, size, shrinks});
  if (!shrinks) return;
  // What is cut off must read as zeros when the file grows again.
  for (auto it = sectors_.lower_bound(size / kSectorBytes); it != sectors_.end(); ++it) {
    const uint64_t start = it->first * kSectorBytes;
    const uint64_t keep = size > start ? size - start : 0;
    Version version{stamp, false, it->second.seen()};
    std::fill(version.bytes.begin() + static_cast<int64_t>(keep), version.bytes.end(), uint8_t{0});
    it->second.cached.push_back(version);
    dirty_.insert(it->first);
  }
}

void SimulatedInode::SyncThrough(Stamp through) {
  const std::vector<uint64_t> dirty(dirty_.begin(), dirty_.end());
  for (uint64_t number : dirty) SyncSector(number, through);
  const auto covered = [&](const CachedSize& cached) { return cached.stamp <= through; };
  SyncSizes(static_cast<size_t>(std::count_if(cached_sizes_.begin(), cached_sizes_.end(), covered)));
}

void SimulatedInode::SyncRange(uint64_t offset, uint64_t length) {
  constexpr Stamp kNewest = std::numeric_limits<Stamp>::max();
  ForEachSector(offset, length,
                [&](uint64_t number, uint64_t, uint64_t, uint64_t) { SyncSector(number, kNewest); });
  SyncSizes(cached_sizes_.size());
}

void SimulatedInode::Forsake(Stamp through) {
  for (uint64_t number : dirty_) {
    for (Version& version : sectors_[number].cached) version.forsaken |= version.stamp <= through;
  }
}

void SimulatedInode::LosePower(const Fate& kept, const std::function<uint64_t(uint64_t)>& below) {
  if (!cached_sizes_.empty() && kept()) SyncSizes(1 + below(cached_sizes_.size()));
  cached_sizes_.clear();
  for (uint64_t number : dirty_) {
    Sector& sector = sectors_[number];
    if (kept()) {
      const Version& version = sector.cached[below(sector.cached.size())];
      if (!version.forsaken) sector.medium = version.bytes;
    }
    sector.cached.clear();
  }
  dirty_.clear();
  // Sectors that came without the size that would show them.
  sectors_.erase(sectors_.lower_bound((medium_size_ + kSectorBytes - 1) / kSectorBytes), sectors_.end());
  if (const auto last = sectors_.find(medium_size_ / kSectorBytes); last != sectors_.end()) {
    Bytes& bytes = last->second.medium;
    std::fill(bytes.begin() + static_cast<int64_t>(medium_size_ % kSectorBytes), bytes.end(), uint8_t{0});
  }
}

void SimulatedInode::Flip(uint64_t offset, uint8_t mask) {
  Sector& sector = sectors_[offset / kSectorBytes];
  sector.medium[offset % kSectorBytes] ^= mask;
  for (Version& version : sector.cached) version.bytes[offset % kSectorBytes] ^= mask;
}

void SimulatedInode::SyncSector(uint64_t number, Stamp through) {
  const auto found = sectors_.find(number);
  if (found == sectors_.end()) return;
  auto& cached = found->second.cached;
  // The newest version that this sync covers and that no failed one gave up.
  auto covered = std::find_if(cached.rbegin(), cached.rend(), [&](const Version& version) {
    return version.stamp <= through && !version.forsaken;
  });
  if (covered == cached.rend()) return;
  found->second.medium = covered->bytes;
  cached.erase(cached.begin(), covered.base());
  if (cached.empty()) dirty_.erase(number);
}

// The oldest `count` sizes reach the medium. One that shrank takes the cut-off bytes with it: a journal never
// gives a file its old bytes back at a size that it got later.
void SimulatedInode::SyncSizes(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const CachedSize& cached = cached_sizes_[i];
    medium_size_ = cached.size;
    if (!cached.shrinks) continue;
    for (auto it = sectors_.lower_bound(cached.size / kSectorBytes); it != sectors_.end(); ++it) {
      SyncSector(it->first, cached.stamp);
    }
  }
  cached_sizes_.erase(cached_sizes_.begin(), cached_sizes_.begin() + static_cast<int64_t>(count));
}

SimulatedDisk SimulatedDisk::Copy() const {
  std::map<const SimulatedInode*, InodePtr> copies;
  const auto copy_of = [&](const InodePtr& file) -> InodePtr {
    if (file == nullptr) return nullptr;
    InodePtr& copy = copies[file.get()];
    if (copy == nullptr) copy = std::make_shared<SimulatedInode>(*file);
    return copy;
  };
  SimulatedDisk disk;
  for (const auto& [path, entry] : seen_) disk.seen_[path] = {copy_of(entry.file)};
  for (const auto& [path, entry] : medium_) disk.medium_[path] = {copy_of(entry.file)};
  disk.pending_ = pending_;
  for (Transaction& transaction : disk.pending_) {
    for (NameChange& change : transaction) {
      if (change.entry) change.entry->file = copy_of(change.entry->file);
    }
  }
  disk.stamp_ = stamp_;
  return disk;
}

bool SimulatedDisk::IsDirectory(std::string_view path) const {
  if (path.empty()) return true;
  const auto found = seen_.find(path);
  return found != seen_.end() && found->second.file == nullptr;
}

Result<std::shared_ptr<SimulatedInode>> SimulatedDisk::Find(std::string_view path) const {
  const auto found = seen_.find(path);
  if (found == seen_.end()) return NotFound("cannot open ", path, ": No such file or directory");
  if (found->second.file == nullptr) {
    return Error(ErrorCode::kFailedPrecondition, "cannot open ", path, ": Is a directory");
  }
  return found->second.file;
}

Result<std::vector<std::string>> SimulatedDisk::List(std::string_view directory) const {
  if (!IsDirectory(directory)) return NotFound("cannot list ", directory, ": No such file or directory");
  std::vector<std::string> names;
  for (const auto& [path, entry] : seen_) {
    if (ParentOf(path) == directory)
      names.push_back(directory.empty() ? path : path.substr(directory.size() + 1));
  }
  std::sort(names.begin(), names.end());
  return names;
}

uint64_t SimulatedDisk::used_bytes() const {
  uint64_t used = 0;
  for (const auto& [path, entry] : seen_) {
    if (entry.file == nullptr) continue;
    used += (entry.file->size() + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
  }
  return used;
}

Result<std::shared_ptr<SimulatedInode>> SimulatedDisk::Create(std::string_view path) {
  if (Exists(path)) return Error(ErrorCode::kAlreadyExists, "cannot open ", path, ": File exists");
  LB_RETURN_NOT_OK(CheckParent(path));
  auto file = std::make_shared<SimulatedInode>();
  Begin({{std::string(path), Entry{file}}});
  return file;
}

Status SimulatedDisk::CreateDirectories(std::string_view path) {
  for (size_t slash = 0; slash != std::string_view::npos;) {
    slash = path.find('/', slash + 1);
    const std::string_view directory = path.substr(0, slash);
    if (IsDirectory(directory)) continue;
    if (Exists(directory)) {
      return Error(ErrorCode::kFailedPrecondition, "cannot create directory ", directory,
                   ": Not a directory");
    }
    seen_[std::string(directory)] = medium_[std::string(directory)] = {};
  }
  return Status::OK();
}

Status SimulatedDisk::Rename(std::string_view from, std::string_view to) {
  LB_ASSIGN_OR_RETURN(InodePtr file, Find(from));
  LB_RETURN_NOT_OK(CheckParent(to));
  if (IsDirectory(to))
    return Error(ErrorCode::kFailedPrecondition, "cannot rename to ", to, ": Is a directory");
  if (from == to) return Status::OK();
  Begin({{std::string(from), std::nullopt}, {std::string(to), Entry{std::move(file)}}});
  return Status::OK();
}

Status SimulatedDisk::Remove(std::string_view path) {
  if (path.empty() || !Exists(path)) return NotFound("cannot remove ", path, ": No such file or directory");
  if (HasChildren(seen_, path)) {
    return Error(ErrorCode::kFailedPrecondition, "cannot remove ", path, ": Directory not empty");
  }
  Begin({{std::string(path), std::nullopt}});
  return Status::OK();
}

Status SimulatedDisk::SyncDirectory(std::string_view path) {
  if (!IsDirectory(path)) return NotFound("cannot sync directory ", path, ": No such file or directory");
  for (size_t i = 0; i < pending_.size();) {
    bool whole = true;
    for (NameChange& change : pending_[i]) {
      change.synced |= ParentOf(change.path) == path;
      whole &= change.synced;
    }
    if (!whole) {
      ++i;
      continue;
    }
    Apply(pending_[i], &medium_);
    // An older change of the same name that waits for its other directory must not come after this one.
    for (size_t older = 0; older < i; ++older) {
      for (const NameChange& newer : pending_[i]) {
        std::erase_if(pending_[older], [&](const NameChange& change) { return change.path == newer.path; });
      }
    }
    pending_.erase(pending_.begin() + static_cast<int64_t>(i));
  }
  std::erase_if(pending_, [](const Transaction& transaction) { return transaction.empty(); });
  return Status::OK();
}

void SimulatedDisk::LosePower(const Fate& kept, const std::function<uint64_t(uint64_t)>& below) {
  std::set<std::string> lost_names;
  std::set<const SimulatedInode*> lost_files;
  for (const Transaction& transaction : pending_) {
    bool keep = kept();
    for (const NameChange& change : transaction) {
      keep &= lost_names.count(change.path) == 0;
      keep &= !change.entry || lost_files.count(change.entry->file.get()) == 0;
      keep &= change.entry || !HasChildren(medium_, change.path);
    }
    if (keep) {
      Apply(transaction, &medium_);
      continue;
    }
    for (const NameChange& change : transaction) {
      lost_names.insert(change.path);
      if (change.entry) lost_files.insert(change.entry->file.get());
    }
  }
  pending_.clear();
  seen_ = medium_;
  for (const auto& [path, entry] : medium_) {
    if (entry.file != nullptr) entry.file->LosePower(kept, below);
  }
}

void SimulatedDisk::Begin(Transaction transaction) {
  Apply(transaction, &seen_);
  pending_.push_back(std::move(transaction));
}

void SimulatedDisk::Apply(const Transaction& transaction, Tree* tree) {
  for (const NameChange& change : transaction) {
    if (change.entry) {
      (*tree)[change.path] = *change.entry;
    } else {
      tree->erase(change.path);
    }
  }
}

bool SimulatedDisk::HasChildren(const Tree& tree, std::string_view path) {
  const std::string below = std::string(path) + "/";
  const auto next = tree.lower_bound(below);
  return next != tree.end() && next->first.compare(0, below.size(), below) == 0;
}

Status SimulatedDisk::CheckParent(std::string_view path) const {
  if (!path.empty() && IsDirectory(ParentOf(path))) return Status::OK();
  return NotFound("cannot open ", path, ": No such file or directory");
}

}  // namespace longbow::simulation
