// A number written in decimal digits, kept exact: what "300", "1.5" and "-2e3" mean before a column's type is
// known.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace longbow::filter {

// Wide enough for every integer column and for the distance between them.
__extension__ typedef __int128 WideInt;

// (-1)^negative * digits * 10^exponent. Immutable.
struct DecimalText {
  bool negative = false;
  std::string digits;    // no leading or trailing zeros; empty for zero
  int64_t exponent = 0;  // within kMaxExponent

  static constexpr int64_t kMaxExponent = 1000000;
  // Optional sign, digits with at most one point, optional exponent; spaces around are skipped. Nothing
  // otherwise.
  static std::optional<DecimalText> Parse(std::string_view text);
};

// floor(number * 10^scale), as decimal digits of its magnitude.
struct ScaledDecimal {
  bool negative = false;
  std::string magnitude;  // empty for zero
  bool exact = true;      // the number is a whole multiple of 10^-scale
};
// Nothing when the magnitude has more than `max_digits` digits.
std::optional<ScaledDecimal> Scale(const DecimalText& number, int32_t scale, int max_digits);

}  // namespace longbow::filter
