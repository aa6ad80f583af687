#include "longbow/base/posix_file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include <algorithm>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "longbow/base/direct_write.h"

namespace longbow {
namespace {

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
      return ring_->Write(fd_.get(), offset, std::move(pieces), sync,
                          sync ? FlushOfRing("write", std::move(done)) : OfRing("write", std::move(done)));
    }
    Submit(std::move(done), [this, offset, bytes, pieces = std::move(pieces), sync] {
      LB_RETURN_NOT_OK(WriteBuffered(offset, pieces, 0, bytes));
      return sync ? SyncNow() : Status::OK();
    });
  }

  void SubmitSync(IoDone done) override {
    if (ring_ != nullptr) return ring_->Sync(fd_.get(), FlushOfRing("sync", std::move(done)));
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
  UringDone OfRing(std::string_view verb, IoDone done) {
    under_way_.fetch_add(1);
    return [this, transfers = transfers_, verb, done = std::move(done)](int error) {
      done(error == 0         ? Status::OK()
           : error == ENODATA ? InvalidArgument("cannot ", verb, " ", path_, ": its bytes lie past its end")
                              : ErrnoError(error, verb, path_));
      under_way_.fetch_sub(1);  // the file may be gone right after
      transfers->Wake();
    };
  }

  // The same of one that ends with a flush.
  UringDone FlushOfRing(std::string_view verb, IoDone done) {
    under_way_.fetch_add(1);
    const uint64_t flush = transfers_->flushes().Begin();
    return [this, transfers = transfers_, flush, verb, done = std::move(done)](int error) mutable {
      const auto end = [this, transfers, error, verb, done = std::move(done)](bool believed) {
        done(FlushStatus(error, believed, verb, path_));
        under_way_.fetch_sub(1);  // the file may be gone right after
        transfers->Wake();
      };
      transfers->flushes().End(flush, MayHaveForgotten(error), end);
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
      PieceReader reader{write->pieces};
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
    const uint64_t flush = transfers_->flushes().Begin();
    const int error = Retry([&] { return fdatasync(fd_.get()); }) == 0 ? 0 : errno;
    const bool believed = transfers_->flushes().EndAndWait(flush, MayHaveForgotten(error));
    return FlushStatus(error, believed, "sync", path_);
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

}  // namespace

bool MayHaveForgotten(int error) {
  return error != 0 && error != ENOSPC && error != EDQUOT && error != EFBIG;
}

Status FlushStatus(int error, bool believed, std::string_view verb, std::string_view path) {
  if (error != 0) return ErrnoError(error, verb, path);
  if (believed) return Status::OK();
  return Error(ErrorCode::kInternal, "cannot ", verb, " ", path,
               ": a flush failed before, and what was on its way then may be lost");
}

std::unique_ptr<File> MakePosixFile(FileTransfers* transfers, Descriptor fd, std::string path) {
  return std::make_unique<PosixFile>(transfers, std::move(fd), std::move(path));
}

}  // namespace longbow
