// A small HTTP/1.1 server for what machines ask about this process: metrics, health, readiness.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "longbow/base/status.h"

namespace longbow::observe {

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// One exact path. The handler runs on the server's only thread: it reads what others keep and never waits. An
// exception from it is a 500 without its text, which goes to `report_failure`.
struct HttpRoute {
  std::string path;
  std::function<HttpReply()> handle;
};

struct HttpOptions {
  std::string host = "127.0.0.1";   // a numeric address or a name
  uint16_t port = 0;                // 0: any free one
  int port_attempts = 5;            // a busy port: the next one, this many in all
  int max_connections = 64;         // more are closed at once
  size_t max_request_bytes = 8192;  // line and headers; 431 beyond
  int request_timeout_ms = 5000;  // for a whole request to arrive and for a kept-open connection to sit idle
  int reply_timeout_ms = 10000;
  std::function<void(const std::string& path, const std::string& what)> report_failure;  // may be empty
};

// GET and HEAD of the routes; any other path is 404, any other method 405. Thread-safe. Its destructor closes
// every connection.
class HttpServer {
 public:
  // Listens when it returns. Unavailable names the address and why it cannot be had.
  static Result<std::unique_ptr<HttpServer>> Start(HttpOptions options, std::vector<HttpRoute> routes);
  ~HttpServer();
  uint16_t port() const;

 private:
  class Listener;
  explicit HttpServer(std::unique_ptr<Listener> listener);
  std::unique_ptr<Listener> listener_;
};

}  // namespace longbow::observe
