// Texts of errors as they leave the server.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace longbow::protocol {

// gRPC carries the text in a header; longer ones burst the limits of some clients.
inline constexpr size_t kMaxErrorText = 1024;

// `text` as printable UTF-8 of at most max_bytes: what is cut off becomes "...", control characters and bytes
// that are no UTF-8 become '?'. Clients' own bytes appear in messages, so this is not optional.
std::string PrintableText(std::string_view text, size_t max_bytes = kMaxErrorText);

}  // namespace longbow::protocol
