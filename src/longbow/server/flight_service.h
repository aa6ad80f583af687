// The methods of Arrow Flight, registered by hand under their wire paths with raw byte buffers. No generated
// service, so nothing can collide with libarrow_flight.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <functional>
#include <memory>

#include "longbow/server/flight_shared.h"
#include "longbow/server/stream_reactor.h"

namespace longbow::server {

// Holds what all calls share; must outlive the grpc::Server it is registered with.
class FlightService final : public grpc::Service {
 public:
  explicit FlightService(std::shared_ptr<FlightShared> shared);

 private:
  using Begin = std::function<BidiReactor*(grpc::CallbackServerContext*)>;
  void Add(const char* path, Begin begin);

  const std::shared_ptr<FlightShared> shared_;
  int methods_ = 0;
};

}  // namespace longbow::server
