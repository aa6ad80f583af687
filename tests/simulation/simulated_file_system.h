// A process's view of a simulated disk: operations that complete in any order, fail when told to, and end
// with the power.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/filesystem.h"
#include "simulation/schedule.h"
#include "simulation/simulated_disk.h"

namespace longbow::simulation {

enum class Operation : uint8_t {
  kWrite,
  kSyncedWrite,
  kSync,
  kRead,
  kOpen,
  kAllocate,
  kTruncate,
  kRename,
  kRemove,
  kCreateDirectories,
  kSyncDirectory,
  kLock,
  kCount,
};

// Where in operation n the power goes: before it did anything; with a part done (some sectors of a write; a
// name change may or may not have reached the cache); with all of it done and nobody told.
enum class CutPoint : uint8_t { kBefore, kInside, kAfter };

enum class Fault : uint8_t {
  kIoError,     // EIO. A failed sync gives up what it covered, and the next sync says OK
  kShortWrite,  // a write that takes only its first bytes, and says so; EIO for other operations
  kNoSpace,     // ENOSPC
};

// Operations are numbered from 1 in the order submitted: all of File's but Size, and of FileSystem's all but
// Exists, List, FreeBytes and WaitUntil. Reads and writes take effect, and complete, when the schedule picks
// them. After the cut everything fails with Unavailable and nothing reaches the disk: the process that holds
// this view is dead, and may be destroyed at leisure. Confined.
class SimulatedFileSystem : public FileSystem {
 public:
  SimulatedFileSystem(Schedule* schedule, SimulatedDisk disk);
  ~SimulatedFileSystem() override;

  // Scripted trouble; n counts from the first operation of this view.
  void CutPowerAt(int64_t n, CutPoint point) { cut_ = {n, point}; }
  void FailAt(int64_t n, Fault fault) { faults_[n] = fault; }
  void CutPowerNow();
  void set_capacity(uint64_t bytes) { capacity_ = bytes; }
  // What survives, for the next process: with some luck, unsynced sectors and names. Cuts the power if it is
  // still on.
  SimulatedDisk TakeDisk();
  // Bit rot.
  Status Flip(std::string_view path, uint64_t offset, uint8_t mask);

  bool power_is_on() const { return power_is_on_; }
  int64_t operations() const { return operations_; }
  int64_t operations(Operation kind) const { return by_kind_[static_cast<size_t>(kind)]; }

  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override;
  Result<bool> Exists(std::string_view path) override;
  Result<std::vector<std::string>> List(std::string_view directory) override;
  Status CreateDirectories(std::string_view path) override;
  Status Rename(std::string_view from, std::string_view to) override;
  Status Remove(std::string_view path) override;
  Status SyncDirectory(std::string_view path) override;
  Result<uint64_t> FreeBytes() override;
  Result<std::unique_ptr<FileLock>> Lock(std::string_view path, std::string_view note) override;
  void WaitUntil(const std::function<bool()>& done) override { schedule_->Block(source_, done); }

 private:
  friend class SimulatedFile;
  friend class SimulatedFileLock;
  struct Cut {
    int64_t operation;
    CutPoint point;
  };

  int64_t Number(Operation kind, std::string_view path, std::initializer_list<uint64_t> details);
  // Runs operation n: `whole` when nothing is scripted for it, `part` when the power goes inside it, `failed`
  // before an error is returned for it.
  Status Perform(int64_t n, std::string_view path, const std::function<Status()>& whole,
                 const std::function<void()>& part, const std::function<void(Fault)>& failed);
  // For changes of names, done or not done.
  Status PerformAtOnce(Operation kind, std::string_view path, const std::function<Status()>& change);
  Status CheckSpace(std::string_view path, uint64_t more) const;

  Schedule* const schedule_;
  const Source source_;
  SimulatedDisk disk_;
  bool power_is_on_ = true;
  uint64_t capacity_ = uint64_t{1} << 40;
  int64_t operations_ = 0;
  std::array<int64_t, static_cast<size_t>(Operation::kCount)> by_kind_ = {};
  std::optional<Cut> cut_;
  std::map<int64_t, Fault> faults_;
  std::map<std::string, std::string, std::less<>> locks_;  // path -> the holder's note
};

}  // namespace longbow::simulation
