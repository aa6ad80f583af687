// Bytes of the small Flight messages: tickets, descriptors, criteria, handshakes, cancel requests. The first
// byte says which.
#include <cstdint>
#include <string_view>

#include "longbow/protocol/exchange_frames.h"
#include "longbow/protocol/flight_data.h"
#include "longbow/protocol/flight_messages.h"
#include "longbow/protocol/ticket.h"

using namespace longbow;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 7) {
    case 0:
      (void)protocol::ReadTicket(bytes);
      break;
    case 1: {
      const auto criteria = protocol::FlightCriteria::Read(bytes);
      if (criteria.ok()) (void)criteria->Matches("books", 5);
      break;
    }
    case 2: {
      const auto ticket = protocol::ParseTicket(bytes);
      if (ticket.ok()) (void)protocol::ReadTicket(*ticket);
      break;
    }
    case 3: {
      const auto descriptor = protocol::ParseFlightDescriptor(bytes);
      if (!descriptor.ok()) break;
      (void)protocol::DatasetOf(*descriptor);
      (void)protocol::ReadExchangeCommand(*descriptor);
      break;
    }
    case 4:
      (void)protocol::ReadExchangeCommand({{}, std::string(bytes)});
      break;
    case 5:
      (void)protocol::ParseFlightData(BufferChain::FromString(std::string(bytes)));
      break;
    default:
      (void)protocol::ParseCriteria(bytes);
      (void)protocol::ParseHandshakeRequest(bytes);
      (void)protocol::ParsePutResult(bytes);
      (void)protocol::CheckCancelFlightInfo(bytes);
  }
  return 0;
}
