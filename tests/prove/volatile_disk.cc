// A disk in user space whose cache forgets: volatile_disk MOUNTPOINT BACKING
//
// MOUNTPOINT/disk has the size of BACKING. What is written stays in a cache of 512-byte sectors until it is
// flushed (fsync, which is what a loop device makes of a flush of its file system); only then it reaches
// BACKING. Commands are lines written to MOUNTPOINT/control:
//   cut KEEP SEED       power off: every sector of the cache survives with a chance of KEEP percent, the rest
//                       is lost; reads, writes and flushes fail from here on
//   restore             power on, nothing fails
//   ignore-flushes 0|1  a flush is acknowledged and means nothing
//   fail-writes N       the next N writes fail with EIO
//   fail-flushes N      the next N flushes fail with EIO, and what they covered is lost
// Reading MOUNTPOINT/control tells how many sectors are cached, flushes were served and sectors were lost.
#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <sstream>
#include <string>
#include <string_view>

namespace {

constexpr size_t kSector = 512;
using Sector = std::array<char, kSector>;

// Guarded: everything is under mutex_.
class Disk {
 public:
  explicit Disk(int backing) : backing_(backing) {
    struct stat info = {};
    if (fstat(backing, &info) == 0) size_ = static_cast<uint64_t>(info.st_size);
  }

  uint64_t size() const { return size_; }

  int Read(char* out, size_t bytes, uint64_t offset) {
    std::lock_guard lock(mutex_);
    if (!powered_) return -EIO;
    if (offset >= size_) return 0;
    bytes = std::min<uint64_t>(bytes, size_ - offset);
    const ssize_t n = pread(backing_, out, bytes, static_cast<off_t>(offset));
    if (n < static_cast<ssize_t>(bytes)) return -EIO;
    for (auto at = cache_.lower_bound(offset / kSector);
         at != cache_.end() && at->first * kSector < offset + bytes; ++at) {
      const uint64_t begin = std::max(offset, at->first * kSector);
      const uint64_t end = std::min(offset + bytes, (at->first + 1) * kSector);
      std::memcpy(out + (begin - offset), at->second.data() + (begin - at->first * kSector), end - begin);
    }
    return static_cast<int>(bytes);
  }

  int Write(const char* in, size_t bytes, uint64_t offset) {
    std::lock_guard lock(mutex_);
    if (!powered_) return -EIO;
    if (offset >= size_) return -ENOSPC;
    if (failing_writes_ > 0) {
      --failing_writes_;
      return -EIO;
    }
    bytes = std::min<uint64_t>(bytes, size_ - offset);
    for (size_t done = 0; done < bytes;) {
      const uint64_t number = (offset + done) / kSector;
      const size_t inside = (offset + done) % kSector;
      const size_t step = std::min(bytes - done, kSector - inside);
      const auto [at, fresh] = cache_.try_emplace(number);
      if (fresh && step < kSector &&
          pread(backing_, at->second.data(), kSector, static_cast<off_t>(number * kSector)) < 0) {
        return -EIO;
      }
      std::memcpy(at->second.data() + inside, in + done, step);
      done += step;
    }
    return static_cast<int>(bytes);
  }

  int Flush() {
    std::lock_guard lock(mutex_);
    if (!powered_) return -EIO;
    ++flushes_;
    if (failing_flushes_ > 0) {
      --failing_flushes_;
      lost_ += cache_.size();
      cache_.clear();
      return -EIO;
    }
    if (ignore_flushes_) return 0;
    for (const auto& [number, sector] : cache_) {
      if (!Keep(number, sector)) return -EIO;
    }
    cache_.clear();
    return 0;
  }

  int Obey(std::string_view line) {
    std::istringstream words{std::string(line)};
    std::string command;
    words >> command;
    std::lock_guard lock(mutex_);
    if (command == "cut") {
      uint32_t keep = 0, seed = 0;
      if (!(words >> keep >> seed)) return -EINVAL;
      Cut(keep, seed);
    } else if (command == "restore") {
      powered_ = true;
      failing_writes_ = failing_flushes_ = 0;
    } else if (command == "ignore-flushes") {
      words >> ignore_flushes_;
    } else if (command == "fail-writes") {
      words >> failing_writes_;
    } else if (command == "fail-flushes") {
      words >> failing_flushes_;
    } else {
      return -EINVAL;
    }
    return 0;
  }

  std::string Report() {
    std::lock_guard lock(mutex_);
    return "cached " + std::to_string(cache_.size()) + "\nflushes " + std::to_string(flushes_) + "\nlost " +
           std::to_string(lost_) + "\n";
  }

 private:
  bool Keep(uint64_t number, const Sector& sector) {
    return pwrite(backing_, sector.data(), kSector, static_cast<off_t>(number * kSector)) ==
           static_cast<ssize_t>(kSector);
  }

  void Cut(uint32_t keep_percent, uint32_t seed) {
    std::mt19937 random(seed);
    for (const auto& [number, sector] : cache_) {
      if (random() % 100 < keep_percent) {
        (void)Keep(number, sector);
      } else {
        ++lost_;
      }
    }
    cache_.clear();
    powered_ = false;
  }

  const int backing_;
  uint64_t size_ = 0;
  std::mutex mutex_;
  std::map<uint64_t, Sector> cache_;
  bool powered_ = true, ignore_flushes_ = false;
  int failing_writes_ = 0, failing_flushes_ = 0;
  uint64_t flushes_ = 0, lost_ = 0;
};

Disk* disk = nullptr;  // for the callbacks, which carry no state of ours

bool IsDisk(const char* path) { return std::strcmp(path, "/disk") == 0; }
bool IsControl(const char* path) { return std::strcmp(path, "/control") == 0; }

int GetAttributes(const char* path, struct stat* out, fuse_file_info*) {
  *out = {};
  if (std::strcmp(path, "/") == 0) {
    out->st_mode = S_IFDIR | 0700;
    out->st_nlink = 2;
    return 0;
  }
  if (!IsDisk(path) && !IsControl(path)) return -ENOENT;
  out->st_mode = S_IFREG | 0600;
  out->st_nlink = 1;
  out->st_size = IsDisk(path) ? static_cast<off_t>(disk->size()) : 0;
  return 0;
}

int List(const char*, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*, fuse_readdir_flags) {
  for (const char* name : {".", "..", "disk", "control"}) {
    fill(buffer, name, nullptr, 0, static_cast<fuse_fill_dir_flags>(0));
  }
  return 0;
}

int Open(const char* path, fuse_file_info* info) {
  if (!IsDisk(path) && !IsControl(path)) return -ENOENT;
  info->direct_io = 1;  // the kernel's cache would hide what is flushed and what is not
  return 0;
}

int Truncate(const char* path, off_t, fuse_file_info*) { return IsControl(path) ? 0 : -EINVAL; }

int Read(const char* path, char* out, size_t bytes, off_t offset, fuse_file_info*) {
  if (IsDisk(path)) return disk->Read(out, bytes, static_cast<uint64_t>(offset));
  const std::string report = disk->Report();
  if (static_cast<size_t>(offset) >= report.size()) return 0;
  bytes = std::min(bytes, report.size() - static_cast<size_t>(offset));
  std::memcpy(out, report.data() + offset, bytes);
  return static_cast<int>(bytes);
}

int Write(const char* path, const char* in, size_t bytes, off_t offset, fuse_file_info*) {
  if (IsDisk(path)) return disk->Write(in, bytes, static_cast<uint64_t>(offset));
  const int obeyed = disk->Obey({in, bytes});
  return obeyed < 0 ? obeyed : static_cast<int>(bytes);
}

int Sync(const char* path, int, fuse_file_info*) { return IsDisk(path) ? disk->Flush() : 0; }

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: volatile_disk MOUNTPOINT BACKING\n");
    return 2;
  }
  const int backing = open(argv[2], O_RDWR | O_CLOEXEC);
  if (backing < 0) {
    std::perror(argv[2]);
    return 1;
  }
  Disk the_disk(backing);
  disk = &the_disk;
  fuse_operations operations = {};
  operations.getattr = GetAttributes;
  operations.readdir = List;
  operations.open = Open;
  operations.truncate = Truncate;
  operations.read = Read;
  operations.write = Write;
  operations.fsync = Sync;
  char foreground[] = "-f";
  char* arguments[] = {argv[0], foreground, argv[1], nullptr};
  return fuse_main(3, arguments, &operations, nullptr);
}
