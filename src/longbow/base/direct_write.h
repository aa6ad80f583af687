// Large writes past the page cache.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "longbow/base/check.h"
#include "longbow/base/filesystem.h"
#include "longbow/base/posix_calls.h"

namespace longbow {

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

// A place in the pieces of a write. Confined.
struct PieceReader {
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
    PieceReader reader{pieces_};
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

}  // namespace longbow
