// What there is and what it looks like: ListFlights, GetFlightInfo, PollFlightInfo, GetSchema, Handshake.
#pragma once

#include <memory>
#include <string>

#include "longbow/server/request_call.h"

namespace longbow::server {

void ListFlights(std::shared_ptr<RequestCall> call, std::string request);
void GetFlightInfo(std::shared_ptr<RequestCall> call, std::string request);
void PollFlightInfo(std::shared_ptr<RequestCall> call, std::string request);
void GetSchema(std::shared_ptr<RequestCall> call, std::string request);
// Answers with the token for those who show it, in the header or as the payload; with the payload when none
// is wanted.
void Handshake(std::shared_ptr<RequestCall> call, std::string request);

}  // namespace longbow::server
