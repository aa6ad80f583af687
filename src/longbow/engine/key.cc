#include "longbow/engine/key.h"

#include <arrow/array/data.h>
#include <arrow/type.h>
#include <xxhash.h>

#include <charconv>

#include "longbow/base/check.h"

namespace longbow::engine {
namespace {

template <typename T>
bool ParseWhole(std::string_view text, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

template <typename T>
void Widen(const arrow::ArrayData& ids, std::vector<uint64_t>* out) {
  const T* values = ids.GetValues<T>(1);
  using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
  for (int64_t i = 0; i < ids.length; ++i)
    (*out)[static_cast<size_t>(i)] = static_cast<uint64_t>(Wide{values[i]});
}

template <typename Offset>
std::string_view TextAtOffsets(const arrow::ArrayData& strings, int64_t i) {
  const Offset* offsets = strings.GetValues<Offset>(1);
  if (offsets[i] == offsets[i + 1]) return {};
  const char* bytes = reinterpret_cast<const char*>(strings.buffers[2]->data());
  return {bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i])};
}

}  // namespace

uint64_t StringKeyNumber(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

Result<Key> ParseKey(KeyKind kind, std::string_view text) {
  Key key;
  switch (kind) {
    case KeyKind::kString:
      key.text = text;
      key.number = StringKeyNumber(text);
      return key;
    case KeyKind::kSigned: {
      int64_t value = 0;
      if (!ParseWhole(text, &value)) {
        return InvalidArgument("id '", text.substr(0, 100), "': expected a whole number such as -7 or 42");
      }
      key.number = static_cast<uint64_t>(value);
      return key;
    }
    case KeyKind::kUnsigned:
    case KeyKind::kHidden:
      if (!ParseWhole(text, &key.number)) {
        return InvalidArgument("id '", text.substr(0, 100),
                               "': expected a whole number from 0 on such as 42");
      }
      return key;
  }
  return InvalidArgument("unknown kind of key");
}

std::vector<uint64_t> KeyNumbers(const arrow::ArrayData& ids) {
  std::vector<uint64_t> out(static_cast<size_t>(ids.length));
  if (ids.length == 0) return out;
  switch (ids.type->id()) {
    case arrow::Type::INT8:
      Widen<int8_t>(ids, &out);
      break;
    case arrow::Type::INT16:
      Widen<int16_t>(ids, &out);
      break;
    case arrow::Type::INT32:
      Widen<int32_t>(ids, &out);
      break;
    case arrow::Type::INT64:
      Widen<int64_t>(ids, &out);
      break;
    case arrow::Type::UINT8:
      Widen<uint8_t>(ids, &out);
      break;
    case arrow::Type::UINT16:
      Widen<uint16_t>(ids, &out);
      break;
    case arrow::Type::UINT32:
      Widen<uint32_t>(ids, &out);
      break;
    case arrow::Type::UINT64:
      Widen<uint64_t>(ids, &out);
      break;
    default:
      for (int64_t i = 0; i < ids.length; ++i) out[static_cast<size_t>(i)] = StringKeyNumber(TextAt(ids, i));
  }
  return out;
}

std::string_view TextAt(const arrow::ArrayData& strings, int64_t i) {
  LB_CHECK(strings.type->id() == arrow::Type::STRING || strings.type->id() == arrow::Type::LARGE_STRING);
  return strings.type->id() == arrow::Type::STRING ? TextAtOffsets<int32_t>(strings, i)
                                                   : TextAtOffsets<int64_t>(strings, i);
}

}  // namespace longbow::engine
