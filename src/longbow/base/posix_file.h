// A file of a directory on disk.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "longbow/base/executor.h"
#include "longbow/base/filesystem.h"
#include "longbow/base/flush_order.h"
#include "longbow/base/posix_calls.h"
#include "longbow/base/uring_io.h"

namespace longbow {

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
  // Of all files and directories.
  FlushOrder& flushes() { return flushes_; }
  // After a completion by the ring: those who wait look after each task of the threads.
  void Wake() {
    if (waiting_.load() > 0) threads_->Post([] {});
  }

 private:
  std::atomic<int> waiting_{0};
  FlushOrder flushes_;
  const std::unique_ptr<UringIo> ring_;
  const std::unique_ptr<Executor> threads_;
};

// Whether the disk may have forgotten what a flush covered that ended so; one that is full forgets nothing.
bool MayHaveForgotten(int error);
// What a flush that ended with `error` (0: well) means.
Status FlushStatus(int error, bool believed, std::string_view verb, std::string_view path);

// `transfers` outlives it; `path` is for messages.
std::unique_ptr<File> MakePosixFile(FileTransfers* transfers, Descriptor fd, std::string path);

}  // namespace longbow
