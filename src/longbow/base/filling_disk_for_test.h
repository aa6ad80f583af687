// For tests: a file system that is full when told to be, and that holds up writes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "longbow/base/filesystem.h"

namespace longbow {

// In front of another one, which outlives it. While full, no file grows: what was allocated can be written.
// Writes to files below the directory that is held wait until it is let go. Thread-safe.
class FillingDisk final : public FileSystem {
 public:
  explicit FillingDisk(FileSystem* under) : under_(under) {}

  void set_full(bool full) { full_ = full; }
  int refusals() const { return refusals_.load(); }
  void Hold(std::string directory) {
    std::lock_guard lock(mutex_);
    held_ = std::move(directory);
    waiting_ = 0;
  }
  void LetGo() {
    std::lock_guard lock(mutex_);
    held_.clear();
    changed_.notify_all();
  }
  void AwaitWriter() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ > 0; });
  }

  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override {
    LB_ASSIGN_OR_RETURN(auto file, under_->Open(path, mode));
    return std::unique_ptr<File>(new DiskFile(this, std::string(path), std::move(file)));
  }
  Result<bool> Exists(std::string_view path) override { return under_->Exists(path); }
  Result<std::vector<std::string>> List(std::string_view directory) override {
    return under_->List(directory);
  }
  Status CreateDirectories(std::string_view path) override { return under_->CreateDirectories(path); }
  Status Rename(std::string_view from, std::string_view to) override { return under_->Rename(from, to); }
  Status Remove(std::string_view path) override { return under_->Remove(path); }
  Status SyncDirectory(std::string_view path) override { return under_->SyncDirectory(path); }
  Result<uint64_t> FreeBytes() override { return full_ ? 0 : under_->FreeBytes(); }
  Result<std::unique_ptr<FileLock>> Lock(std::string_view path, std::string_view note) override {
    return under_->Lock(path, note);
  }
  void WaitUntil(const std::function<bool()>& done) override { under_->WaitUntil(done); }

 private:
  class DiskFile final : public File {
   public:
    DiskFile(FillingDisk* disk, std::string path, std::unique_ptr<File> file)
        : disk_(disk), path_(std::move(path)), file_(std::move(file)) {}
    void SubmitWrite(uint64_t offset, std::vector<ConstBytes> pieces, bool sync, IoDone done) override {
      disk_->Pass(path_);
      uint64_t end = offset;
      for (const auto& piece : pieces) end += piece.size;
      if (Status room = CheckRoom(end); !room.ok()) return done(std::move(room));
      file_->SubmitWrite(offset, std::move(pieces), sync, std::move(done));
    }
    void SubmitSync(IoDone done) override { file_->SubmitSync(std::move(done)); }
    void SubmitRead(uint64_t offset, std::span<uint8_t> out, IoDone done) override {
      file_->SubmitRead(offset, out, std::move(done));
    }
    Result<uint64_t> Size() override { return file_->Size(); }
    Status Allocate(uint64_t size) override {
      LB_RETURN_NOT_OK(CheckRoom(size));
      return file_->Allocate(size);
    }
    Status Truncate(uint64_t size) override { return file_->Truncate(size); }

   protected:
    void WaitUntil(const std::function<bool()>& done) override { disk_->WaitUntil(done); }

   private:
    Status CheckRoom(uint64_t end) {
      if (!disk_->full_) return Status::OK();
      LB_ASSIGN_OR_RETURN(const uint64_t size, file_->Size());
      if (end <= size) return Status::OK();
      disk_->refusals_.fetch_add(1);
      return Error(ErrorCode::kResourceExhausted, path_, ": No space left on device");
    }
    FillingDisk* const disk_;
    const std::string path_;
    const std::unique_ptr<File> file_;
  };

  void Pass(const std::string& path) {
    std::unique_lock lock(mutex_);
    if (held_.empty() || !path.starts_with(held_)) return;
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return held_.empty(); });
  }

  FileSystem* const under_;
  std::atomic<bool> full_{false};
  std::atomic<int> refusals_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string held_;  // guarded by mutex_; empty: none
  int waiting_ = 0;   // guarded by mutex_
};

}  // namespace longbow
