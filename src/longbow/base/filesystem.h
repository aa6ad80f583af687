// Files as the engine sees them. One implementation asks the kernel, one is a simulated disk that loses
// power.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"

namespace longbow {

struct ConstBytes {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

// Called exactly once, from any thread, never under a lock of the file's.
using IoDone = std::function<void(Status)>;

// Operations are submitted and complete on their own time and in any order: nothing orders two submissions
// but the completion of the first. Memory handed in stays valid until the completion. A write completes only
// when every byte was taken; a short write is an error. Offsets may leave holes, which read as zeros.
// Thread-safe.
class File {
 public:
  virtual ~File() =
      default;  // waits for what is under way, so never from a completion; before its FileSystem

  // Writes the pieces one behind the other at `offset`. With `sync`, completes only when those bytes (and the
  // file's size) are on the medium.
  virtual void SubmitWrite(uint64_t offset, std::vector<ConstBytes> pieces, bool sync, IoDone done) = 0;
  // Everything whose write had completed before this call is on the medium when it completes.
  virtual void SubmitSync(IoDone done) = 0;
  // Fills `out`; reading past the end is an error that says so.
  virtual void SubmitRead(uint64_t offset, std::span<uint8_t> out, IoDone done) = 0;

  virtual Result<uint64_t> Size() = 0;
  // Makes the file at least `size` bytes long with its space reserved: writes inside it cannot fail for want
  // of space. The new bytes read as zeros; the new size is durable after a sync. ResourceExhausted when the
  // disk has not enough.
  virtual Status Allocate(uint64_t size) = 0;
  virtual Status Truncate(uint64_t size) = 0;

  // The same, waited for. Not for event loops.
  Status Write(uint64_t offset, std::vector<ConstBytes> pieces, bool sync);
  Status Sync();
  Status Read(uint64_t offset, std::span<uint8_t> out);

 protected:
  // As FileSystem::WaitUntil.
  virtual void WaitUntil(const std::function<bool()>& done) = 0;

 private:
  Status Await(const std::function<void(IoDone)>& submit);
};

enum class OpenMode : uint8_t {
  kRead,       // NotFound when absent
  kReadWrite,  // NotFound when absent
  kCreate,     // AlreadyExists when present; the name is durable after SyncDirectory
};

// Held until destroyed or the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// Paths are relative to the file system's root, parts separated by '/'; "" is the root itself;
// InvalidArgument for "..",
// "." and empty parts. Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) = 0;
  virtual Result<bool> Exists(std::string_view path) = 0;
  // Names (not paths) in a directory, sorted.
  virtual Result<std::vector<std::string>> List(std::string_view directory) = 0;
  virtual Status CreateDirectories(std::string_view path) = 0;  // durable on return
  // Replaces `to` in one step; durable after SyncDirectory of both parents.
  virtual Status Rename(std::string_view from, std::string_view to) = 0;
  virtual Status Remove(std::string_view path) = 0;  // a file or an empty directory
  virtual Status SyncDirectory(std::string_view path) = 0;
  // Space a writer could still fill.
  virtual Result<uint64_t> FreeBytes() = 0;
  // One holder in the world: FailedPrecondition whose message holds what the holder wrote as `note`.
  virtual Result<std::unique_ptr<FileLock>> Lock(std::string_view path, std::string_view note) = 0;

  // Blocks until done() is true. It is asked again after each completion, so what it looks at is changed by
  // completions, under a lock that done() takes. The simulated disk performs its operations meanwhile:
  // whoever waits for the disk waits here and nowhere else. Not from a completion.
  virtual void WaitUntil(const std::function<bool()>& done) = 0;

  // Small files as a whole.
  Result<std::string> ReadFile(std::string_view path);
  // New content under `path`, all or nothing and durable on return: written beside it, synced, renamed.
  Status ReplaceFile(std::string_view path, std::string_view content);
};

// The parts of a path, or InvalidArgument as above. For implementations of FileSystem.
Result<std::vector<std::string>> SplitPath(std::string_view path);

// What serves submissions to the kernel's file system.
enum class FileIo : uint8_t {
  kThreads,
  kUring,  // io_uring; threads still put large writes together
  kAuto,   // io_uring where the kernel has it
};

// Whether the kernel has, and lets this process use, an io_uring that can do what is needed.
bool HasUring();

// The kernel's file system below `root`, which is created when missing. `io_threads` serve submissions.
// Unimplemented for kUring where HasUring() is false.
Result<std::unique_ptr<FileSystem>> MakePosixFileSystem(const std::string& root, int io_threads,
                                                        FileIo io = FileIo::kThreads);

}  // namespace longbow
