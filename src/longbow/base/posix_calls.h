// What the POSIX file system makes its system calls with.
#pragma once

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "longbow/base/status.h"

namespace longbow {

// "cannot <verb> <path>: <text of errno>"; the path is relative to the root and the root is never named.
Status ErrnoError(int error, std::string_view verb, std::string_view path);

// Takes n bytes off the front of what is still to be transferred.
void Consume(std::span<iovec>* left, uint64_t n);

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

}  // namespace longbow
