// Calls of one request message: the lists, the infos, the actions.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "longbow/server/stream_reactor.h"

namespace longbow::server {

class RequestCall;
// Answers one request; keeps the call as long as it works on it. Ends the call by Finish, now or later, from
// any thread.
using RequestHandler = void (*)(std::shared_ptr<RequestCall> call, std::string request);

class RequestCall final : public StreamReactor {
 public:
  RequestCall(std::shared_ptr<FlightShared> shared, grpc::CallbackServerContext* context, FlightCall call,
              RequestHandler handler);

  // The answer: messages and OK, or an error.
  void Finish(Result<std::vector<std::string>> messages);
  void FinishOne(Result<std::string> message);

  // False when the client sent headers only, which Handshake takes.
  bool has_request() const { return has_request_; }

  using StreamReactor::AddHeader;
  using StreamReactor::context;
  using StreamReactor::deadline_ns;
  using StreamReactor::Guard;
  using StreamReactor::Over;
  using StreamReactor::serving;
  using StreamReactor::shared;
  using StreamReactor::start_ns;
  using StreamReactor::stop;
  using StreamReactor::WhenOpen;

 private:
  void OnMessage(BufferChain message) override;
  void OnHalfClose() override;

  const RequestHandler handler_;
  const bool may_be_empty_;
  bool has_request_ = false;  // set before the handler runs
};

}  // namespace longbow::server
