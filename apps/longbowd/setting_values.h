// How the value of a setting is written, by kind. The same for flags, file and environment.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "longbow/base/status.h"

namespace longbow {

struct Address {
  std::string host;  // without brackets; "0.0.0.0" when the text had none
  uint16_t port = 0;

  std::string ToString() const;  // an IPv6 host in brackets
  // Only this machine can reach it: 127.0.0.0/8, ::1 or localhost. A name that may resolve to anything is
  // not.
  bool loopback() const;
};

// Each returns InvalidArgument `expected <what>, given "<text>"`.

// true, t, yes, on, 1 and their opposites, in any case.
Result<bool> ParseBool(std::string_view text);
// Whole numbers, also as tools that know only floating point print them: 67108864, 6.7108864e+07.
Result<int64_t> ParseInteger(std::string_view text);
// A number of bytes, with or without a unit: KiB MiB GiB TiB (or Ki Mi Gi Ti) of 1024, KB MB GB TB of 1000.
Result<int64_t> ParseBytes(std::string_view text);
// Go's syntax: 0, or numbers with units one behind the other: 200ms, 1.5s, 2h45m. Not negative.
Result<std::chrono::nanoseconds> ParseDuration(std::string_view text);
// host:port, [::1]:port, or :port for every interface.
Result<Address> ParseAddress(std::string_view text);

}  // namespace longbow
