#include "longbow/observe/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <thread>

namespace longbow::observe {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

// What all connections share. Confined to the server's thread.
struct Site {
  HttpOptions options;
  std::vector<HttpRoute> routes;
  int connections = 0;
};

HttpReply Plain(http::status status, std::string body) {
  return {static_cast<int>(status), "text/plain; charset=utf-8", std::move(body)};
}

HttpReply Answer(const Site& site, http::verb method, std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  for (const HttpRoute& route : site.routes) {
    if (route.path != path) continue;
    if (method != http::verb::get && method != http::verb::head) {
      return Plain(http::status::method_not_allowed, "only GET and HEAD are served here\n");
    }
    try {
      return route.handle();
    } catch (const std::exception& error) {
      if (site.options.report_failure) site.options.report_failure(route.path, error.what());
      return Plain(http::status::internal_server_error, "internal error\n");
    }
  }
  std::string known = "not found; served here:";
  for (const HttpRoute& route : site.routes) known += ' ' + route.path;
  return Plain(http::status::not_found, known + '\n');
}

// One connection: request, reply, and again while the client keeps it open. Confined to the server's thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Site> site, tcp::socket socket)
      : site_(std::move(site)), stream_(std::move(socket)), buffer_(2 * site_->options.max_request_bytes) {
    ++site_->connections;
  }
  ~Connection() { --site_->connections; }

  void ReadRequest() {
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(site_->options.max_request_bytes));
    stream_.expires_after(std::chrono::milliseconds(site_->options.request_timeout_ms));
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, size_t) { self->OnRequest(error); });
  }

 private:
  void OnRequest(error_code error) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      return SendReply(Plain(http::status::request_header_fields_too_large, "request too large\n"),
                       /*head=*/false, /*keep_open=*/false);
    }
    if (error == http::error::end_of_stream || error == beast::error::timeout) return;
    if (error.category() == make_error_code(http::error::bad_method).category()) {
      return SendReply(Plain(http::status::bad_request, "not an HTTP request\n"), false, false);
    }
    if (error) return;
    const auto& request = parser_->get();
    const auto target = request.target();
    // A body is never read, so what follows it on the connection could not be told from a request.
    const bool has_body = parser_->chunked() || parser_->content_length().value_or(0) > 0;
    SendReply(Answer(*site_, request.method(), std::string_view(target.data(), target.size())),
              request.method() == http::verb::head, request.keep_alive() && !has_body);
  }

  void SendReply(HttpReply reply, bool head, bool keep_open) {
    reply_.emplace(static_cast<http::status>(reply.status), 11);
    reply_->set(http::field::content_type, reply.content_type);
    reply_->set(http::field::cache_control, "no-store");
    reply_->keep_alive(keep_open);
    if (reply.status == static_cast<int>(http::status::method_not_allowed))
      reply_->set(http::field::allow, "GET, HEAD");
    reply_->content_length(reply.body.size());
    if (!head) reply_->body() = std::move(reply.body);
    serializer_.emplace(*reply_);
    stream_.expires_after(std::chrono::milliseconds(site_->options.reply_timeout_ms));
    auto then = [self = shared_from_this(), keep_open](error_code error, size_t) {
      if (error) return;
      if (keep_open) return self->ReadRequest();
      error_code ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    };
    if (head) {
      http::async_write_header(stream_, *serializer_, std::move(then));
    } else {
      http::async_write(stream_, *serializer_, std::move(then));
    }
  }

  const std::shared_ptr<Site> site_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::empty_body>> parser_;
  std::optional<http::response<http::string_body>> reply_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
};

}  // namespace

class HttpServer::Listener {
 public:
  Listener(HttpOptions options, std::vector<HttpRoute> routes)
      : site_(std::make_shared<Site>(Site{std::move(options), std::move(routes)})) {}

  ~Listener() {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Status Listen() {
    const HttpOptions& options = site_->options;
    error_code error;
    tcp::resolver resolver(loop_);
    const auto found = resolver.resolve(options.host, "", tcp::resolver::passive, error);
    if (error || found.empty()) {
      return MakeError(ErrorCode::kUnavailable,
                       "cannot resolve \"" + options.host + "\": " + error.message());
    }
    // A name may have addresses of both kinds ("localhost" has); clients of the old kind are never left out.
    auto chosen = found.begin();
    for (auto each = found.begin(); each != found.end(); ++each) {
      if (each->endpoint().address().is_v4()) {
        chosen = each;
        break;
      }
    }
    const asio::ip::address address = chosen->endpoint().address();
    const int attempts = options.port == 0 ? 1 : std::max(1, options.port_attempts);
    for (int i = 0; i < attempts && options.port + i <= 65535; ++i) {
      error = TryListen(tcp::endpoint(address, static_cast<uint16_t>(options.port + i)));
      if (error != asio::error::address_in_use) break;
    }
    if (!error) return Status::OK();
    std::string text = "cannot listen on " + options.host + ":" + std::to_string(options.port);
    if (attempts > 1) text += " or the " + std::to_string(attempts - 1) + " ports behind it";
    return MakeError(ErrorCode::kUnavailable, text + ": " + error.message());
  }

  void Run() {
    Accept();
    thread_ = std::thread([this] { loop_.run(); });
  }

  uint16_t port() const { return port_; }

 private:
  error_code TryListen(const tcp::endpoint& endpoint) {
    error_code error, ignored;
    acceptor_.close(ignored);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    return error;
  }

  void Accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (error) return AcceptLater();
      if (site_->connections < site_->options.max_connections) {
        std::make_shared<Connection>(site_, std::move(socket))->ReadRequest();
      }
      Accept();
    });
  }

  // Out of descriptors: asking again at once would spin.
  void AcceptLater() {
    pause_.expires_after(std::chrono::milliseconds(100));
    pause_.async_wait([this](error_code error) {
      if (!error) Accept();
    });
  }

  const std::shared_ptr<Site> site_;
  asio::io_context loop_{1};
  tcp::acceptor acceptor_{loop_};
  asio::steady_timer pause_{loop_};
  uint16_t port_ = 0;
  std::thread thread_;
};

HttpServer::HttpServer(std::unique_ptr<Listener> listener) : listener_(std::move(listener)) {}
HttpServer::~HttpServer() = default;
uint16_t HttpServer::port() const { return listener_->port(); }

Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpOptions options, std::vector<HttpRoute> routes) {
  auto listener = std::make_unique<Listener>(std::move(options), std::move(routes));
  ARROW_RETURN_NOT_OK(listener->Listen());
  listener->Run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(listener)));
}

}  // namespace longbow::observe
