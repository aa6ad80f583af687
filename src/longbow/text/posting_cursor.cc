#include "longbow/text/posting_cursor.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace longbow::text {
namespace {

uint32_t GetVarint(const uint8_t** from) {
  uint32_t value = 0;
  for (uint32_t shift = 0;; shift += 7) {
    const uint8_t byte = *(*from)++;
    value |= uint32_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
}

}  // namespace

void PostingCursor::Open(const PostingSegment* segment, const PostingList* list) {
  segment_ = segment;
  list_ = list;
  decoded_ = kNoDocument;
  position_ = size_ = 0;
  blocks_ = list->blocks();
  if (list->has_blocks()) {
    block_list_ = segment->blocks(*list) + 1;
    list_impact_ = &block_list_[-1].impact;
    EnterBlock(0);
    return;
  }
  block_list_ = nullptr;
  block_ = 0;
  DecodeRest(segment->bytes(*list), 0, list->count);
  decoded_ = 0;
  block_last_ = documents_[size_ - 1];
  short_impact_ = Impact();
  for (uint32_t i = 0; i < size_; ++i) {
    if (segment->value() == PostingValue::kFrequency) {
      short_impact_.Add(values_[i], segment->length(documents_[i]));
    } else {
      short_impact_.AddWeight(std::bit_cast<float>(values_[i]), i == 0);
    }
  }
  list_impact_ = block_impact_ = &short_impact_;
}

void PostingCursor::EnterBlock(uint32_t block) {
  block_ = block;
  if (block < blocks_) {
    block_last_ = block_list_[block].last;
    block_impact_ = &block_list_[block].impact;
  } else {
    block_last_ = kNoDocument;
  }
}

void PostingCursor::SkipBlocks(uint32_t target) {
  if (block_list_ == nullptr) return EnterBlock(blocks_);
  // Most jumps are short; a long one doubles its step.
  uint32_t low = block_ + 1, step = 1;
  while (low + step < blocks_ && block_list_[low + step - 1].last < target) {
    low += step;
    step *= 2;
  }
  uint32_t high = std::min(low + step, blocks_);
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (block_list_[middle].last < target) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  EnterBlock(low);
}

void PostingCursor::DecodeBlock() {
  position_ = 0;
  decoded_ = block_;
  if (block_ == blocks_) {
    documents_[0] = kNoDocument;
    size_ = 0;
    return;
  }
  const PostingBlock& block = block_list_[block_];
  const uint32_t base = block_ == 0 ? 0 : block_list_[block_ - 1].last;
  const uint8_t* from = segment_->bytes(*list_) + block.at;
  const uint32_t count = std::min(kBlockPostings, list_->count - block_ * kBlockPostings);
  if (count < kBlockPostings) return DecodeRest(from, base, count);
  UnpackDocuments(from, base, block.document_bits, documents_);
  size_ = kBlockPostings;
  documents_[size_] = kNoDocument;
  values_ready_ = false;
}

void PostingCursor::DecodeRest(const uint8_t* from, uint32_t base, uint32_t count) {
  uint32_t document = base;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t first = GetVarint(&from);
    if (segment_->value() == PostingValue::kWeight) {
      document += first;
      std::memcpy(&values_[i], from, sizeof(uint32_t));
      from += sizeof(uint32_t);
    } else {
      document += first >> 1;
      values_[i] = (first & 1) != 0 ? 1 : GetVarint(&from);
    }
    documents_[i] = document;
  }
  size_ = count;
  documents_[size_] = kNoDocument;
  position_ = 0;
  values_ready_ = true;
}

void PostingCursor::DecodeValues() {
  values_ready_ = true;
  if (size_ == 0) return;
  const PostingBlock& block = block_list_[block_];
  const uint8_t* from = segment_->bytes(*list_) + block.at + PackedBytes(block.document_bits);
  if (segment_->value() == PostingValue::kWeight) {
    std::memcpy(values_, from, sizeof(values_));
    return;
  }
  UnpackBlock(from, block.value_bits, values_);
  for (uint32_t& value : values_) ++value;
}

uint32_t PostingCursor::FirstAtOrBehind(uint32_t target) const {
  const uint32_t* from = documents_ + position_;
  uint32_t left = size_ - position_;
  while (left > 1) {
    const uint32_t half = left / 2;
    from += from[half - 1] < target ? half : 0;
    left -= half;
  }
  return static_cast<uint32_t>(from - documents_) + (left == 1 && *from < target ? 1 : 0);
}

}  // namespace longbow::text
