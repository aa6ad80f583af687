#include "longbow/filter/literal.h"

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>
#include <arrow/util/value_parsing.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "longbow/filter/decimal_text.h"

namespace longbow::filter {
namespace {

using arrow::Type;

constexpr int64_t kNanosPerSecond = 1000000000;
constexpr int64_t kNanosPerDay = 86400 * kNanosPerSecond;
constexpr int kWideDigits = 38;  // 10^38 fits WideInt

// The place of a number among the integers: it is `floor`, or lies between `floor` and the next one.
struct WidePlace {
  WideInt floor = 0;
  bool exact = true;
};
// Farther out than any column's type reaches.
constexpr WideInt kBeyond = static_cast<WideInt>(1) << 120;

struct Target {
  const std::shared_ptr<arrow::DataType>& type;
  std::string_view column;

  Status Mismatch(const Value& value, std::string_view expected) const {
    return InvalidArgument("filter: column \"", column, "\" has type ", type->ToString(),
                           ", which cannot be compared with ", ValueText(value), "; give ", expected);
  }
};

WideInt ToWide(std::string_view magnitude) {
  WideInt value = 0;
  for (char c : magnitude) value = value * 10 + (c - '0');
  return value;
}

WidePlace PlaceOf(const DecimalText& number) {
  const auto scaled = Scale(number, 0, kWideDigits - 2);
  if (!scaled) return {number.negative ? -kBeyond : kBeyond, true};
  const WideInt magnitude = ToWide(scaled->magnitude);
  return {scaled->negative ? -magnitude : magnitude, scaled->exact};
}

WidePlace PlaceOf(double number) {
  if (std::abs(number) >= 1e36) return {number < 0 ? -kBeyond : kBeyond, true};
  const double floor = std::floor(number);
  return {static_cast<WideInt>(floor), floor == number};
}

std::optional<WidePlace> NumberPlace(const Value& value) {
  if (const auto* n = std::get_if<int64_t>(&value)) return WidePlace{*n, true};
  if (const auto* n = std::get_if<uint64_t>(&value)) return WidePlace{static_cast<WideInt>(*n), true};
  if (const auto* n = std::get_if<double>(&value)) {
    if (std::isnan(*n)) return std::nullopt;
    return PlaceOf(*n);
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (const auto number = DecimalText::Parse(*text)) return PlaceOf(*number);
  }
  return std::nullopt;
}

template <typename T>
Literal IntegerLiteral(const std::shared_ptr<arrow::DataType>& type, const WidePlace& place) {
  if (place.floor > static_cast<WideInt>(std::numeric_limits<T>::max())) return {Place::kAboveAll, nullptr};
  if (place.floor < static_cast<WideInt>(std::numeric_limits<T>::min())) return {Place::kBelowAll, nullptr};
  Literal literal{place.exact ? Place::kExact : Place::kBetween, nullptr};
  literal.value = *arrow::MakeScalar(type, static_cast<T>(place.floor));
  return literal;
}

Literal IntegerLiteral(const std::shared_ptr<arrow::DataType>& type, const WidePlace& place) {
  switch (type->id()) {
    case Type::INT8:
      return IntegerLiteral<int8_t>(type, place);
    case Type::INT16:
      return IntegerLiteral<int16_t>(type, place);
    case Type::UINT8:
      return IntegerLiteral<uint8_t>(type, place);
    case Type::UINT16:
      return IntegerLiteral<uint16_t>(type, place);
    case Type::UINT32:
      return IntegerLiteral<uint32_t>(type, place);
    case Type::UINT64:
      return IntegerLiteral<uint64_t>(type, place);
    case Type::INT32:
    case Type::DATE32:
    case Type::TIME32:
      return IntegerLiteral<int32_t>(type, place);
    default:
      return IntegerLiteral<int64_t>(type, place);
  }
}

// An instant or a time of day: nanoseconds since its zero, and whether digits beyond were cut off.
struct Instant {
  WideInt nanos = 0;
  bool exact = true;
  bool has_zone = false;
};

// Arrow's parser takes no more fraction digits than its unit has, and nanoseconds end in 2262; so the
// fraction is read here and the rest in seconds.
std::optional<Instant> ParseInstant(std::string text) {
  Instant instant;
  WideInt fraction_nanos = 0;
  if (const size_t point = text.find('.'); point != std::string::npos) {
    size_t end = point + 1;
    WideInt unit = kNanosPerSecond / 10;
    for (; end < text.size() && text[end] >= '0' && text[end] <= '9'; ++end, unit /= 10) {
      fraction_nanos += (text[end] - '0') * unit;
      if (unit == 0 && text[end] != '0') instant.exact = false;
    }
    // A fraction is of seconds: "2024-01-02T03:04.5" has none.
    constexpr size_t kWithSeconds = std::string_view("2024-01-02T03:04:05").size();
    if (end == point + 1 || point != kWithSeconds) return std::nullopt;
    text.erase(point, end - point);
  }
  int64_t seconds = 0;
  if (!arrow::internal::ParseTimestampISO8601(text.data(), text.size(), arrow::TimeUnit::SECOND, &seconds,
                                              &instant.has_zone)) {
    return std::nullopt;
  }
  instant.nanos = static_cast<WideInt>(seconds) * kNanosPerSecond + fraction_nanos;
  return instant;
}

int64_t NanosPer(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return kNanosPerSecond;
    case arrow::TimeUnit::MILLI:
      return 1000000;
    case arrow::TimeUnit::MICRO:
      return 1000;
    default:
      return 1;
  }
}

WidePlace Divide(const Instant& instant, int64_t nanos_per_unit) {
  WideInt floor = instant.nanos / nanos_per_unit;
  const WideInt rest = instant.nanos % nanos_per_unit;
  if (rest < 0) --floor;
  return {floor, rest == 0 && instant.exact};
}

// Text of a moment in the unit of `type`; nothing when `type` has no such text or `text` is not one.
std::optional<WidePlace> MomentPlace(const std::string& text, const arrow::DataType& type) {
  switch (type.id()) {
    case Type::TIMESTAMP:
    case Type::DATE32:
    case Type::DATE64: {
      const auto instant = ParseInstant(text);
      if (!instant) return std::nullopt;
      if (type.id() == Type::DATE32) return Divide(*instant, kNanosPerDay);
      if (type.id() == Type::DATE64) return Divide(*instant, 1000000);
      return Divide(*instant, NanosPer(static_cast<const arrow::TimestampType&>(type).unit()));
    }
    case Type::TIME32:
    case Type::TIME64: {
      const auto instant = ParseInstant("1970-01-01T" + text);
      if (!instant || instant->has_zone) return std::nullopt;
      return Divide(*instant, NanosPer(static_cast<const arrow::TimeType&>(type).unit()));
    }
    default:
      return std::nullopt;
  }
}

std::string_view ExpectedMoment(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::DURATION:
      return "a number in the column's unit";
    case Type::TIME32:
    case Type::TIME64:
      return "a time such as \"13:45:30.5\" or a number in the column's unit";
    default:
      return "ISO 8601 text such as \"2024-05-01T12:00:00Z\" or a number in the column's unit";
  }
}

Result<Literal> MomentLiteral(const Value& value, const Target& target) {
  auto place = NumberPlace(value);
  if (const auto* text = std::get_if<std::string>(&value); !place && text != nullptr) {
    place = MomentPlace(*text, *target.type);
  }
  if (!place) return target.Mismatch(value, ExpectedMoment(*target.type));
  return IntegerLiteral(target.type, *place);
}

// The nearest double of a literal; infinite when it is beyond.
std::optional<double> NearestDouble(const Value& value) {
  if (const auto* n = std::get_if<int64_t>(&value)) return static_cast<double>(*n);
  if (const auto* n = std::get_if<uint64_t>(&value)) return static_cast<double>(*n);
  if (const auto* n = std::get_if<double>(&value)) return *n;
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return std::nullopt;
  std::string_view digits = *text;
  digits.remove_prefix(std::min(digits.find_first_not_of(" \t\r\n"), digits.size()));
  digits = digits.substr(0, digits.find_last_not_of(" \t\r\n") + 1);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  double number = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (digits.empty() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  if (parsed.ec == std::errc()) return number;
  const auto exact = DecimalText::Parse(digits);
  if (!exact) return std::nullopt;
  const double huge = exact->exponent > 0 ? std::numeric_limits<double>::infinity() : 0;
  return exact->negative ? -huge : huge;
}

bool SaysInfinity(const Value& value) {
  if (const auto* n = std::get_if<double>(&value)) return std::isinf(*n);
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr && !DecimalText::Parse(*text);
}

template <typename T>
Literal FloatLiteral(const Value& value, double number, double rounded, double greatest) {
  Literal literal;
  literal.nan = std::isnan(number);
  // A finite literal beyond the type lies between its greatest value and infinity.
  if (std::isinf(rounded) && !SaysInfinity(value)) {
    literal.place = Place::kBetween;
    if (rounded > 0) rounded = greatest;
  }
  literal.value = arrow::MakeScalar(static_cast<T>(rounded));
  return literal;
}

Result<Literal> FloatLiteral(const Value& value, const Target& target) {
  const auto number = NearestDouble(value);
  if (!number) return target.Mismatch(value, "a number");
  switch (target.type->id()) {
    case Type::HALF_FLOAT: {
      const double rounded = arrow::util::Float16::FromDouble(*number).ToDouble();
      return FloatLiteral<float>(value, *number, rounded, 65504);
    }
    case Type::FLOAT: {
      const double rounded = static_cast<double>(static_cast<float>(*number));
      return FloatLiteral<float>(value, *number, rounded, std::numeric_limits<float>::max());
    }
    default:
      return FloatLiteral<double>(value, *number, *number, std::numeric_limits<double>::max());
  }
}

std::string PlainText(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* b = std::get_if<bool>(&value)) return *b ? "true" : "false";
  if (const auto* n = std::get_if<int64_t>(&value)) return std::to_string(*n);
  if (const auto* n = std::get_if<uint64_t>(&value)) return std::to_string(*n);
  if (const auto* n = std::get_if<double>(&value)) {
    char digits[32];
    return std::string(digits, std::to_chars(digits, digits + sizeof digits, *n).ptr);
  }
  return "null";
}

Result<Literal> DecimalLiteral(const Value& value, const Target& target) {
  // Through text also for floating point: the client that wrote 12.34 means 12.34.
  const auto number =
      std::holds_alternative<bool>(value) ? std::nullopt : DecimalText::Parse(PlainText(value));
  if (!number) return target.Mismatch(value, "a number");
  const auto& type = static_cast<const arrow::DecimalType&>(*target.type);
  const Place beyond = number->negative ? Place::kBelowAll : Place::kAboveAll;
  const auto scaled = Scale(*number, type.scale(), type.precision());
  if (!scaled) return Literal{beyond, nullptr};
  LB_ASSIGN_OR_RETURN(auto unscaled,
                      arrow::Decimal256::FromString(scaled->magnitude.empty() ? "0" : scaled->magnitude));
  if (scaled->negative) unscaled.Negate();
  Literal literal{scaled->exact ? Place::kExact : Place::kBetween, nullptr};
  const auto compared = ComparisonType(target.type);
  if (compared->id() == Type::DECIMAL256) {
    literal.value = std::make_shared<arrow::Decimal256Scalar>(unscaled, compared);
  } else {
    const auto words = unscaled.little_endian_array();
    literal.value = std::make_shared<arrow::Decimal128Scalar>(
        arrow::Decimal128(static_cast<int64_t>(words[1]), words[0]), compared);
  }
  return literal;
}

Result<Literal> BoolLiteral(const Value& value, const Target& target) {
  std::string text = PlainText(value);
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (text == "true" || text == "1") return Literal{Place::kExact, arrow::MakeScalar(true)};
  if (text == "false" || text == "0") return Literal{Place::kExact, arrow::MakeScalar(false)};
  return target.Mismatch(value, "true or false");
}

std::shared_ptr<arrow::Scalar> TextScalar(Type::type id, std::string text) {
  switch (id) {
    case Type::STRING:
      return std::make_shared<arrow::StringScalar>(std::move(text));
    case Type::LARGE_STRING:
      return std::make_shared<arrow::LargeStringScalar>(std::move(text));
    case Type::LARGE_BINARY:
      return std::make_shared<arrow::LargeBinaryScalar>(std::move(text));
    default:
      return std::make_shared<arrow::BinaryScalar>(std::move(text));
  }
}

}  // namespace

std::shared_ptr<arrow::DataType> ComparisonType(const std::shared_ptr<arrow::DataType>& type) {
  switch (type->id()) {
    case Type::BOOL:
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::UINT8:
    case Type::UINT16:
    case Type::UINT32:
    case Type::UINT64:
    case Type::FLOAT:
    case Type::DOUBLE:
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::TIMESTAMP:
    case Type::DATE32:
    case Type::DATE64:
    case Type::TIME32:
    case Type::TIME64:
    case Type::DURATION:
    case Type::DECIMAL128:
    case Type::DECIMAL256:
      return type;
    case Type::HALF_FLOAT:
      return arrow::float32();
    case Type::FIXED_SIZE_BINARY:
      return arrow::binary();
    case Type::DECIMAL32:
    case Type::DECIMAL64: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(*type);
      return arrow::decimal128(decimal.precision(), decimal.scale());
    }
    default:
      return nullptr;
  }
}

Result<Literal> MakeLiteral(const Value& value, const std::shared_ptr<arrow::DataType>& type,
                            std::string_view column) {
  const Target target{type, column};
  if (std::holds_alternative<std::monostate>(value)) {
    return InvalidArgument("filter: column \"", column,
                           "\" is compared with null, which never matches; use is_null or ", "is_not_null");
  }
  switch (type->id()) {
    case Type::BOOL:
      return BoolLiteral(value, target);
    case Type::HALF_FLOAT:
    case Type::FLOAT:
    case Type::DOUBLE:
      return FloatLiteral(value, target);
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256:
      return DecimalLiteral(value, target);
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::FIXED_SIZE_BINARY:
      return Literal{Place::kExact, TextScalar(ComparisonType(type)->id(), PlainText(value))};
    case Type::TIMESTAMP:
    case Type::DATE32:
    case Type::DATE64:
    case Type::TIME32:
    case Type::TIME64:
    case Type::DURATION:
      return MomentLiteral(value, target);
    default:
      break;
  }
  const auto place = NumberPlace(value);
  if (!place) return target.Mismatch(value, "a number");
  return IntegerLiteral(type, *place);
}

std::string ValueText(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return PlainText(value);
  constexpr size_t kShown = 100;
  std::string quoted = "\"";
  for (char c : std::string_view(*text).substr(0, kShown)) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + (text->size() > kShown ? "...\"" : "\"");
}

}  // namespace longbow::filter
