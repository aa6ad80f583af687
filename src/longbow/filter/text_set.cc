#include "longbow/filter/text_set.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/util/bitmap_ops.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace longbow::filter {
namespace {

constexpr uint64_t kHead = sizeof(uint64_t);

constexpr uint64_t MaskOf(uint64_t length) {
  return length >= kHead ? ~uint64_t{0} : (uint64_t{1} << (8 * length)) - 1;
}
constexpr uint64_t kMasks[kHead + 1] = {MaskOf(0), MaskOf(1), MaskOf(2), MaskOf(3), MaskOf(4),
                                        MaskOf(5), MaskOf(6), MaskOf(7), MaskOf(8)};

// The first bytes of a value; `end` is that of the buffer it lies in.
uint64_t HeadOf(const uint8_t* value, uint64_t length, const uint8_t* end) {
  uint64_t head = 0;
  if (end - value >= static_cast<std::ptrdiff_t>(kHead)) {
    std::memcpy(&head, value, kHead);
  } else {
    std::memcpy(&head, value, std::min(length, kHead));
  }
  return head & kMasks[std::min(length, kHead)];
}

}  // namespace

TextSet::TextSet(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
    const bool whole = text.size() <= kHead;
    (whole ? short_ : long_)
        .push_back({text.size(), HeadOf(bytes, text.size(), bytes + text.size()),
                    whole ? std::string() : text.substr(kHead)});
  }
}

// Without a branch on what a value is, which none could predict.
bool TextSet::Holds(const uint8_t* value, uint64_t length, const uint8_t* end) const {
  const uint64_t head = HeadOf(value, length, end);
  bool found = false;
  for (const Text& text : short_) found |= ((text.length ^ length) | (text.head ^ head)) == 0;
  for (const Text& text : long_) {
    if (((text.length ^ length) | (text.head ^ head)) != 0) continue;
    found |= std::memcmp(value + kHead, text.rest.data(), text.rest.size()) == 0;
  }
  return found;
}

template <typename Offset>
void TextSet::Mark(const Offset* offsets, const uint8_t* bytes, int64_t rows, uint8_t* bits) const {
  const uint8_t* const end = bytes + offsets[rows];
  for (int64_t first = 0; first < rows; first += 8) {
    const int64_t count = std::min<int64_t>(8, rows - first);
    unsigned byte = 0;
    for (int64_t i = 0; i < count; ++i) {
      const Offset begin = offsets[first + i];
      const auto length = static_cast<uint64_t>(offsets[first + i + 1] - begin);
      byte |= static_cast<unsigned>(Holds(bytes + begin, length, end)) << i;
    }
    bits[first / 8] = static_cast<uint8_t>(byte);
  }
}

Result<std::shared_ptr<arrow::Array>> TextSet::Find(const arrow::Array& values) const {
  static constexpr uint8_t kNoBytes[1] = {};
  const arrow::ArrayData& data = *values.data();
  const int64_t rows = values.length();
  LB_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> bits, arrow::AllocateBuffer((rows + 7) / 8));
  const auto& held = data.buffers[2];
  const uint8_t* const bytes = held == nullptr || held->data() == nullptr ? kNoBytes : held->data();
  const auto id = values.type_id();
  if (rows > 0 && (id == arrow::Type::LARGE_STRING || id == arrow::Type::LARGE_BINARY)) {
    Mark(data.GetValues<int64_t>(1), bytes, rows, bits->mutable_data());
  } else if (rows > 0) {
    Mark(data.GetValues<int32_t>(1), bytes, rows, bits->mutable_data());
  }
  std::shared_ptr<arrow::Buffer> valid;
  if (values.null_count() > 0) {
    LB_ASSIGN_OR_RETURN(valid, arrow::internal::CopyBitmap(arrow::default_memory_pool(),
                                                           values.null_bitmap_data(), values.offset(), rows));
  }
  return std::make_shared<arrow::BooleanArray>(rows, std::move(bits), std::move(valid));
}

}  // namespace longbow::filter
