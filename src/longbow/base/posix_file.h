// A file of a directory on disk.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "longbow/base/executor.h"
#include "longbow/base/filesystem.h"
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
  // What a flush that ended with `error` (0: well) means. A disk may forget everything that a failed flush
  // covered, bytes of other files too, and tell only who asked; so after one no flush of this file system is
  // believed any more. A disk or file that is full forgets nothing.
  Status Flushed(int error, std::string_view verb, std::string_view path);
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

// `transfers` outlives it; `path` is for messages.
std::unique_ptr<File> MakePosixFile(FileTransfers* transfers, Descriptor fd, std::string path);

}  // namespace longbow
