// The least that a DoExchange costs on Longbow's own Flight code: every message goes back as it came, through
// the same reactor and byte buffers as the server's searches. `make bench-flight` measures searches against
// it. With a number it uses so many microseconds of processor before each answer: what is then seen of
// waiting is the work's, the machine's and gRPC's, not the search's. Prints its port; ends with SIGTERM.
//
//   echo_server [MICROSECONDS]
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/rpc_service_method.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/support/server_callback.h>
#include <malloc.h>
#include <time.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "longbow/base/environment.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/protocol/flight_data.h"
#include "longbow/server/byte_buffers.h"
#include "longbow/server/flight_shared.h"
#include "longbow/server/serving.h"
#include "longbow/server/stream_reactor.h"

namespace longbow::bench {
namespace {

std::chrono::nanoseconds ThreadTime() {
  timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

void UseProcessor(std::chrono::nanoseconds work) {
  for (const auto until = ThreadTime() + work; ThreadTime() < until;) {
  }
}

class EchoStream final : public server::StreamReactor {
 public:
  EchoStream(std::shared_ptr<server::FlightShared> shared, grpc::CallbackServerContext* context,
             std::chrono::nanoseconds work)
      : StreamReactor(std::move(shared), context, server::FlightCall::kDoExchange, Input::kMessages),
        work_(work) {}

 private:
  void OnMessage(BufferChain message) override {
    if (!first_) {
      UseProcessor(work_);
      Send(server::ToByteBuffer(message));
    } else if (const Status sent = EchoFirst(message); !sent.ok()) {
      return End(sent);
    }
    first_ = false;
    Continue();
  }
  // Without the descriptor, which only clients send.
  Status EchoFirst(const BufferChain& message) {
    LB_ASSIGN_OR_RETURN(auto data, protocol::ParseFlightData(message));
    data.descriptor.reset();
    if (data.header) Send(server::ToByteBuffer(protocol::EncodeFlightData(data)));
    return Status::OK();
  }
  void OnHalfClose() override { End(Status::OK()); }

  const std::chrono::nanoseconds work_;
  bool first_ = true;
};

// DoExchange under its wire path, as bytes.
class EchoService final : public grpc::Service {
 public:
  EchoService(std::shared_ptr<server::FlightShared> shared, std::chrono::nanoseconds work) {
    using Handler = grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, grpc::ByteBuffer>;
    AddMethod(new grpc::internal::RpcServiceMethod("/arrow.flight.protocol.FlightService/DoExchange",
                                                   grpc::internal::RpcMethod::BIDI_STREAMING, nullptr));
    MarkMethodRawCallback(
        0, new Handler([shared = std::move(shared), work](grpc::CallbackServerContext* context) {
          return server::StreamReactor::Start(std::make_shared<EchoStream>(shared, context, work));
        }));
  }
};

int Run(std::chrono::nanoseconds work) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  const auto searchers = MakeThreadPool({.name = "searcher", .threads = 1});
  Environment environment;
  environment.clock = SystemClock();
  environment.searchers = searchers.get();
  server::Serving serving(environment, nullptr, nullptr);
  server::FlightOptions options;
  EchoService service(std::make_shared<server::FlightShared>(options, &serving), work);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (!server) {
    std::fprintf(stderr, "echo_server: cannot listen on 127.0.0.1\n");
    return 1;
  }
  std::printf("%d\n", port);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&stop, &signal);
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  return 0;
}

}  // namespace
}  // namespace longbow::bench

int main(int argc, char** argv) {
  const double microseconds = argc > 1 ? std::atof(argv[1]) : 0;
  // As longbowd does: gRPC's read buffers come and go.
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
  return longbow::bench::Run(std::chrono::nanoseconds(static_cast<int64_t>(microseconds * 1000)));
}
