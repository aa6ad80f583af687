#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>

#include "longbow/base/check.h"
#include "longbow/base/executor.h"
#include "longbow/base/filesystem.h"
#include "longbow/base/uring_io.h"

namespace longbow {
namespace {

ErrorCode CodeOfErrno(int error) {
  switch (error) {
    case ENOENT:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return ErrorCode::kResourceExhausted;
    case EACCES:
    case EPERM:
      return ErrorCode::kPermissionDenied;
    case ENAMETOOLONG:
      return ErrorCode::kInvalidArgument;
    case EROFS:
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
      return ErrorCode::kFailedPrecondition;
    default:
      return ErrorCode::kInternal;
  }
}

// "cannot <verb> <path>: <text of errno>"; the path is relative to the root and the root is never named.
Status ErrnoError(int error, std::string_view verb, std::string_view path) {
  return Error(CodeOfErrno(error), "cannot ", verb, " ", path.empty() ? "the data directory" : path, ": ",
               std::generic_category().message(error));
}

// Owns a descriptor. Confined.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

// Repeats a system call that a signal interrupted.
template <typename Call>
auto Retry(Call&& call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

// Takes n bytes off the front of what is still to be transferred.
void Consume(std::span<iovec>* left, size_t n) {
  while (!left->empty() && n >= left->front().iov_len) {
    n -= left->front().iov_len;
    *left = left->subspan(1);
  }
  if (n == 0) return;
  left->front().iov_base = static_cast<uint8_t*>(left->front().iov_base) + n;
  left->front().iov_len -= n;
}

// Where a direct write is put together: aligned, and used again and again, so that its pages stay warm.
// Confined to an input/output thread.
class StagingBuffer {
 public:
  static constexpr size_t kBytes = size_t{1} << 20;
  static constexpr size_t kAlignment = 4096;

  static uint8_t* OfThisThread() {
    thread_local const StagingBuffer buffer;
    return buffer.data_;
  }

 private:
  StagingBuffer() : data_(static_cast<uint8_t*>(std::aligned_alloc(kAlignment, kBytes))) {
    LB_CHECK_FATAL(data_ != nullptr);
  }
  ~StagingBuffer() { std::free(data_); }
  StagingBuffer(const StagingBuffer&) = delete;
  StagingBuffer& operator=(const StagingBuffer&) = delete;

  uint8_t* const data_;
};

// A large write past the page cache, made by several threads: while the disk takes one part, the next is
// gathered. Atomic.
class DirectWrite {
 public:
  static constexpr size_t kPartBytes = StagingBuffer::kBytes;

  // `bytes` of `pieces`, from `skip` bytes into them, to `offset`; both whole blocks.
  DirectWrite(const std::vector<ConstBytes>& pieces, uint64_t skip, uint64_t offset, uint64_t bytes)
      : pieces_(pieces), skip_(skip), offset_(offset), bytes_(bytes) {}

  // Writes parts until all are taken or one has failed; returns errno, or 0.
  int Help(int fd) {
    uint8_t* const staging = StagingBuffer::OfThisThread();
    Reader reader{pieces_};
    reader.Skip(skip_);
    uint64_t at = 0;
    for (uint64_t part; (part = next_.fetch_add(kPartBytes)) < bytes_;) {
      reader.Skip(part - at);
      const size_t size = std::min<uint64_t>(kPartBytes, bytes_ - part);
      reader.Copy(staging, size);
      at = part + size;
      const int error = WritePart(fd, staging, size, offset_ + part);
      if (error == 0) continue;
      next_.store(bytes_);
      return error;
    }
    return 0;
  }

 private:
  friend class PosixFile;
  // A place in the pieces.
  struct Reader {
    const std::vector<ConstBytes>& pieces;
    size_t piece = 0, within = 0;

    template <typename Use>
    void Advance(uint64_t n, Use&& use) {
      while (n > 0) {
        const size_t step = std::min<uint64_t>(n, pieces[piece].size - within);
        use(pieces[piece].data + within, step);
        n -= step;
        within += step;
        if (within == pieces[piece].size) ++piece, within = 0;
      }
    }
    void Skip(uint64_t n) {
      Advance(n, [](const uint8_t*, size_t) {});
    }
    void Copy(uint8_t* out, uint64_t n) {
      Advance(n, [&](const uint8_t* from, size_t size) {
        std::memcpy(out, from, size);
        out += size;
      });
    }
  };

  static int WritePart(int fd, const uint8_t* data, size_t size, uint64_t offset) {
    for (size_t written = 0; written < size;) {
      const ssize_t n = Retry(
          [&] { return pwrite(fd, data + written, size - written, static_cast<off_t>(offset + written)); });
      if (n <= 0) return n == 0 ? EIO : errno;
      written += static_cast<size_t>(n);
    }
    return 0;
  }

  const std::vector<ConstBytes>& pieces_;
  const uint64_t skip_, offset_, bytes_;
  std::atomic<uint64_t> next_{0};
};

// What makes a file system's transfers: threads, and an io_uring unless that is null. Thread-safe.
class FileTransfers {
 public:
  FileTransfers(int threads, std::unique_ptr<UringIo> ring)
      : ring_(std::move(ring)), threads_(MakeThreadPool({.name = "longbow-io", .threads = threads})) {}

  Executor* threads() const { return threads_.get(); }
  UringIo* ring() const { return ring_.get(); }

  void WaitUntil(const std::function<bool()>& done) {
    waiting_.fetch_add(1);
    threads_->WaitUntil(done);
    waiting_.fetch_sub(1);
  }
  // What a flush that ended with `error` (0: well) means. A disk may forget everything that a failed flush
  // covered, bytes of other files too, and tell only who asked; so after one no flush of this file system is
  // believed any more. A disk or file that is full forgets nothing.
  Status Flushed(int error, std::string_view verb, std::string_view path) {
    if (error != 0) {
      if (error != ENOSPC && error != EDQUOT && error != EFBIG) flush_failed_.store(true);
      return ErrnoError(error, verb, path);
    }
    if (!flush_failed_.load()) return Status::OK();
    return Error(CodeOfErrno(EIO), "cannot ", verb, " ", path,
                 ": a flush failed before, and what was on its way then may be lost");
  }
  // After a completion by the ring: those who wait look after each task of the threads.
  void Wake() {
    if (waiting_.load() > 0) threads_->Post([] {});
  }

 private:
  std::atomic<int> waiting_{0};
  std::atomic<bool> flush_failed_{false};
  const std::unique_ptr<UringIo> ring_;
  const std::unique_ptr<Executor> threads_;
};

class PosixFile : public File {
 public:
  PosixFile(FileTransfers* transfers, Descriptor fd, std::string path)
      : transfers_(transfers),
        threads_(transfers->threads()),
        ring_(transfers->ring()),
        fd_(std::move(fd)),
        path_(std::move(path)) {}

  ~PosixFile() override {
    transfers_->WaitUntil([this] { return under_way_.load() == 0; });
  }

  void SubmitWrite(uint64_t offset, std::vector<ConstBytes> pieces, bool sync, IoDone done) override {
    std::erase_if(pieces, [](const ConstBytes& piece) { return piece.size == 0; });
    uint64_t bytes = 0;
    for (const ConstBytes& piece : pieces) bytes += piece.size;
    if (sync && bytes >= kDirectBytes && direct_fd() >= 0) {
      return SubmitDirect(std::make_shared<LargeWrite>(std::move(pieces), offset, bytes, std::move(done)));
    }
    if (ring_ != nullptr && bytes > 0) {
      return ring_->Write(fd_.get(), offset, std::move(pieces), sync, OfRing("write", std::move(done), sync));
    }
    Submit(std::move(done), [this, offset, bytes, pieces = std::move(pieces), sync] {
      LB_RETURN_NOT_OK(WriteBuffered(offset, pieces, 0, bytes));
      return sync ? SyncNow() : Status::OK();
    });
  }

  void SubmitSync(IoDone done) override {
    if (ring_ != nullptr) return ring_->Sync(fd_.get(), OfRing("sync", std::move(done), true));
    Submit(std::move(done), [this] { return SyncNow(); });
  }

  void SubmitRead(uint64_t offset, std::span<uint8_t> out, IoDone done) override {
    if (ring_ != nullptr) return ring_->Read(fd_.get(), offset, out, OfRing("read", std::move(done)));
    Submit(std::move(done), [this, offset, out] { return ReadAll(offset, out); });
  }

  Result<uint64_t> Size() override {
    struct stat info;
    if (fstat(fd_.get(), &info) != 0) return ErrnoError(errno, "look at", path_);
    return static_cast<uint64_t>(info.st_size);
  }

  Status Allocate(uint64_t size) override {
    struct stat before;
    struct statvfs disk;
    if (fstat(fd_.get(), &before) != 0) return ErrnoError(errno, "look at", path_);
    if (fstatvfs(fd_.get(), &disk) != 0) return ErrnoError(errno, "ask for free space for", path_);
    // Asked first: the kernel would take all there is, and starve everybody else, before it says no.
    const uint64_t reserved = static_cast<uint64_t>(before.st_blocks) * 512;
    const uint64_t free = static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
    if (size > reserved && size - reserved > free) {
      return Error(ErrorCode::kResourceExhausted, "cannot reserve space for ", path_, ": expected ",
                   size - reserved, " bytes free on the disk, found ", free);
    }
    // Returns its error. Where the file system has no reservations it writes zeros, in unwritten places only.
    int error;
    do {
      error = posix_fallocate(fd_.get(), 0, static_cast<off_t>(size));
    } while (error == EINTR);
    if (error == 0) return Status::OK();
    (void)!ftruncate(fd_.get(), before.st_size);  // gives back what was reserved in part
    return ErrnoError(error, "reserve space for", path_);
  }

  Status Truncate(uint64_t size) override {
    if (Retry([&] { return ftruncate(fd_.get(), static_cast<off_t>(size)); }) == 0) return Status::OK();
    return ErrnoError(errno, "truncate", path_);
  }

 protected:
  void WaitUntil(const std::function<bool()>& done) override { transfers_->WaitUntil(done); }

 private:
  // Counts down however done() ends; the file may be gone right after.
  struct CountDown {
    std::atomic<int64_t>& count;
    ~CountDown() { count.fetch_sub(1); }
  };

  template <typename Work>
  void Submit(IoDone done, Work work) {
    under_way_.fetch_add(1);
    threads_->Post([this, done = std::move(done), work = std::move(work)]() mutable {
      const CountDown count_down{under_way_};
      const IoDone call = std::move(done);
      call(work());
    });
  }

  // What the ring calls when an operation of this file has ended.
  UringDone OfRing(std::string_view verb, IoDone done, bool flush = false) {
    under_way_.fetch_add(1);
    return [this, transfers = transfers_, verb, flush, done = std::move(done)](int error) {
      done(flush              ? transfers->Flushed(error, verb, path_)
           : error == 0       ? Status::OK()
           : error == ENODATA ? InvalidArgument("cannot ", verb, " ", path_, ": its bytes lie past its end")
                              : ErrnoError(error, verb, path_));
      under_way_.fetch_sub(1);  // the file may be gone right after
      transfers->Wake();
    };
  }

  // A synced write whose whole blocks go past the page cache. Shared by the threads that make it.
  struct LargeWrite {
    LargeWrite(std::vector<ConstBytes> all, uint64_t at, uint64_t size, IoDone call)
        : pieces(std::move(all)),
          offset(at),
          bytes(size),
          before(-at % StagingBuffer::kAlignment),
          whole((size - before) / StagingBuffer::kAlignment * StagingBuffer::kAlignment),
          done(std::move(call)),
          direct(pieces, before, offset + before, whole),
          threads(size >= 2 * DirectWrite::kPartBytes ? 2 : 1) {}

    const std::vector<ConstBytes> pieces;
    const uint64_t offset, bytes;
    const uint64_t before, whole;  // bytes ahead of the first whole block, and in whole blocks
    IoDone done;
    DirectWrite direct;
    const int threads;
    std::atomic<int> left{threads};
    int submitted = 0;  // parts given to the ring; confined to the thread that gathers
    std::atomic<int> error{0};
  };

  void SubmitDirect(const std::shared_ptr<LargeWrite>& write) {
    if (ring_ != nullptr) return SubmitToRing(write);
    under_way_.fetch_add(write->threads);
    for (int i = 0; i < write->threads; ++i) {
      threads_->Post([this, write] {
        const CountDown count_down{under_way_};
        const int error = write->direct.Help(direct_fd());
        if (error != 0) write->error.store(error);
        if (write->left.fetch_sub(1) > 1) return;
        const IoDone call = std::move(write->done);
        call(EndDirect(*write));
      });
    }
  }

  // One thread gathers into the ring's buffers while the disk takes the parts before.
  void SubmitToRing(const std::shared_ptr<LargeWrite>& write) {
    under_way_.fetch_add(1);
    const uint64_t part = std::min<uint64_t>(UringIo::kBufferBytes, DirectWrite::kPartBytes);
    write->left.store(static_cast<int>((write->whole + part - 1) / part) + 1);  // and the gathering itself
    threads_->Post([this, write, part] {
      DirectWrite::Reader reader{write->pieces};
      reader.Skip(write->before);
      for (uint64_t at = 0; at < write->whole && write->error.load() == 0; at += part) {
        const size_t size = std::min(part, write->whole - at);
        const std::span<uint8_t> buffer = ring_->AcquireBuffer();
        reader.Copy(buffer.data(), size);
        write->submitted += 1;
        ring_->WriteBuffer(direct_fd(), write->offset + write->before + at, buffer, size,
                           [this, write](int error) {
                             if (error != 0) write->error.store(error);
                             EndPart(write, 1);
                           });
      }
      const int parts = static_cast<int>((write->whole + part - 1) / part);
      EndPart(write, parts - write->submitted + 1);
    });
  }

  void EndPart(const std::shared_ptr<LargeWrite>& write, int parts) {
    if (write->left.fetch_sub(parts) > parts) return;
    // On a thread: the ragged ends and the sync may block, which the ring's completions must not.
    threads_->Post([this, write] {
      const CountDown count_down{under_way_};
      const IoDone call = std::move(write->done);
      call(EndDirect(*write));
    });
  }

  Status EndDirect(const LargeWrite& write) {
    if (const int error = write.error.load(); error != 0) return ErrnoError(error, "write", path_);
    LB_RETURN_NOT_OK(WriteBuffered(write.offset, write.pieces, 0, write.before));
    const uint64_t after = write.before + write.whole;
    LB_RETURN_NOT_OK(WriteBuffered(write.offset + after, write.pieces, after, write.bytes - after));
    return SyncNow();
  }

  // `bytes` of the pieces, from `skip` bytes into them, through the page cache.
  Status WriteBuffered(uint64_t offset, const std::vector<ConstBytes>& pieces, uint64_t skip,
                       uint64_t bytes) {
    std::vector<iovec> vectors;
    vectors.reserve(pieces.size());
    for (const ConstBytes& piece : pieces) {
      const uint64_t ahead = std::min<uint64_t>(skip, piece.size);
      const uint64_t size = std::min(bytes, piece.size - ahead);
      if (size > 0) vectors.push_back({const_cast<uint8_t*>(piece.data) + ahead, size});
      skip -= ahead;
      bytes -= size;
    }
    for (std::span<iovec> left = vectors; !left.empty();) {
      const int count = static_cast<int>(std::min<size_t>(left.size(), IOV_MAX));
      const ssize_t n =
          Retry([&] { return pwritev(fd_.get(), left.data(), count, static_cast<off_t>(offset)); });
      if (n <= 0) return ErrnoError(n == 0 ? EIO : errno, "write", path_);
      offset += static_cast<uint64_t>(n);
      Consume(&left, static_cast<size_t>(n));
    }
    return Status::OK();
  }

  // The same file for writing past the page cache, or -1 where the file system does not do that.
  int direct_fd() {
    std::call_once(direct_once_, [this] {
      const std::string self = "/proc/self/fd/" + std::to_string(fd_.get());
      direct_fd_ = Descriptor(Retry([&] { return open(self.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC); }));
    });
    return direct_fd_.get();
  }

  Status SyncNow() {
    const bool flushed = Retry([&] { return fdatasync(fd_.get()); }) == 0;
    return transfers_->Flushed(flushed ? 0 : errno, "sync", path_);
  }

  Status ReadAll(uint64_t offset, std::span<uint8_t> out) {
    for (std::span<uint8_t> left = out; !left.empty();) {
      const ssize_t n =
          Retry([&] { return pread(fd_.get(), left.data(), left.size(), static_cast<off_t>(offset)); });
      if (n < 0) return ErrnoError(errno, "read", path_);
      if (n == 0) {
        return InvalidArgument("cannot read ", path_, ": ", left.size(), " bytes at offset ", offset,
                               " lie past its end");
      }
      offset += static_cast<uint64_t>(n);
      left = left.subspan(static_cast<size_t>(n));
    }
    return Status::OK();
  }

  // Synced writes from this size on bypass the page cache: they are not read again soon, and filling the
  // cache costs more than copying them once into memory that is warm.
  static constexpr uint64_t kDirectBytes = uint64_t{256} << 10;

  FileTransfers* const transfers_;
  Executor* const threads_;
  UringIo* const ring_;  // may be null
  const Descriptor fd_;
  const std::string path_;
  std::once_flag direct_once_;
  Descriptor direct_fd_;  // once direct_once_ was called
  std::atomic<int64_t> under_way_{0};
};

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
    return std::make_unique<PosixFile>(&transfers_, std::move(fd), std::string(path));
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
    const bool flushed = Retry([&] { return fsync(fd.get()); }) == 0;
    return transfers_.Flushed(flushed ? 0 : errno, "sync directory", path);
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
