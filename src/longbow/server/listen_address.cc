#include "longbow/server/listen_address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

namespace longbow::server {
namespace {

struct HostPort {
  std::string host, port;
};

Result<HostPort> Split(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon + 1 == address.size()) {
    return InvalidArgument("address '", address, "': expected host:port");
  }
  HostPort out{address.substr(0, colon), address.substr(colon + 1)};
  if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']') {
    out.host = out.host.substr(1, out.host.size() - 2);
  }
  return out;
}

// As gRPC binds: an address in TIME_WAIT is free, one that is listened on is not.
int BindError(const addrinfo& candidate) {
  const int fd = socket(candidate.ai_family, candidate.ai_socktype | SOCK_CLOEXEC, candidate.ai_protocol);
  if (fd < 0) return errno;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const int error = bind(fd, candidate.ai_addr, candidate.ai_addrlen) == 0 ? 0 : errno;
  close(fd);
  return error;
}

Status CannotListen(const std::string& address, const std::string& port, int error) {
  if (error == EADDRINUSE) {
    return Error(
        ErrorCode::kUnavailable, "cannot listen on ", address, ": port ", port,
        " is in use by another process; stop that one, or choose another port (0 takes any free one)");
  }
  if (error == EACCES) {
    return Error(ErrorCode::kUnavailable, "cannot listen on ", address, ": port ", port,
                 " needs more rights than this process has; choose one above 1023");
  }
  return Error(ErrorCode::kUnavailable, "cannot listen on ", address, ": ", std::strerror(error),
               "; choose an address of this machine, 127.0.0.1 or 0.0.0.0");
}

}  // namespace

Status CheckListenAddress(const std::string& address) {
  LB_ASSIGN_OR_RETURN(const HostPort parts, Split(address));
  if (parts.port == "0") return Status::OK();
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(parts.host.empty() ? nullptr : parts.host.c_str(), parts.port.c_str(), &wanted, &found);
  if (error != 0) {
    return Error(ErrorCode::kUnavailable, "cannot listen on ", address, ": ", gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> release(found, freeaddrinfo);
  int bind_error = 0;
  for (const addrinfo* candidate = found; candidate != nullptr; candidate = candidate->ai_next) {
    bind_error = BindError(*candidate);
    if (bind_error == 0) return Status::OK();
  }
  return CannotListen(address, parts.port, bind_error);
}

}  // namespace longbow::server
