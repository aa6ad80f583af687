#include "longbow/protocol/error_text.h"

#include <cstdint>

namespace longbow::protocol {
namespace {

// Bytes of the well-formed UTF-8 character at the start of `text`, 0 when there is none (Unicode 15, table
// 3-7).
size_t CharacterBytes(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const bool overlong = lead == 0xe0 && byte(1) < 0xa0, surrogate = lead == 0xed && byte(1) > 0x9f;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool overlong = lead == 0xf0 && byte(1) < 0x90, beyond = lead == 0xf4 && byte(1) > 0x8f;
    return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string PrintableText(std::string_view text, size_t max_bytes) {
  constexpr std::string_view kCut = "...";
  std::string out;
  size_t whole = 0;  // length of `out` up to which kCut still fits behind
  while (!text.empty()) {
    const size_t n = CharacterBytes(text);
    const bool plain = n > 0 && static_cast<uint8_t>(text[0]) >= 0x20 && text[0] != 0x7f;
    const std::string_view character = plain ? text.substr(0, n) : std::string_view("?");
    if (out.size() + character.size() > max_bytes) {
      out.resize(whole);
      return out.append(kCut.substr(0, max_bytes - whole));
    }
    out.append(character);
    if (out.size() + kCut.size() <= max_bytes) whole = out.size();
    text.remove_prefix(n > 0 ? n : 1);
  }
  return out;
}

int64_t RetryDelayMs(ErrorCode code) {
  constexpr int64_t kUntilMemoryMayBeFree = 250;  // batches are applied, searches end, caches shrink
  return code == ErrorCode::kResourceExhausted ? kUntilMemoryMayBeFree : 0;
}

}  // namespace longbow::protocol
