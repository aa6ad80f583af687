#include "longbow/protocol/json_document.h"

#include <algorithm>
#include <cmath>

#include "longbow/protocol/error_text.h"

namespace longbow::protocol {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr double kIntegersAreExact = 9007199254740992.0;  // 2^53

// A key given twice means that two readers could understand two different things.
std::optional<std::string> FindDuplicateKey(element value) {
  if (value.is_array()) {
    for (element item : simdjson::dom::array(value)) {
      if (item.is_number()) continue;
      if (auto found = FindDuplicateKey(item)) return found;
    }
    return std::nullopt;
  }
  if (!value.is_object()) return std::nullopt;
  std::vector<std::string_view> keys;
  for (auto field : simdjson::dom::object(value)) {
    keys.push_back(field.key);
    if (auto found = FindDuplicateKey(field.value)) return found;
  }
  std::sort(keys.begin(), keys.end());
  const auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice == keys.end()) return std::nullopt;
  return std::string(*twice);
}

std::optional<int64_t> IntegerOf(element value) {
  int64_t integer = 0;
  if (value.get(integer) == simdjson::SUCCESS) return integer;
  double real = 0;
  if (value.is_double() && value.get(real) == simdjson::SUCCESS && std::trunc(real) == real &&
      std::abs(real) <= kIntegersAreExact) {
    return static_cast<int64_t>(real);
  }
  return std::nullopt;
}

}  // namespace

std::string_view JsonTypeName(element value) {
  switch (value.type()) {
    case element_type::ARRAY:
      return "an array";
    case element_type::OBJECT:
      return "an object";
    case element_type::INT64:
      return "an integer";
    case element_type::UINT64:
      return "a large integer";
    case element_type::DOUBLE:
      return "a number with a fraction or exponent";
    case element_type::STRING:
      return "a string";
    case element_type::BOOL:
      return "a boolean";
    case element_type::NULL_VALUE:
      return "null";
  }
  return "something else";
}

Result<std::string> KeyText(element value) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return std::string(text);
  uint64_t large = 0;
  if (value.get(large) == simdjson::SUCCESS) return std::to_string(large);
  if (const auto integer = IntegerOf(value)) return std::to_string(*integer);
  return InvalidArgument("expected a string or an integer, got ", JsonTypeName(value));
}

std::optional<element> JsonObject::Find(std::string_view key) const {
  element value;
  if (object_.at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return value;
}

Status JsonObject::Wrong(std::string_view key, std::string_view expected, element given) const {
  return InvalidArgument(what_, ": field '", key, "': expected ", expected, ", got ", JsonTypeName(given));
}

Status JsonObject::Invalid(std::string_view text) const { return InvalidArgument(what_, ": ", text); }

Status JsonObject::Read(std::string_view key, std::string* out) const {
  const auto value = Find(key);
  if (!value) return Status::OK();
  std::string_view text;
  if (value->get(text) != simdjson::SUCCESS) return Wrong(key, "a string", *value);
  out->assign(text);
  return Status::OK();
}

Status JsonObject::Read(std::string_view key, bool* out) const {
  const auto value = Find(key);
  if (value && value->get(*out) != simdjson::SUCCESS) return Wrong(key, "true or false", *value);
  return Status::OK();
}

Status JsonObject::Read(std::string_view key, int64_t* out) const {
  const auto value = Find(key);
  if (!value) return Status::OK();
  const auto integer = IntegerOf(*value);
  if (!integer) return Wrong(key, "an integer", *value);
  *out = *integer;
  return Status::OK();
}

Status JsonObject::Read(std::string_view key, double* out) const {
  const auto value = Find(key);
  if (value && value->get(*out) != simdjson::SUCCESS) return Wrong(key, "a number", *value);
  return Status::OK();
}

Status JsonObject::Read(std::string_view key, std::optional<std::vector<std::string>>* out) const {
  const auto value = Find(key);
  if (!value) return Status::OK();
  if (!value->is_array()) return Wrong(key, "an array of strings", *value);
  auto& list = out->emplace();
  for (element item : simdjson::dom::array(*value)) {
    std::string_view text;
    if (item.get(text) != simdjson::SUCCESS) return Wrong(key, "an array of strings", item);
    list.emplace_back(text);
  }
  return Status::OK();
}

Status JsonObject::ReadKey(std::string_view key, std::optional<std::string>* out) const {
  const auto value = Find(key);
  if (!value) return Status::OK();
  auto text = KeyText(*value);
  if (!text.ok()) return Wrong(key, "a string or an integer", *value);
  *out = *std::move(text);
  return Status::OK();
}

Result<std::optional<JsonObject>> JsonObject::ReadObject(std::string_view key) const {
  const auto value = Find(key);
  if (!value) return std::nullopt;
  if (!value->is_object()) return Wrong(key, "an object", *value);
  return std::optional<JsonObject>(JsonObject(simdjson::dom::object(*value), what_));
}

Result<JsonDocument> JsonDocument::Parse(std::string_view text, size_t max_bytes, std::string_view what) {
  JsonDocument document;
  document.what_ = "invalid " + std::string(what) + " format";
  if (text.size() > max_bytes) {
    return InvalidArgument(document.what_, ": ", text.size(), " bytes, at most ", max_bytes, " are allowed");
  }
  document.parser_ = std::make_unique<simdjson::dom::parser>();
  simdjson::error_code error = document.parser_->allocate(std::max<size_t>(text.size(), 64), kMaxJsonDepth);
  if (error == simdjson::SUCCESS)
    error = document.parser_->parse(text.data(), text.size()).get(document.root_);
  if (error == simdjson::DEPTH_ERROR) {
    return InvalidArgument(document.what_, ": more than ", kMaxJsonDepth, " levels of nesting");
  }
  if (error == simdjson::MEMALLOC)
    return Error(ErrorCode::kResourceExhausted, "no memory to read the ", what);
  if (error == simdjson::NUMBER_ERROR) {
    return InvalidArgument(document.what_,
                           ": a number is malformed, or an integer beyond 64 bits; write such a ",
                           "one with an exponent, as 1e20, or as text");
  }
  if (error != simdjson::SUCCESS) {
    return InvalidArgument(document.what_, ": not JSON: ", simdjson::error_message(error));
  }
  if (const auto key = FindDuplicateKey(document.root_)) {
    return InvalidArgument(document.what_, ": key '", PrintableText(*key, 64),
                           "' is given twice in one object");
  }
  return document;
}

Result<JsonObject> JsonDocument::Object() const {
  if (!root_.is_object()) return InvalidArgument(what_, ": expected an object, got ", JsonTypeName(root_));
  return JsonObject(simdjson::dom::object(root_), what_);
}

}  // namespace longbow::protocol
