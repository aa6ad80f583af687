#include "longbow/server/flight_service.h"

#include <grpcpp/impl/codegen/rpc_service_method.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>

#include <utility>

#include "longbow/server/action_list.h"
#include "longbow/server/exchange_stream.h"
#include "longbow/server/get_stream.h"
#include "longbow/server/info_calls.h"
#include "longbow/server/put_stream.h"
#include "longbow/server/request_call.h"

namespace longbow::server {
namespace {

using Context = grpc::CallbackServerContext;
using Admission = StreamReactor::Admission;

// A method of one request message.
struct RequestMethod {
  const char* path;
  FlightCall call;
  RequestHandler handler;
  Admission admission;
};
constexpr RequestMethod kRequestMethods[] = {
    // Clients that bring their token as the payload show it here first.
    {"/arrow.flight.protocol.FlightService/Handshake", FlightCall::kHandshake, Handshake, Admission::kAnyone},
    {"/arrow.flight.protocol.FlightService/ListFlights", FlightCall::kListFlights, ListFlights,
     Admission::kToken},
    {"/arrow.flight.protocol.FlightService/GetFlightInfo", FlightCall::kGetFlightInfo, GetFlightInfo,
     Admission::kToken},
    {"/arrow.flight.protocol.FlightService/PollFlightInfo", FlightCall::kPollFlightInfo, PollFlightInfo,
     Admission::kToken},
    {"/arrow.flight.protocol.FlightService/GetSchema", FlightCall::kGetSchema, GetSchema, Admission::kToken},
    {"/arrow.flight.protocol.FlightService/DoAction", FlightCall::kDoAction, DoAction, Admission::kToken},
    {"/arrow.flight.protocol.FlightService/ListActions", FlightCall::kListActions, ListActions,
     Admission::kToken},
};

template <typename Stream>
BidiReactor* Open(const std::shared_ptr<FlightShared>& shared, Context* context) {
  return StreamReactor::Start(std::make_shared<Stream>(shared, context));
}

}  // namespace

FlightService::FlightService(std::shared_ptr<FlightShared> shared) : shared_(std::move(shared)) {
  for (const RequestMethod& method : kRequestMethods) {
    Add(method.path, [this, method](Context* context) {
      return StreamReactor::Start(
          std::make_shared<RequestCall>(shared_, context, method.call, method.handler), method.admission);
    });
  }
  Add("/arrow.flight.protocol.FlightService/DoGet",
      [this](Context* c) { return Open<GetStream>(shared_, c); });
  Add("/arrow.flight.protocol.FlightService/DoPut",
      [this](Context* c) { return Open<PutStream>(shared_, c); });
  Add("/arrow.flight.protocol.FlightService/DoExchange",
      [this](Context* c) { return Open<ExchangeStream>(shared_, c); });
}

// gRPC keeps the pointer to the path: it must be a literal.
void FlightService::Add(const char* path, Begin begin) {
  using Handler = grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, grpc::ByteBuffer>;
  AddMethod(new grpc::internal::RpcServiceMethod(path, grpc::internal::RpcMethod::BIDI_STREAMING, nullptr));
  MarkMethodRawCallback(methods_++, new Handler(std::move(begin)));
}

}  // namespace longbow::server
