#include "longbow/base/uring_io.h"

#include <liburing.h>
#include <limits.h>
#include <pthread.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <utility>

#include "longbow/base/check.h"
#include "longbow/base/posix_calls.h"

namespace longbow {
namespace {

constexpr unsigned kEntries = 256;
constexpr size_t kAlignment = 4096;

// Something submitted and not yet done. The low bit of user_data tells the sync's completion from the
// transfer's.
struct Request {
  enum class Kind : uint8_t { kWrite, kRead, kSync, kWriteBuffer };
  static constexpr uint64_t kSyncBit = 1;

  Kind kind = Kind::kWrite;
  int fd = -1;
  uint64_t offset = 0;
  bool sync = false;
  std::vector<iovec> vectors;
  std::span<iovec> left;  // of vectors, what is still to be transferred
  int buffer = -1;        // of kWriteBuffer
  UringDone done;

  // Of the submission under way.
  int completions = 0;
  bool synced = false;
  uint64_t asked = 0;    // bytes
  int64_t taken = 0;     // bytes, or -errno
  int64_t sync_end = 0;  // 0, or -errno
  // What was written by the submitter is seen by the one who completes; the kernel between them is no
  // synchronisation that a sanitizer could see.
  std::atomic<bool> handed_over{false};
};

bool HasOperations(io_uring* ring) {
  io_uring_probe* probe = io_uring_get_probe_ring(ring);
  if (probe == nullptr) return false;
  bool all = true;
  for (const int operation :
       {IORING_OP_NOP, IORING_OP_WRITEV, IORING_OP_READV, IORING_OP_FSYNC, IORING_OP_WRITE_FIXED}) {
    all = all && io_uring_opcode_supported(probe, operation) != 0;
  }
  io_uring_free_probe(probe);
  return all;
}

// Guarded: the submission side of ring_ is under submit_mutex_; the completion side is confined to thread_.
class Ring final : public UringIo {
 public:
  // False when the kernel does not play along.
  bool Start() {
    if (io_uring_queue_init(kEntries, &ring_, 0) != 0) return false;
    started_ = true;
    if (!HasOperations(&ring_)) return false;
    thread_ = std::thread([this] { Complete(); });
    pthread_setname_np(thread_.native_handle(), "longbow-uring");
    return true;
  }

  ~Ring() override {
    if (thread_.joinable()) {
      {
        std::lock_guard lock(submit_mutex_);
        io_uring_sqe* entry = NextEntry();
        io_uring_prep_nop(entry);
        entry->user_data = 0;  // ends the thread
        Enter();
      }
      thread_.join();
    }
    if (started_) io_uring_queue_exit(&ring_);
  }

  void Write(int fd, uint64_t offset, std::vector<ConstBytes> pieces, bool sync, UringDone done) override {
    auto request = std::make_unique<Request>();
    request->kind = Request::Kind::kWrite;
    request->sync = sync;
    for (const ConstBytes& piece : pieces) {
      request->vectors.push_back({const_cast<uint8_t*>(piece.data), piece.size});
    }
    Begin(std::move(request), fd, offset, std::move(done));
  }

  void Sync(int fd, UringDone done) override {
    auto request = std::make_unique<Request>();
    request->kind = Request::Kind::kSync;
    request->sync = true;
    Begin(std::move(request), fd, 0, std::move(done));
  }

  void Read(int fd, uint64_t offset, std::span<uint8_t> out, UringDone done) override {
    auto request = std::make_unique<Request>();
    request->kind = Request::Kind::kRead;
    if (!out.empty()) request->vectors.push_back({out.data(), out.size()});
    Begin(std::move(request), fd, offset, std::move(done));
  }

  std::span<uint8_t> AcquireBuffer() override {
    std::call_once(buffers_made_, [this] { MakeBuffers(); });
    std::unique_lock lock(buffer_mutex_);
    buffer_free_.wait(lock, [this] { return !free_.empty(); });
    const int buffer = free_.back();
    free_.pop_back();
    return {memory_.get() + static_cast<size_t>(buffer) * kBufferBytes, kBufferBytes};
  }

  void WriteBuffer(int fd, uint64_t offset, std::span<uint8_t> buffer, size_t bytes,
                   UringDone done) override {
    auto request = std::make_unique<Request>();
    request->kind = Request::Kind::kWriteBuffer;
    request->buffer = static_cast<int>(static_cast<size_t>(buffer.data() - memory_.get()) / kBufferBytes);
    request->vectors.push_back({buffer.data(), bytes});
    Begin(std::move(request), fd, offset, std::move(done));
  }

 private:
  // Not before they are needed: registered memory is resident.
  void MakeBuffers() {
    memory_.reset(static_cast<uint8_t*>(std::aligned_alloc(kAlignment, kBuffers * kBufferBytes)));
    LB_CHECK_FATAL(memory_ != nullptr);
    std::array<iovec, kBuffers> buffers;
    for (size_t i = 0; i < kBuffers; ++i) buffers[i] = {memory_.get() + i * kBufferBytes, kBufferBytes};
    // May be refused for the limit on locked memory; then the kernel maps them for each write.
    registered_ = io_uring_register_buffers(&ring_, buffers.data(), kBuffers) == 0;
    std::lock_guard lock(buffer_mutex_);
    for (size_t i = 0; i < kBuffers; ++i) free_.push_back(static_cast<int>(i));
  }

  void Begin(std::unique_ptr<Request> request, int fd, uint64_t offset, UringDone done) {
    request->fd = fd;
    request->offset = offset;
    request->left = request->vectors;
    request->done = std::move(done);
    Submit(request.release());
  }

  // The next transfer of a request, linked with its sync when it is the last one.
  void Submit(Request* request) {
    const size_t count = std::min<size_t>(request->left.size(), IOV_MAX);
    request->asked = 0;
    for (const iovec& piece : request->left.first(count)) request->asked += piece.iov_len;
    request->synced = request->sync && count == request->left.size();
    request->taken = request->sync_end = 0;
    request->completions = (count > 0 ? 1 : 0) + (request->synced ? 1 : 0);
    if (request->completions == 0) return Finish(request, 0);  // a read of nothing

    std::lock_guard lock(submit_mutex_);
    // Both in one submission: a link does not reach from one to the next.
    if (io_uring_sq_space_left(&ring_) < 2) Enter();
    if (count > 0) {
      io_uring_sqe* entry = NextEntry();
      PrepareTransfer(entry, *request, static_cast<unsigned>(count));
      entry->user_data = reinterpret_cast<uint64_t>(request);
      if (request->synced) entry->flags |= IOSQE_IO_LINK;
    }
    if (request->synced) {
      io_uring_sqe* entry = NextEntry();
      io_uring_prep_fsync(entry, request->fd, IORING_FSYNC_DATASYNC);
      entry->user_data = reinterpret_cast<uint64_t>(request) | Request::kSyncBit;
    }
    request->handed_over.store(true, std::memory_order_release);  // from here on it may complete
    Enter();
  }

  void PrepareTransfer(io_uring_sqe* entry, const Request& request, unsigned count) const {
    switch (request.kind) {
      case Request::Kind::kRead:
        return io_uring_prep_readv(entry, request.fd, request.left.data(), count, request.offset);
      case Request::Kind::kWriteBuffer:
        if (registered_) {
          return io_uring_prep_write_fixed(entry, request.fd, request.left.front().iov_base,
                                           static_cast<unsigned>(request.left.front().iov_len),
                                           request.offset, request.buffer);
        }
        [[fallthrough]];
      case Request::Kind::kWrite:
      case Request::Kind::kSync:
        return io_uring_prep_writev(entry, request.fd, request.left.data(), count, request.offset);
    }
  }

  io_uring_sqe* NextEntry() {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    LB_CHECK_FATAL(entry != nullptr);
    return entry;
  }

  void Enter() {
    int submitted;
    do {
      submitted = io_uring_submit(&ring_);
      if (submitted == -EAGAIN || submitted == -EBUSY) std::this_thread::yield();  // completions are waiting
    } while (submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY);
    LB_CHECK_FATAL(submitted >= 0);
  }

  // Takes completions as they come, as many as there are at a time.
  void Complete() {
    struct Event {
      uint64_t data;
      int result;
    };
    std::vector<Event> events;
    for (bool ended = false; !ended;) {
      io_uring_cqe* first = nullptr;
      if (io_uring_wait_cqe(&ring_, &first) != 0) continue;  // interrupted
      events.clear();
      unsigned head = 0;
      io_uring_cqe* event = nullptr;
      io_uring_for_each_cqe(&ring_, head, event) events.push_back({event->user_data, event->res});
      io_uring_cq_advance(&ring_, static_cast<unsigned>(events.size()));
      for (const Event& one : events) {
        if (one.data == 0) {
          ended = true;
        } else {
          Note(reinterpret_cast<Request*>(one.data & ~Request::kSyncBit), (one.data & Request::kSyncBit) != 0,
               one.result);
        }
      }
    }
  }

  void Note(Request* request, bool of_sync, int result) {
    (void)request->handed_over.load(std::memory_order_acquire);
    (of_sync ? request->sync_end : request->taken) = result;
    if (--request->completions > 0) return;
    if (request->taken == -EINTR || request->taken == -EAGAIN) return Submit(request);
    if (request->taken < 0) return Finish(request, static_cast<int>(-request->taken));
    const auto taken = static_cast<uint64_t>(request->taken);
    if (taken == 0 && request->asked > 0) {
      return Finish(request, request->kind == Request::Kind::kRead ? ENODATA : EIO);
    }
    Consume(&request->left, taken);
    request->offset += taken;
    if (!request->left.empty()) return Submit(request);  // a short one has cancelled its sync
    if (request->sync && !request->synced) return Submit(request);
    Finish(request, static_cast<int>(-request->sync_end));
  }

  void Finish(Request* released, int error) {
    const std::unique_ptr<Request> request(released);
    if (request->buffer >= 0) {
      std::lock_guard lock(buffer_mutex_);
      free_.push_back(request->buffer);
      buffer_free_.notify_one();
    }
    const UringDone done = std::move(request->done);
    done(error);
  }

  struct FreeMemory {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };

  std::once_flag buffers_made_;
  std::unique_ptr<uint8_t, FreeMemory> memory_;  // once buffers_made_
  bool registered_ = false;                      // once buffers_made_
  bool started_ = false;
  std::mutex submit_mutex_;
  io_uring ring_ = {};
  std::mutex buffer_mutex_;
  std::condition_variable buffer_free_;
  std::vector<int> free_;  // guarded by buffer_mutex_
  std::thread thread_;
};

}  // namespace

std::unique_ptr<UringIo> UringIo::Make() {
  auto ring = std::make_unique<Ring>();
  if (!ring->Start()) return nullptr;
  return ring;
}

}  // namespace longbow
