// Texts of errors as they leave the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "longbow/base/status.h"

namespace longbow::protocol {

// gRPC carries the text in a header; longer ones burst the limits of some clients.
inline constexpr size_t kMaxErrorText = 1024;

// `text` as printable UTF-8 of at most max_bytes: what is cut off becomes "...", control characters and bytes
// that are no UTF-8 become '?'. Clients' own bytes appear in messages, so this is not optional.
std::string PrintableText(std::string_view text, size_t max_bytes = kMaxErrorText);

// How long a client does well to wait before it tries again what failed for this reason; 0: nothing is said.
int64_t RetryDelayMs(ErrorCode code);

}  // namespace longbow::protocol
