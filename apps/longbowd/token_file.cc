#include "token_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace longbow {
namespace {

constexpr size_t kShortestToken = 16, kLongestToken = 4096;

// Closes on destruction. Confined.
class OpenFile {
 public:
  OpenFile(const std::string& path, int flags, mode_t mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

Status SystemError(const char* verb, const std::string& path) {
  const int error = errno;
  return MakeError(ErrorCode::kUnavailable,
                   std::string("cannot ") + verb + " token file " + path + ": " + std::strerror(error));
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  return first == std::string_view::npos ? "" : text.substr(first, text.find_last_not_of(kSpace) + 1 - first);
}

Status SyncDirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const OpenFile opened(directory, O_RDONLY | O_DIRECTORY);
  if (opened.fd() < 0 || ::fsync(opened.fd()) != 0) return SystemError("make", path);
  return Status::OK();
}

// Under another name first, so that a crash leaves no half token; link() never replaces one made meanwhile.
Status MakeTokenFile(const std::string& path, Random* random) {
  std::string text = "lb_";
  text += random->HexToken(32);
  text += '\n';
  const std::string draft = path + ".new";
  ::unlink(draft.c_str());
  {
    const OpenFile file(draft, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (file.fd() < 0 || ::write(file.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(file.fd()) != 0) {
      return SystemError("make", path);
    }
  }
  const bool linked = ::link(draft.c_str(), path.c_str()) == 0 || errno == EEXIST;
  Status status = linked ? SyncDirectoryOf(path) : SystemError("make", path);
  ::unlink(draft.c_str());
  return status;
}

Result<std::string> ReadTokenFile(const std::string& path, int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return SystemError("read", path);
  if (!S_ISREG(info.st_mode) || (info.st_mode & 077) != 0) {
    return MakeError(ErrorCode::kFailedPrecondition,
                     "token file " + path +
                         ": expected a file that only its owner can read or write; "
                         "run chmod 600 on it");
  }
  std::string content(kLongestToken + 1, '\0');
  const ssize_t n = ::read(fd, content.data(), content.size());
  if (n < 0) return SystemError("read", path);
  content.resize(static_cast<size_t>(n));
  const std::string_view token = Trim(content);
  const bool printable = std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (token.size() < kShortestToken || content.size() > kLongestToken || !printable) {
    return MakeError(ErrorCode::kFailedPrecondition,
                     "token file " + path + ": expected " + std::to_string(kShortestToken) + " to " +
                         std::to_string(kLongestToken) +
                         " printable ASCII characters without spaces; remove the file to get a new token");
  }
  return std::string(token);
}

}  // namespace

Result<std::string> ReadOrMakeToken(const std::string& path, Random* random) {
  {
    const OpenFile existing(path, O_RDONLY);
    if (existing.fd() >= 0) return ReadTokenFile(path, existing.fd());
    if (errno != ENOENT) return SystemError("read", path);
  }
  ARROW_RETURN_NOT_OK(MakeTokenFile(path, random));
  const OpenFile made(path, O_RDONLY);
  if (made.fd() < 0) return SystemError("read", path);
  return ReadTokenFile(path, made.fd());
}

}  // namespace longbow
