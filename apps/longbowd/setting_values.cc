#include "setting_values.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

namespace longbow {
namespace {

Status Unexpected(std::string_view expected, std::string_view text) {
  return MakeError(ErrorCode::kInvalidArgument, "expected " + std::string(expected) + ", given \"" +
                                                    std::string(text.substr(0, 128)) + "\"");
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

template <typename Number>
std::optional<Number> TakeNumber(std::string_view* text) {
  Number value{};
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc()) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return value;
}

// The nearest whole number, when it is one within reach of int64.
std::optional<int64_t> Whole(double value) {
  if (!(std::abs(value) < 9.2e18) || value != std::floor(value)) return std::nullopt;
  return static_cast<int64_t>(value);
}

std::optional<int64_t> UnitBytes(std::string_view unit) {
  static constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"", 1},
      {"b", 1},
      {"ki", int64_t{1} << 10},
      {"kib", int64_t{1} << 10},
      {"mi", int64_t{1} << 20},
      {"mib", int64_t{1} << 20},
      {"gi", int64_t{1} << 30},
      {"gib", int64_t{1} << 30},
      {"ti", int64_t{1} << 40},
      {"tib", int64_t{1} << 40},
      {"kb", 1000},
      {"mb", 1000000},
      {"gb", 1000000000},
      {"tb", 1000000000000},
  };
  for (const auto& [name, bytes] : kUnits) {
    if (name == unit) return bytes;
  }
  return std::nullopt;
}

std::optional<double> UnitNanos(std::string_view unit) {
  static constexpr std::pair<std::string_view, double> kUnits[] = {
      {"ns", 1},   {"us", 1e3}, {"\u00b5s", 1e3}, {"\u03bcs", 1e3},
      {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},      {"h", 3600e9},
  };
  for (const auto& [name, nanos] : kUnits) {
    if (name == unit) return nanos;
  }
  return std::nullopt;
}

}  // namespace

std::string Address::ToString() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Address::loopback() const {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return Lower(host) == "localhost";
}

Result<bool> ParseBool(std::string_view text) {
  const std::string word = Lower(Trim(text));
  for (const char* yes : {"true", "t", "yes", "on", "1"}) {
    if (word == yes) return true;
  }
  for (const char* no : {"false", "f", "no", "off", "0"}) {
    if (word == no) return false;
  }
  return Unexpected("true or false", text);
}

Result<int64_t> ParseInteger(std::string_view text) {
  std::string_view rest = Trim(text);
  if (const auto value = TakeNumber<int64_t>(&rest); value && rest.empty()) return *value;
  rest = Trim(text);
  if (const auto value = TakeNumber<double>(&rest); value && rest.empty() && Whole(*value))
    return *Whole(*value);
  return Unexpected("a whole number", text);
}

Result<int64_t> ParseBytes(std::string_view text) {
  constexpr std::string_view kExpected = "a number of bytes such as 67108864 or 64MiB";
  std::string_view rest = Trim(text);
  if (const auto value = TakeNumber<int64_t>(&rest); value && rest.empty() && *value >= 0) return *value;
  rest = Trim(text);
  const auto value = TakeNumber<double>(&rest);
  const auto unit = UnitBytes(Lower(Trim(rest)));
  if (!value || !unit || !(*value >= 0)) return Unexpected(kExpected, text);
  const auto bytes = Whole(*value * static_cast<double>(*unit));
  if (!bytes) return Unexpected(kExpected, text);
  return *bytes;
}

Result<std::chrono::nanoseconds> ParseDuration(std::string_view text) {
  const Status unexpected = Unexpected("a duration of zero or more such as 200ms, 1h or 2h45m", text);
  std::string_view rest = Trim(text);
  if (!rest.empty() && rest.front() == '+') rest.remove_prefix(1);
  if (rest == "0") return std::chrono::nanoseconds(0);
  if (rest.empty()) return unexpected;
  double total = 0;
  while (!rest.empty()) {
    const auto starts_number = [](char c) { return (c >= '0' && c <= '9') || c == '.'; };
    // Up to the unit by hand, as a number in Go's durations has no exponent.
    const size_t digits =
        static_cast<size_t>(std::find_if_not(rest.begin(), rest.end(), starts_number) - rest.begin());
    std::string_view number = rest.substr(0, digits);
    const auto value = TakeNumber<double>(&number);
    if (!value || !number.empty()) return unexpected;
    rest.remove_prefix(digits);
    const size_t letters =
        static_cast<size_t>(std::find_if(rest.begin(), rest.end(), starts_number) - rest.begin());
    const auto unit = UnitNanos(rest.substr(0, letters));
    if (!unit) return unexpected;
    rest.remove_prefix(letters);
    total += *value * *unit;
  }
  if (!(total < 9.2e18)) return unexpected;
  return std::chrono::nanoseconds(std::llround(total));
}

Result<Address> ParseAddress(std::string_view text) {
  const Status unexpected = Unexpected("an address such as 127.0.0.1:3000 or [::1]:3000", text);
  const std::string_view trimmed = Trim(text);
  const size_t colon = trimmed.rfind(':');
  if (colon == std::string_view::npos) return unexpected;
  std::string_view host = trimmed.substr(0, colon), digits = trimmed.substr(colon + 1);
  const auto port = TakeNumber<uint16_t>(&digits);
  if (!port || !digits.empty()) return unexpected;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    in6_addr v6{};
    if (inet_pton(AF_INET6, std::string(host).c_str(), &v6) != 1) return unexpected;
  } else if (host.find_first_of(":[] /") != std::string_view::npos) {
    return unexpected;
  }
  return Address{host.empty() ? "0.0.0.0" : std::string(host), *port};
}

}  // namespace longbow
