#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "longbow/base/check.h"
#include "longbow/base/filesystem.h"
#include "longbow/base/posix_file.h"

namespace longbow {
namespace {

// An open file description lock: the kernel drops it with the descriptor, so also when the process dies. The
// file stays, empty; removing it would let two holders lock two files of one name.
class PosixFileLock : public FileLock {
 public:
  explicit PosixFileLock(Descriptor fd) : fd_(std::move(fd)) {}
  ~PosixFileLock() override { (void)!ftruncate(fd_.get(), 0); }

 private:
  const Descriptor fd_;
};

std::string FirstKiB(int fd) {
  std::string text(1024, '\0');
  const ssize_t n = Retry([&] { return pread(fd, text.data(), text.size(), 0); });
  text.resize(static_cast<size_t>(std::max<ssize_t>(n, 0)));
  return text;
}

class PosixFileSystem : public FileSystem {
 public:
  PosixFileSystem(Descriptor root, int io_threads, std::unique_ptr<UringIo> ring)
      : transfers_(io_threads, std::move(ring)), root_(std::move(root)) {}

  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override {
    LB_ASSIGN_OR_RETURN(Descriptor fd, OpenBelow(path, FlagsOf(mode), "open"));
    return MakePosixFile(&transfers_, std::move(fd), std::string(path));
  }

  Result<bool> Exists(std::string_view path) override {
    LB_ASSIGN_OR_RETURN(const std::string below, Below(path));
    struct stat info;
    if (fstatat(root_.get(), below.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return ErrnoError(errno, "look at", path);
  }

  Result<std::vector<std::string>> List(std::string_view directory) override {
    LB_ASSIGN_OR_RETURN(const Descriptor fd, OpenBelow(directory, O_RDONLY | O_DIRECTORY, "list"));
    const int stream_fd = fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);
    if (stream_fd < 0) return ErrnoError(errno, "list", directory);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(stream_fd), closedir);  // owns stream_fd
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(stream.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    if (errno != 0) return ErrnoError(errno, "list", directory);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status CreateDirectories(std::string_view path) override {
    LB_ASSIGN_OR_RETURN(const std::vector<std::string> parts, SplitPath(path));
    std::string done;
    for (const std::string& part : parts) {
      const std::string parent = done;
      done += (done.empty() ? "" : "/") + part;
      if (mkdirat(root_.get(), done.c_str(), 0700) != 0 && errno != EEXIST) {
        return ErrnoError(errno, "create directory", done);
      }
      LB_RETURN_NOT_OK(SyncDirectory(parent));
    }
    // What existed may have been a file.
    return OpenBelow(path, O_RDONLY | O_DIRECTORY, "create directory").status();
  }

  Status Rename(std::string_view from, std::string_view to) override {
    LB_ASSIGN_OR_RETURN(const std::string below_from, Below(from));
    LB_ASSIGN_OR_RETURN(const std::string below_to, Below(to));
    if (renameat(root_.get(), below_from.c_str(), root_.get(), below_to.c_str()) == 0) return Status::OK();
    return ErrnoError(errno, "rename", std::string(from) + " to " + std::string(to));
  }

  Status Remove(std::string_view path) override {
    LB_ASSIGN_OR_RETURN(const std::string below, Below(path));
    if (unlinkat(root_.get(), below.c_str(), 0) == 0) return Status::OK();
    if (errno == EISDIR && unlinkat(root_.get(), below.c_str(), AT_REMOVEDIR) == 0) return Status::OK();
    return ErrnoError(errno, "remove", path);
  }

  Status SyncDirectory(std::string_view path) override {
    LB_ASSIGN_OR_RETURN(const Descriptor fd, OpenBelow(path, O_RDONLY | O_DIRECTORY, "sync directory"));
    const uint64_t flush = transfers_.flushes().Begin();
    const int error = Retry([&] { return fsync(fd.get()); }) == 0 ? 0 : errno;
    const bool believed = transfers_.flushes().EndAndWait(flush, MayHaveForgotten(error));
    return FlushStatus(error, believed, "sync directory", path);
  }

  Result<uint64_t> FreeBytes() override {
    struct statvfs info;
    if (fstatvfs(root_.get(), &info) != 0) return ErrnoError(errno, "ask for free space of", "");
    return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  }

  Result<std::unique_ptr<FileLock>> Lock(std::string_view path, std::string_view note) override {
    LB_ASSIGN_OR_RETURN(Descriptor fd, OpenBelow(path, O_RDWR | O_CREAT, "lock"));
    struct flock whole = {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (Retry([&] { return fcntl(fd.get(), F_OFD_SETLK, &whole); }) != 0) {
      if (errno != EAGAIN && errno != EACCES) return ErrnoError(errno, "lock", path);
      const std::string holder = FirstKiB(fd.get());
      return Error(ErrorCode::kFailedPrecondition, path, " is held by ",
                   holder.empty() ? "another process" : holder);
    }
    if (ftruncate(fd.get(), 0) != 0 || Retry([&] { return pwrite(fd.get(), note.data(), note.size(), 0); }) !=
                                           static_cast<ssize_t>(note.size())) {
      return ErrnoError(errno, "write", path);
    }
    return std::make_unique<PosixFileLock>(std::move(fd));
  }

  void WaitUntil(const std::function<bool()>& done) override { transfers_.WaitUntil(done); }

 private:
  static int FlagsOf(OpenMode mode) {
    switch (mode) {
      case OpenMode::kRead:
        return O_RDONLY;
      case OpenMode::kReadWrite:
        return O_RDWR;
      case OpenMode::kCreate:
        return O_RDWR | O_CREAT | O_EXCL;
    }
    return O_RDONLY;
  }

  // The path for the *at() calls on root_.
  static Result<std::string> Below(std::string_view path) {
    LB_RETURN_NOT_OK(SplitPath(path).status());
    return path.empty() ? std::string(".") : std::string(path);
  }

  Result<Descriptor> OpenBelow(std::string_view path, int flags, std::string_view verb) {
    LB_ASSIGN_OR_RETURN(const std::string below, Below(path));
    Descriptor fd(
        Retry([&] { return openat(root_.get(), below.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600); }));
    if (!fd.valid()) return ErrnoError(errno, verb, path);
    return fd;
  }

  FileTransfers transfers_;
  const Descriptor root_;
};

}  // namespace

bool HasUring() { return UringIo::Make() != nullptr; }

Result<std::unique_ptr<FileSystem>> MakePosixFileSystem(const std::string& root, int io_threads, FileIo io) {
  LB_CHECK_FATAL(io_threads > 0);
  std::unique_ptr<UringIo> ring = io == FileIo::kThreads ? nullptr : UringIo::Make();
  if (io == FileIo::kUring && ring == nullptr) {
    return Error(ErrorCode::kUnimplemented,
                 "io_uring is not to be had from this kernel (too old, forbidden by seccomp or "
                 "kernel.io_uring_disabled): choose threads");
  }
  std::error_code error;
  const bool made = std::filesystem::create_directories(root, error);
  if (error) return ErrnoError(error.value(), "create", "");
  if (made) {
    // The directory itself has to survive, too.
    const std::string parent = std::filesystem::absolute(root / std::filesystem::path("..")).string();
    const Descriptor fd(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid() || fsync(fd.get()) != 0) return ErrnoError(errno, "sync the directory above", "");
  }
  Descriptor fd(Retry([&] { return open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!fd.valid()) return ErrnoError(errno, "open", "");
  return std::unique_ptr<FileSystem>(
      std::make_unique<PosixFileSystem>(std::move(fd), io_threads, std::move(ring)));
}

}  // namespace longbow
