// Reads, writes and syncs of file descriptors through one io_uring.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "longbow/base/filesystem.h"

namespace longbow {

// Called with 0 or an errno, on the ring's own thread.
using UringDone = std::function<void(int error)>;

// Thread-safe. A write and its sync are one linked submission; neither is ordered against other submissions.
// A write that the kernel takes in part is continued; a sync counts only by its own completion, so that one
// that was cancelled with the write before it is an error and never an acknowledgement.
class UringIo {
 public:
  static constexpr size_t kBuffers = 4;
  static constexpr size_t kBufferBytes = size_t{4} << 20;

  // Null where the kernel has no io_uring, forbids it, or lacks one of the operations.
  static std::unique_ptr<UringIo> Make();
  virtual ~UringIo() = default;  // nothing may be under way

  // Pieces must not be empty and stay valid until `done`.
  virtual void Write(int fd, uint64_t offset, std::vector<ConstBytes> pieces, bool sync, UringDone done) = 0;
  virtual void Sync(int fd, UringDone done) = 0;
  // Reading past the end ends with ENODATA.
  virtual void Read(int fd, uint64_t offset, std::span<uint8_t> out, UringDone done) = 0;

  // Aligned memory that the kernel keeps mapped, for writes past the page cache. Waits until one of kBuffers
  // is free; never from a completion.
  virtual std::span<uint8_t> AcquireBuffer() = 0;
  // Writes the first `bytes` of an acquired buffer and gives it back.
  virtual void WriteBuffer(int fd, uint64_t offset, std::span<uint8_t> buffer, size_t bytes,
                           UringDone done) = 0;
};

}  // namespace longbow
