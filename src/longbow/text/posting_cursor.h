// Walks one posting list: document by document, or to the first at or behind one, decoding only the blocks it
// stops in.
#pragma once

#include <cstdint>

#include "longbow/text/posting_segment.h"

namespace longbow::text {

inline constexpr uint32_t kNoDocument = ~uint32_t{0};

// Confined. It is in a block, which may not be decoded yet, and once it is, on a posting of it.
class PostingCursor {
 public:
  void Open(const PostingSegment* segment, const PostingList* list);

  uint32_t count() const { return list_->count; }
  const Impact& list_impact() const { return *list_impact_; }

  // ---- by postings; the block is decoded ----
  uint32_t document() const { return documents_[position_]; }  // kNoDocument at the end
  uint32_t value() {
    if (!values_ready_) DecodeValues();
    return values_[position_];
  }
  void Next() {
    if (++position_ == size_) {
      NextBlock();
      Decode();
    }
  }
  // To the first posting at or behind `target`; never back.
  void Seek(uint32_t target) {
    if (decoded_ == block_ && documents_[position_] >= target) return;
    SeekBlock(target);
    Decode();
    position_ = FirstAtOrBehind(target);
  }

  // ---- by blocks ----
  bool at_end() const { return block_ == blocks_; }
  uint32_t block() const { return block_; }
  const Impact& block_impact() const { return *block_impact_; }
  uint32_t block_last() const { return block_last_; }
  // To the block that holds the first posting at or behind `target`, without decoding it.
  void SeekBlock(uint32_t target) {
    if (block_last_ < target) SkipBlocks(target);
  }
  void NextBlock() { EnterBlock(block_ + 1); }
  // Decodes the block unless it is; stays on its posting when it was.
  void Decode() {
    if (decoded_ != block_) DecodeBlock();
  }
  uint32_t position() const { return position_; }
  uint32_t size() const { return size_; }  // postings of the decoded block
  const uint32_t* documents() const { return documents_; }
  const uint32_t* values() {
    if (!values_ready_) DecodeValues();
    return values_;
  }

 private:
  void EnterBlock(uint32_t block);
  void SkipBlocks(uint32_t target);
  void DecodeBlock();
  void DecodeRest(const uint8_t* from, uint32_t base, uint32_t count);
  void DecodeValues();
  uint32_t FirstAtOrBehind(uint32_t target) const;

  const PostingSegment* segment_ = nullptr;
  const PostingList* list_ = nullptr;
  const PostingBlock* block_list_ = nullptr;
  const Impact* list_impact_ = nullptr;
  const Impact* block_impact_ = nullptr;
  uint32_t blocks_ = 0, block_ = 0, block_last_ = 0;
  uint32_t decoded_ = kNoDocument;
  uint32_t position_ = 0, size_ = 0;
  bool values_ready_ = false;
  Impact short_impact_;  // of a list without blocks
  uint32_t documents_[kBlockPostings + 1];
  uint32_t values_[kBlockPostings];
};

}  // namespace longbow::text
