#include "longbow/observe/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <vector>

namespace longbow::observe {
namespace {

// A client that sends bytes as given. Reads give up after ten seconds, so that a test ends.
class RawClient {
 public:
  explicit RawClient(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void Send(const std::string& bytes) { ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }

  // Until the text holds `end`, or (with an empty `end`) until the server closes.
  std::string ReadUntil(const std::string& end) {
    std::string text;
    while (end.empty() || text.find(end) == std::string::npos) {
      pollfd wait{socket_, POLLIN, 0};
      if (::poll(&wait, 1, 10000) <= 0) return text + "<timeout>";
      char piece[4096];
      const ssize_t n = ::recv(socket_, piece, sizeof(piece), 0);
      if (n <= 0) return text;
      text.append(piece, static_cast<size_t>(n));
    }
    return text;
  }

 private:
  const int socket_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  std::unique_ptr<HttpServer> StartServer(HttpOptions options = {}) {
    std::vector<HttpRoute> routes;
    routes.push_back({"/health", [] { return HttpReply{200, "text/plain", "alive\n"}; }});
    routes.push_back({"/ready", [] { return HttpReply{503, "text/plain", "warming 7 %\n"}; }});
    routes.push_back({"/broken", []() -> HttpReply { throw std::runtime_error("a secret"); }});
    routes.push_back({"/large", [] { return HttpReply{200, "text/plain", std::string(4 << 20, 'x')}; }});
    auto server = HttpServer::Start(options, std::move(routes));
    EXPECT_TRUE(server.ok()) << server.status();
    return std::move(server).ValueOrDie();
  }
  static std::string Ask(const HttpServer& server, const std::string& bytes) {
    RawClient client(server.port());
    client.Send(bytes);
    return client.ReadUntil("");
  }
  static std::string Get(const HttpServer& server, const std::string& path) {
    return Ask(server, "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }
};

TEST_F(HttpServerTest, ServesItsRoutes) {
  const auto server = StartServer();
  const std::string health = Get(*server, "/health");
  EXPECT_EQ(health.rfind("HTTP/1.1 200 OK\r\n", 0), 0u) << health;
  EXPECT_NE(health.find("Content-Type: text/plain"), std::string::npos) << health;
  EXPECT_NE(health.find("\r\n\r\nalive\n"), std::string::npos) << health;
  const std::string ready = Get(*server, "/ready?verbose=1");
  EXPECT_EQ(ready.rfind("HTTP/1.1 503 ", 0), 0u) << ready;
  EXPECT_NE(ready.find("warming 7 %"), std::string::npos) << ready;
}

TEST_F(HttpServerTest, AnythingElseIsNotFound) {
  const auto server = StartServer();
  for (const char* path : {"/", "/health/", "/healthz", "/debug/pprof/", "/../health", "//health", "*"}) {
    EXPECT_EQ(Get(*server, path).rfind("HTTP/1.1 404 ", 0), 0u) << path;
  }
}

TEST_F(HttpServerTest, OnlyReadsAreAllowed) {
  const auto server = StartServer();
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    const std::string reply =
        Ask(*server, std::string(method) + " /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(reply.rfind("HTTP/1.1 405 ", 0), 0u) << method << ": " << reply;
    EXPECT_NE(reply.find("Allow: GET, HEAD"), std::string::npos) << reply;
  }
}

TEST_F(HttpServerTest, HeadHasTheLengthAndNoBody) {
  const auto server = StartServer();
  const std::string reply = Ask(*server, "HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(reply.find("Content-Length: 6"), std::string::npos) << reply;
  EXPECT_EQ(reply.substr(reply.size() - 4), "\r\n\r\n") << reply;
}

TEST_F(HttpServerTest, AConnectionServesManyRequests) {
  const auto server = StartServer();
  RawClient client(server->port());
  for (int i = 0; i < 3; ++i) {
    client.Send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(client.ReadUntil("alive\n").find("200 OK"), std::string::npos) << "request " << i;
  }
  client.Send(
      "GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string both = client.ReadUntil("");
  EXPECT_NE(both.find("alive"), std::string::npos);
  EXPECT_NE(both.find("warming"), std::string::npos);
}

TEST_F(HttpServerTest, ABodyIsNotTakenForTheNextRequest) {
  const auto server = StartServer();
  const std::string smuggled = "GET /ready HTTP/1.1\r\n\r\n";
  const std::string reply =
      Ask(*server, "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(smuggled.size()) +
                       "\r\n\r\n" + smuggled);
  EXPECT_NE(reply.find("alive"), std::string::npos) << reply;
  EXPECT_EQ(reply.find("warming"), std::string::npos) << reply;
}

TEST_F(HttpServerTest, AFailingHandlerIsAnErrorWithoutItsText) {
  std::string reported;
  HttpOptions options;
  options.report_failure = [&](const std::string& path, const std::string& what) {
    reported = path + ": " + what;
  };
  const auto server = StartServer(options);
  const std::string reply = Get(*server, "/broken");
  EXPECT_EQ(reply.rfind("HTTP/1.1 500 ", 0), 0u) << reply;
  EXPECT_EQ(reply.find("secret"), std::string::npos) << reply;
  EXPECT_EQ(reported, "/broken: a secret");
  EXPECT_NE(Get(*server, "/health").find("alive"), std::string::npos);
}

TEST_F(HttpServerTest, GarbageIsABadRequest) {
  const auto server = StartServer();
  for (const std::string& bytes :
       {std::string("\x16\x03\x01\x02\x00\x01\xff\xff", 8), std::string("hello\r\n\r\n")}) {
    const std::string reply = Ask(*server, bytes);
    EXPECT_EQ(reply.rfind("HTTP/1.1 400 ", 0), 0u) << reply;
  }
}

TEST_F(HttpServerTest, ARequestBeyondTheLimitIsRefused) {
  const auto server = StartServer();
  const std::string reply =
      Ask(*server, "GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(9000, 'a') + "\r\n\r\n");
  EXPECT_EQ(reply.rfind("HTTP/1.1 431 ", 0), 0u) << reply.substr(0, 100);
}

TEST_F(HttpServerTest, ASlowRequestIsCutOffAndDoesNotHoldOthersUp) {
  HttpOptions options;
  options.request_timeout_ms = 200;
  const auto server = StartServer(options);
  RawClient slow(server->port());
  slow.Send("GET /hea");
  EXPECT_NE(Get(*server, "/health").find("alive"), std::string::npos);
  EXPECT_EQ(slow.ReadUntil(""), "");
}

TEST_F(HttpServerTest, AReaderThatStopsDoesNotHoldOthersUp) {
  HttpOptions options;
  options.reply_timeout_ms = 200;
  const auto server = StartServer(options);
  RawClient stalled(server->port());
  for (int i = 0; i < 4; ++i) stalled.Send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(Get(*server, "/health").find("alive"), std::string::npos);
}

TEST_F(HttpServerTest, ConnectionsBeyondTheLimitAreClosedAndTheirPlacesComeBack) {
  HttpOptions options;
  options.max_connections = 2;
  const auto server = StartServer(options);
  {
    RawClient first(server->port()), second(server->port());
    for (RawClient* client : {&first, &second}) {
      client->Send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
      EXPECT_NE(client->ReadUntil("alive\n").find("200 OK"), std::string::npos);
    }
    EXPECT_EQ(RawClient(server->port()).ReadUntil(""), "");
  }
  std::string reply;
  for (int i = 0; i < 1000 && reply.empty(); ++i) reply = Get(*server, "/health");
  EXPECT_NE(reply.find("alive"), std::string::npos);
}

TEST_F(HttpServerTest, ABusyPortGivesWayToTheNextOnes) {
  const auto first = StartServer();
  HttpOptions options;
  options.port = first->port();
  const auto second = StartServer(options);
  EXPECT_GT(second->port(), first->port());
  EXPECT_LT(second->port(), first->port() + 5);
  EXPECT_NE(Get(*second, "/health").find("alive"), std::string::npos);
}

TEST_F(HttpServerTest, LocalhostIsReachedByTheOldKindOfAddress) {
  HttpOptions options;
  options.host = "localhost";
  EXPECT_NE(Get(*StartServer(options), "/health").find("alive"), std::string::npos);
}

TEST_F(HttpServerTest, AnAddressThatCannotBeHadIsNamed) {
  const auto first = StartServer();
  HttpOptions options;
  options.port = first->port();
  options.port_attempts = 1;
  const auto refused = HttpServer::Start(options, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(CodeOf(refused.status()), ErrorCode::kUnavailable);
  EXPECT_NE(refused.status().message().find("127.0.0.1:" + std::to_string(first->port())), std::string::npos)
      << refused.status().message();
}

TEST_F(HttpServerTest, StopsWithConnectionsOpen) {
  auto server = StartServer();
  RawClient idle(server->port()), reading(server->port());
  reading.Send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  reading.ReadUntil("\r\n\r\n");
  server.reset();
  EXPECT_EQ(idle.ReadUntil(""), "");
}

}  // namespace
}  // namespace longbow::observe
