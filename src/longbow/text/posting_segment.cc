#include "longbow/text/posting_segment.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "longbow/base/check.h"

namespace longbow::text {

void Impact::Add(uint32_t frequency, LengthCode length) {
  LengthCode& shortest_here = shortest[std::min(frequency, 3u) - 1];
  shortest_here = std::min(shortest_here, length);
  most = std::max(most, static_cast<uint8_t>(std::min(frequency, 255u)));
}

void Impact::AddWeight(float weight, bool first) {
  least_weight = first ? weight : std::min(least_weight, weight);
  most_weight = first ? weight : std::max(most_weight, weight);
}

void Impact::Add(const Impact& other, PostingValue value, bool first) {
  if (value == PostingValue::kFrequency) {
    for (int i = 0; i < 3; ++i) shortest[i] = std::min(shortest[i], other.shortest[i]);
    most = std::max(most, other.most);
  } else {
    AddWeight(other.least_weight, first);
    AddWeight(other.most_weight, false);
  }
}

void SegmentDeaths::Add(Sequence at, uint32_t document, LengthCode length) {
  std::lock_guard lock(mutex_);
  const uint64_t before = deaths_.empty() ? 0 : deaths_.back().terms;
  deaths_.push_back({at, document, before + DecodeLength(length)});
}

uint64_t SegmentDeaths::TermsUntil(size_t deaths) const {
  std::lock_guard lock(mutex_);
  return deaths == 0 ? 0 : deaths_[deaths - 1].terms;
}

size_t SegmentDeaths::CountUntil(Sequence at) const {
  std::lock_guard lock(mutex_);
  if (deaths_.empty() || deaths_.back().at <= at) return deaths_.size();
  const auto end =
      std::upper_bound(deaths_.begin(), deaths_.end(), at,
                       [](Sequence sequence, const Death& death) { return sequence < death.at; });
  return static_cast<size_t>(end - deaths_.begin());
}

std::vector<SegmentDeaths::Death> SegmentDeaths::Copy() const {
  std::lock_guard lock(mutex_);
  return deaths_;
}

SegmentDeaths::Counted SegmentDeaths::Known(size_t list) const {
  std::lock_guard lock(mutex_);
  const auto found = std::lower_bound(known_.begin(), known_.end(), list,
                                      [](const auto& entry, size_t wanted) { return entry.first < wanted; });
  return found != known_.end() && found->first == list ? found->second : Counted{};
}

void SegmentDeaths::Remember(size_t list, Counted counted) const {
  std::lock_guard lock(mutex_);
  const auto found = std::lower_bound(known_.begin(), known_.end(), list,
                                      [](const auto& entry, size_t wanted) { return entry.first < wanted; });
  if (found != known_.end() && found->first == list) {
    if (found->second.deaths < counted.deaths) found->second = counted;
  } else if (known_.size() < kMostKnown) {
    known_.insert(found, {list, counted});
  }
}

PostingSegment::~PostingSegment() {
  if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kIndex, -charged_);
}

const PostingList* PostingSegment::Find(TermId term) const {
  const auto found = std::lower_bound(terms_.begin(), terms_.end(), term);
  return found != terms_.end() && *found == term ? &lists_[static_cast<size_t>(found - terms_.begin())]
                                                 : nullptr;
}

PostingSegment::Totals PostingSegment::TotalsBelow(RowOrdinal end) const {
  if (end >= end_) return totals_;
  Totals totals;
  for (RowOrdinal row = first_; row < end; ++row) {
    const LengthCode length = lengths_[row - first_];
    totals.documents += length != 0;
    totals.terms += DecodeLength(length);
  }
  return totals;
}

SegmentWriter::SegmentWriter(PostingValue value, MemoryLedger* ledger, RowOrdinal first,
                             std::vector<LengthCode> lengths)
    : segment_(std::make_shared<PostingSegment>(value, ledger)) {
  segment_->first_ = first;
  segment_->end_ = first + static_cast<RowOrdinal>(lengths.size());
  for (const LengthCode length : lengths) {
    segment_->totals_.documents += length != 0;
    segment_->totals_.terms += DecodeLength(length);
  }
  segment_->lengths_ = std::move(lengths);
}

void SegmentWriter::BeginTerm(TermId term) {
  LB_CHECK(segment_->terms_.empty() || segment_->terms_.back() < term);
  segment_->terms_.push_back(term);
  list_ = {segment_->bytes_.size(), static_cast<uint32_t>(segment_->blocks_.size()), 0};
  list_impact_ = impact_ = Impact();
  base_ = pending_ = 0;
}

void SegmentWriter::Add(uint32_t document, uint32_t value) {
  documents_[pending_] = document;
  values_[pending_] = value;
  if (segment_->value_ == PostingValue::kFrequency) {
    impact_.Add(value, segment_->lengths_[document]);
  } else {
    impact_.AddWeight(std::bit_cast<float>(value), pending_ == 0);
  }
  ++list_.count;
  if (++pending_ == kBlockPostings) FlushBlock();
}

void SegmentWriter::PutVarint(uint32_t value) {
  for (; value >= 0x80; value >>= 7) segment_->bytes_.push_back(static_cast<uint8_t>(value | 0x80));
  segment_->bytes_.push_back(static_cast<uint8_t>(value));
}

void SegmentWriter::FlushBlock() {
  auto& blocks = segment_->blocks_;
  auto& bytes = segment_->bytes_;
  if (list_.count == kBlockPostings) blocks.emplace_back();  // of the whole list
  PostingBlock block;
  block.last = documents_[kBlockPostings - 1];
  block.at = static_cast<uint32_t>(bytes.size() - list_.at);
  block.document_bits = static_cast<uint8_t>(DifferenceBits(documents_, base_));
  block.impact = impact_;
  size_t at = bytes.size();
  bytes.resize(at + PackedBytes(block.document_bits));
  PackDocuments(documents_, base_, block.document_bits, bytes.data() + at);
  at = bytes.size();
  if (segment_->value_ == PostingValue::kFrequency) {
    uint32_t all = 0;
    for (uint32_t& value : values_) all |= --value;
    block.value_bits = static_cast<uint8_t>(std::bit_width(all));
    bytes.resize(at + PackedBytes(block.value_bits));
    PackBlock(values_, block.value_bits, bytes.data() + at);
  } else {
    block.value_bits = 32;
    bytes.resize(at + sizeof(values_));
    std::memcpy(bytes.data() + at, values_, sizeof(values_));
  }
  list_impact_.Add(impact_, segment_->value_, list_.count == kBlockPostings);
  blocks.push_back(block);
  base_ = block.last;
  impact_ = Impact();
  pending_ = 0;
}

// The last postings of a list, fewer than a block: differences, with a bit that says "once".
void SegmentWriter::FlushRest() {
  const auto start = static_cast<uint32_t>(segment_->bytes_.size() - list_.at);
  uint32_t before = base_;
  for (uint32_t i = 0; i < pending_; ++i) {
    const uint32_t difference = documents_[i] - before;
    before = documents_[i];
    if (segment_->value_ == PostingValue::kWeight) {
      PutVarint(difference);
      const auto* bytes = reinterpret_cast<const uint8_t*>(&values_[i]);
      segment_->bytes_.insert(segment_->bytes_.end(), bytes, bytes + sizeof(uint32_t));
      continue;
    }
    LB_CHECK(difference < uint32_t{1} << 31);
    PutVarint(difference << 1 | (values_[i] == 1 ? 1 : 0));
    if (values_[i] != 1) PutVarint(values_[i]);
  }
  if (!list_.has_blocks() || pending_ == 0) return;
  PostingBlock block;
  block.last = documents_[pending_ - 1];
  block.at = start;
  block.impact = impact_;
  list_impact_.Add(impact_, segment_->value_, false);
  segment_->blocks_.push_back(block);
}

void SegmentWriter::EndTerm() {
  LB_CHECK(list_.count > 0);
  FlushRest();
  if (list_.has_blocks()) {
    PostingBlock& whole = segment_->blocks_[list_.first_block];
    whole.impact = list_impact_;
    whole.last = segment_->blocks_.back().last;
  }
  segment_->postings_ += list_.count;
  segment_->lists_.push_back(list_);
}

std::shared_ptr<PostingSegment> SegmentWriter::Finish() {
  PostingSegment& segment = *segment_;
  segment.terms_.shrink_to_fit();
  segment.lists_.shrink_to_fit();
  segment.blocks_.shrink_to_fit();
  segment.bytes_.shrink_to_fit();
  segment.charged_ = static_cast<int64_t>(sizeof(PostingSegment) + segment.terms_.size() * sizeof(TermId) +
                                          segment.lists_.size() * sizeof(PostingList) +
                                          segment.blocks_.size() * sizeof(PostingBlock) +
                                          segment.bytes_.size() + segment.lengths_.size());
  if (segment.ledger_ != nullptr) segment.ledger_->Charge(MemoryUse::kIndex, segment.charged_);
  return std::move(segment_);
}

}  // namespace longbow::text
