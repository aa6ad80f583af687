#include "simulation/simulated_file_system.h"

#include <algorithm>
#include <utility>

#include "longbow/base/check.h"

namespace longbow::simulation {
namespace {

Status PowerIsOff() { return Error(ErrorCode::kUnavailable, "the power is off"); }

Status FaultError(Fault fault, std::string_view path) {
  if (fault == Fault::kNoSpace) {
    return Error(ErrorCode::kResourceExhausted, "cannot write ", path, ": No space left on device");
  }
  return Error(ErrorCode::kInternal, "cannot use ", path, ": Input/output error");
}

}  // namespace

class SimulatedFile : public File {
 public:
  SimulatedFile(SimulatedFileSystem* files, std::shared_ptr<SimulatedInode> inode, std::string path,
                bool writable)
      : files_(files), inode_(std::move(inode)), path_(std::move(path)), writable_(writable) {}

  ~SimulatedFile() override {
    files_->WaitUntil([this] { return under_way_ == 0; });
  }

  void SubmitWrite(uint64_t offset, std::vector<ConstBytes> pieces, bool sync, IoDone done) override {
    uint64_t length = 0;
    for (const ConstBytes& piece : pieces) length += piece.size;
    const int64_t n =
        files_->Number(sync ? Operation::kSyncedWrite : Operation::kWrite, path_, {offset, length});
    Submit(n, std::move(done), [this, n, offset, length, sync, pieces = std::move(pieces)] {
      return PerformWrite(n, offset, length, pieces, sync);
    });
  }

  void SubmitSync(IoDone done) override {
    const int64_t n = files_->Number(Operation::kSync, path_, {});
    Submit(n, std::move(done), [this, n, through = files_->disk_.stamp()] {
      return files_->Perform(
          n, path_,
          [&] {
            inode_->SyncThrough(through);
            return Status::OK();
          },
          [] {}, [&](Fault) { inode_->Forsake(through); });
    });
  }

  void SubmitRead(uint64_t offset, std::span<uint8_t> out, IoDone done) override {
    const int64_t n = files_->Number(Operation::kRead, path_, {offset, out.size()});
    Submit(n, std::move(done), [this, n, offset, out] {
      return files_->Perform(
          n, path_,
          [&]() -> Status {
            if (offset + out.size() > inode_->size()) {
              return InvalidArgument("cannot read ", path_, ": ", out.size(), " bytes at offset ", offset,
                                     " lie past its end");
            }
            inode_->Read(offset, out);
            return Status::OK();
          },
          [] {}, [](Fault) {});
    });
  }

  Result<uint64_t> Size() override {
    if (!files_->power_is_on()) return PowerIsOff();
    return inode_->size();
  }

  Status Allocate(uint64_t size) override {
    return files_->PerformAtOnce(Operation::kAllocate, path_, [&]() -> Status {
      if (size <= inode_->size()) return Status::OK();
      LB_RETURN_NOT_OK(files_->CheckSpace(path_, size - inode_->size()));
      inode_->Resize(size, files_->disk_.NextStamp());
      return Status::OK();
    });
  }

  Status Truncate(uint64_t size) override {
    return files_->PerformAtOnce(Operation::kTruncate, path_, [&] {
      inode_->Resize(size, files_->disk_.NextStamp());
      return Status::OK();
    });
  }

 protected:
  void WaitUntil(const std::function<bool()>& done) override { files_->WaitUntil(done); }

 private:
  void Submit(int64_t n, IoDone done, std::function<Status()> perform) {
    ++under_way_;
    files_->schedule_->Add(files_->source_, [this, n, done = std::move(done), perform = std::move(perform)] {
      struct CountDown {
        int64_t& count;
        ~CountDown() { --count; }
      } count_down{under_way_};
      const Status status = perform();
      files_->schedule_->Note("done", {static_cast<uint64_t>(n), static_cast<uint64_t>(CodeOf(status))});
      done(status);
    });
  }

  Status PerformWrite(int64_t n, uint64_t offset, uint64_t length, const std::vector<ConstBytes>& pieces,
                      bool sync) {
    if (!files_->power_is_on()) return PowerIsOff();  // the writer's memory may be gone with it
    if (!writable_) return Error(ErrorCode::kInternal, "cannot write ", path_, ": Bad file descriptor");
    std::vector<uint8_t> bytes;
    bytes.reserve(length);
    for (const ConstBytes& piece : pieces) bytes.insert(bytes.end(), piece.data, piece.data + piece.size);
    files_->schedule_->NoteBytes(bytes);
    const auto cache = [&](size_t taken) {
      inode_->Write(offset, std::span<const uint8_t>(bytes).first(taken), files_->disk_.NextStamp());
    };
    return files_->Perform(
        n, path_,
        [&]() -> Status {
          const uint64_t end = offset + length;
          if (end > inode_->size()) LB_RETURN_NOT_OK(files_->CheckSpace(path_, end - inode_->size()));
          cache(length);
          if (sync) inode_->SyncRange(offset, length);
          return Status::OK();
        },
        [&] {
          cache(length);
        },  // what of it gets to the medium is decided with all else that is in the cache
        [&](Fault fault) {
          if (fault == Fault::kShortWrite && length > 0) cache(files_->schedule_->Below(length));
          // The write of a synced write may have been fine and the sync not.
          if (fault == Fault::kIoError && sync && files_->schedule_->Chance(0.5)) {
            cache(length);
            inode_->Forsake(files_->disk_.stamp());
          }
        });
  }

  SimulatedFileSystem* const files_;
  const std::shared_ptr<SimulatedInode> inode_;
  const std::string path_;
  const bool writable_;
  int64_t under_way_ = 0;
};

class SimulatedFileLock : public FileLock {
 public:
  SimulatedFileLock(SimulatedFileSystem* files, std::string path) : files_(files), path_(std::move(path)) {}
  ~SimulatedFileLock() override { files_->locks_.erase(path_); }

 private:
  SimulatedFileSystem* const files_;
  const std::string path_;
};

SimulatedFileSystem::SimulatedFileSystem(Schedule* schedule, SimulatedDisk disk)
    : schedule_(schedule), source_(schedule->NewSource()), disk_(std::move(disk)) {}

SimulatedFileSystem::~SimulatedFileSystem() = default;

void SimulatedFileSystem::CutPowerNow() {
  if (!power_is_on_) return;
  power_is_on_ = false;
  schedule_->Note("power cut", {static_cast<uint64_t>(operations_)});
}

SimulatedDisk SimulatedFileSystem::TakeDisk() {
  CutPowerNow();
  // How much the disk had taken by itself differs from cut to cut: from nothing to everything.
  const double chance = static_cast<double>(schedule_->Below(5)) / 4;
  disk_.LosePower([&] { return schedule_->Chance(chance); }, [&](uint64_t n) { return schedule_->Below(n); });
  return std::move(disk_);
}

Status SimulatedFileSystem::Flip(std::string_view path, uint64_t offset, uint8_t mask) {
  LB_ASSIGN_OR_RETURN(const auto inode, disk_.Find(path));
  if (offset >= inode->size()) return InvalidArgument("offset ", offset, " lies past the end of ", path);
  inode->Flip(offset, mask);
  return Status::OK();
}

Result<std::unique_ptr<File>> SimulatedFileSystem::Open(std::string_view path, OpenMode mode) {
  LB_RETURN_NOT_OK(SplitPath(path).status());
  std::shared_ptr<SimulatedInode> inode;
  LB_RETURN_NOT_OK(PerformAtOnce(Operation::kOpen, path, [&] {
    return (mode == OpenMode::kCreate ? disk_.Create(path) : disk_.Find(path)).Value(&inode);
  }));
  return std::make_unique<SimulatedFile>(this, std::move(inode), std::string(path), mode != OpenMode::kRead);
}

Result<bool> SimulatedFileSystem::Exists(std::string_view path) {
  LB_RETURN_NOT_OK(SplitPath(path).status());
  if (!power_is_on_) return PowerIsOff();
  return disk_.Exists(path);
}

Result<std::vector<std::string>> SimulatedFileSystem::List(std::string_view directory) {
  LB_RETURN_NOT_OK(SplitPath(directory).status());
  if (!power_is_on_) return PowerIsOff();
  return disk_.List(directory);
}

Status SimulatedFileSystem::CreateDirectories(std::string_view path) {
  return PerformAtOnce(Operation::kCreateDirectories, path, [&] { return disk_.CreateDirectories(path); });
}

Status SimulatedFileSystem::Rename(std::string_view from, std::string_view to) {
  LB_RETURN_NOT_OK(SplitPath(to).status());
  return PerformAtOnce(Operation::kRename, from, [&] { return disk_.Rename(from, to); });
}

Status SimulatedFileSystem::Remove(std::string_view path) {
  return PerformAtOnce(Operation::kRemove, path, [&] { return disk_.Remove(path); });
}

Status SimulatedFileSystem::SyncDirectory(std::string_view path) {
  return PerformAtOnce(Operation::kSyncDirectory, path, [&] { return disk_.SyncDirectory(path); });
}

Result<uint64_t> SimulatedFileSystem::FreeBytes() {
  if (!power_is_on_) return PowerIsOff();
  return capacity_ - std::min(capacity_, disk_.used_bytes());
}

Result<std::unique_ptr<FileLock>> SimulatedFileSystem::Lock(std::string_view path, std::string_view note) {
  LB_RETURN_NOT_OK(PerformAtOnce(Operation::kLock, path, [&]() -> Status {
    if (const auto held = locks_.find(path); held != locks_.end()) {
      return Error(ErrorCode::kFailedPrecondition, path, " is held by ", held->second);
    }
    if (!disk_.Exists(path)) LB_RETURN_NOT_OK(disk_.Create(path).status());
    LB_ASSIGN_OR_RETURN(const auto inode, disk_.Find(path));
    inode->Resize(0, disk_.NextStamp());
    inode->Write(0, {reinterpret_cast<const uint8_t*>(note.data()), note.size()}, disk_.NextStamp());
    locks_[std::string(path)] = note;
    return Status::OK();
  }));
  return std::make_unique<SimulatedFileLock>(this, std::string(path));
}

int64_t SimulatedFileSystem::Number(Operation kind, std::string_view path,
                                    std::initializer_list<uint64_t> details) {
  ++by_kind_[static_cast<size_t>(kind)];
  ++operations_;
  schedule_->Note(path, {static_cast<uint64_t>(operations_), static_cast<uint64_t>(kind)});
  schedule_->Note("", details);
  return operations_;
}

Status SimulatedFileSystem::Perform(int64_t n, std::string_view path, const std::function<Status()>& whole,
                                    const std::function<void()>& part,
                                    const std::function<void(Fault)>& failed) {
  if (!power_is_on_) return PowerIsOff();
  if (cut_ && cut_->operation == n) {
    switch (cut_->point) {
      case CutPoint::kBefore:
        break;
      case CutPoint::kInside:
        part();
        break;
      case CutPoint::kAfter:
        (void)whole();
        break;
    }
    CutPowerNow();
    return PowerIsOff();
  }
  if (const auto fault = faults_.find(n); fault != faults_.end()) {
    failed(fault->second);
    return FaultError(fault->second, path);
  }
  return whole();
}

Status SimulatedFileSystem::PerformAtOnce(Operation kind, std::string_view path,
                                          const std::function<Status()>& change) {
  LB_RETURN_NOT_OK(SplitPath(path).status());
  const auto perhaps = [&] {
    if (schedule_->Chance(0.5)) (void)change();
  };
  return Perform(Number(kind, path, {}), path, change, perhaps, [](Fault) {});
}

Status SimulatedFileSystem::CheckSpace(std::string_view path, uint64_t more) const {
  if (disk_.used_bytes() + more <= capacity_) return Status::OK();
  return FaultError(Fault::kNoSpace, path);
}

}  // namespace longbow::simulation
