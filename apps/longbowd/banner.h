// What the program tells whoever started it, on stdout.
#pragma once

#include <string>

#include "node.h"
#include "settings.h"

namespace longbow {

// Before recovery. Names the token's file, never the token.
std::string Banner(const Settings& settings, const Node& node);
// After recovery; begins with "ready: ". A cut of the log's tail is a line of its own.
std::string ReadyLines(const RecoveryOutcome& outcome);
// {"data": 3000, "meta": 3001, "http": 9090, "pid": 4242} and a line end.
std::string PortsJson(const NodePorts& ports);

}  // namespace longbow
