#include "longbow/server/request_call.h"

#include <utility>

#include "longbow/server/byte_buffers.h"

namespace longbow::server {

RequestCall::RequestCall(std::shared_ptr<FlightShared> shared, grpc::CallbackServerContext* context,
                         FlightCall call, RequestHandler handler)
    : StreamReactor(std::move(shared), context, call, Input::kOneMessage),
      handler_(handler),
      may_be_empty_(call == FlightCall::kHandshake) {}

void RequestCall::OnMessage(BufferChain message) {
  has_request_ = true;
  std::string request = ToText(message);
  message = {};  // a large one need not be held twice while it is worked on
  handler_(std::static_pointer_cast<RequestCall>(shared_from_this()), std::move(request));
}

void RequestCall::OnHalfClose() {
  if (!may_be_empty_) return End(InvalidArgument("the call ended before its request"));
  handler_(std::static_pointer_cast<RequestCall>(shared_from_this()), {});
}

void RequestCall::Finish(Result<std::vector<std::string>> messages) {
  if (!messages.ok()) return End(messages.status());
  std::vector<grpc::ByteBuffer> out;
  out.reserve(messages->size());
  for (auto& message : *messages) out.push_back(ToByteBuffer(std::move(message)));
  EndWith(std::move(out));
}

void RequestCall::FinishOne(Result<std::string> message) {
  if (!message.ok()) return End(message.status());
  std::vector<std::string> one;
  one.push_back(*std::move(message));
  Finish(std::move(one));
}

}  // namespace longbow::server
