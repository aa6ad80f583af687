// JSON that clients send, read strictly. Internal to protocol/: it brings simdjson along.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"

namespace longbow::protocol {

inline constexpr size_t kMaxJsonDepth = 32;

// One object inside a document. Keys that nobody asks for are ignored; null is as good as absent. Errors
// begin with `what` ("invalid ticket format: field 'limit': expected an integer, got a string"). Immutable;
// refers to its document.
class JsonObject {
 public:
  JsonObject(simdjson::dom::object object, std::string what) : object_(object), what_(std::move(what)) {}

  std::optional<simdjson::dom::element> Find(std::string_view key) const;
  // These leave *out alone when the key is absent.
  Status Read(std::string_view key, std::string* out) const;
  Status Read(std::string_view key, bool* out) const;
  Status Read(std::string_view key, int64_t* out) const;  // also 10.0
  Status Read(std::string_view key, double* out) const;
  Status Read(std::string_view key, std::optional<std::vector<std::string>>* out) const;
  // A row's key: a string, or a number whose text is the key.
  Status ReadKey(std::string_view key, std::optional<std::string>* out) const;
  // Absent: nullopt.
  Result<std::optional<JsonObject>> ReadObject(std::string_view key) const;

  Status Wrong(std::string_view key, std::string_view expected, simdjson::dom::element given) const;
  Status Invalid(std::string_view text) const;
  const std::string& what() const { return what_; }

 private:
  simdjson::dom::object object_;
  std::string what_;
};

// A parsed document and the memory behind it. Immutable.
class JsonDocument {
 public:
  // InvalidArgument "invalid <what> format: ..." for more than max_bytes, bad JSON, more than kMaxJsonDepth
  // levels, a key twice in one object, numbers that are not finite.
  static Result<JsonDocument> Parse(std::string_view text, size_t max_bytes, std::string_view what);
  // The root; InvalidArgument when it is no object.
  Result<JsonObject> Object() const;

 private:
  std::unique_ptr<simdjson::dom::parser> parser_;
  simdjson::dom::element root_;
  std::string what_;
};

Result<std::string> KeyText(simdjson::dom::element value);
std::string_view JsonTypeName(simdjson::dom::element value);  // "a string", "an array" ...

}  // namespace longbow::protocol
