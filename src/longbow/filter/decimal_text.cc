#include "longbow/filter/decimal_text.h"

#include <algorithm>
#include <charconv>

namespace longbow::filter {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// Digits around at most one point; `*fraction` counts those behind it. Returns what is left of `text`.
std::optional<std::string_view> ReadMantissa(std::string_view text, std::string* digits, int64_t* fraction) {
  bool point = false;
  size_t i = 0, seen = 0;
  for (; i < text.size() && (IsDigit(text[i]) || (text[i] == '.' && !point)); ++i) {
    if (text[i] == '.') {
      point = true;
      continue;
    }
    digits->push_back(text[i]);
    ++seen;
    if (point) ++*fraction;
  }
  if (seen == 0) return std::nullopt;
  return text.substr(i);
}

std::optional<int64_t> ReadExponent(std::string_view text) {
  if (text.empty()) return 0;
  if (text[0] != 'e' && text[0] != 'E') return std::nullopt;
  text.remove_prefix(1);
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (text.empty() || !std::all_of(text.begin(), text.end(), IsDigit)) return std::nullopt;
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || value > DecimalText::kMaxExponent) value = DecimalText::kMaxExponent;
  return negative ? -value : value;
}

// Adds one to a magnitude written in decimal.
void Increment(std::string* magnitude) {
  for (size_t i = magnitude->size(); i-- > 0;) {
    if ((*magnitude)[i] != '9') {
      ++(*magnitude)[i];
      return;
    }
    (*magnitude)[i] = '0';
  }
  magnitude->insert(magnitude->begin(), '1');
}

}  // namespace

std::optional<DecimalText> DecimalText::Parse(std::string_view text) {
  text = Trim(text);
  DecimalText number;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    number.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int64_t fraction = 0;
  const auto rest = ReadMantissa(text, &number.digits, &fraction);
  if (!rest) return std::nullopt;
  const auto exponent = ReadExponent(*rest);
  if (!exponent) return std::nullopt;
  number.exponent = *exponent - fraction;
  number.digits.erase(0, std::min(number.digits.find_first_not_of('0'), number.digits.size()));
  while (!number.digits.empty() && number.digits.back() == '0') {
    number.digits.pop_back();
    ++number.exponent;
  }
  if (number.digits.empty()) return DecimalText{};
  return number;
}

std::optional<ScaledDecimal> Scale(const DecimalText& number, int32_t scale, int max_digits) {
  ScaledDecimal out;
  if (number.digits.empty()) return out;
  const int64_t shift = number.exponent + scale;
  const int64_t whole = static_cast<int64_t>(number.digits.size()) + shift;  // digits before the point
  if (whole > max_digits) return std::nullopt;
  out.negative = number.negative;
  if (shift >= 0) {
    out.magnitude = number.digits + std::string(static_cast<size_t>(shift), '0');
    return out;
  }
  out.exact = false;
  if (whole > 0) out.magnitude = number.digits.substr(0, static_cast<size_t>(whole));
  if (out.negative) Increment(&out.magnitude);
  if (static_cast<int64_t>(out.magnitude.size()) > max_digits) return std::nullopt;
  return out;
}

}  // namespace longbow::filter
