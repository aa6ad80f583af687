#include "longbow/storage/log_survey.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "longbow/storage/little_endian.h"

namespace longbow::storage {
namespace {

constexpr uint64_t kHeaderWindow = uint64_t{64} << 10;
constexpr uint64_t kScanWindow = uint64_t{1} << 20;
constexpr uint64_t kSaltOffset = 24;

// One pass over the headers of a log. Confined to SurveyLog.
class Surveyor {
 public:
  explicit Surveyor(const Segments& segments) : segments_(segments) {}

  Result<LogSurvey> Run() {
    if (segments_.empty()) return std::move(survey_);
    for (const auto& segment : segments_) proved_ = std::max(proved_, segment->header.base);
    LB_ASSIGN_OR_RETURN(const size_t begins, FindBeginning());
    const SegmentHeader& first = segments_[begins]->header;
    survey_.last_number = first.base;
    survey_.last_sequence = sequence_before_unproved_ = first.base_sequence;
    number_known_ = first.cut;
    Enter(begins);
    LB_RETURN_NOT_OK(WalkHeaders());
    LB_RETURN_NOT_OK(JudgeEnd());
    LB_RETURN_NOT_OK(CheckUnproved());
    // A log that ends before the seal does not need what the seal names: the recovery before this one has
    // given it back, and lost the power before it had made the cut.
    if (!missing_.ok() && survey_.last_number >= missing_seal_) return missing_;
    return std::move(survey_);
  }

 private:
  SegmentSpan& span() { return survey_.spans.back(); }
  const Segment& segment() const { return *segments_[survey_.spans.back().segment]; }
  uint64_t expected() const { return survey_.last_number + 1; }

  // The first segment that is cut or holds a record at its start. One without may have been prepared and
  // never entered, and stay for a moment longer than those before it when they are given back; marks say
  // whether that is so.
  Result<size_t> FindBeginning() {
    for (size_t i = 0; i < segments_.size(); ++i) {
      if (segments_[i]->header.cut) return i;
      SegmentReader reader(segments_[i].get(), kHeaderWindow);
      LB_ASSIGN_OR_RETURN(const auto record, reader.ReadHeader(kSegmentHeaderBytes));
      if (record) return i;
    }
    return size_t{0};
  }

  void Enter(size_t index) {
    survey_.spans.push_back(
        {.segment = index, .first_number = expected(), .last_sequence = survey_.last_sequence});
    reader_.emplace(segments_[index].get(), kHeaderWindow);
    next_cut_.reset();
    for (size_t i = index + 1; i < segments_.size() && !next_cut_; ++i) {
      if (segments_[i]->header.cut) next_cut_ = i;
    }
  }

  Status WalkHeaders() {
    while (true) {
      if (next_cut_ && number_known_ && survey_.last_number == segments_[*next_cut_]->header.base) {
        Enter(*next_cut_);
        continue;
      }
      LB_ASSIGN_OR_RETURN(const auto record, reader_->ReadHeader(span().end_offset));
      if (!record || (number_known_ && record->number != expected())) return Status::OK();
      LB_RETURN_NOT_OK(Take(*record));
      if (!missing_.ok()) return Status::OK();
    }
  }

  Status Take(const RecordHeader& record) {
    if (!number_known_) {
      number_known_ = true;
      span().first_number = record.number;
    }
    survey_.unproved.push_back({span().segment, span().end_offset, record});
    Prove(record.durable);
    survey_.last_number = record.number;
    survey_.last_sequence = std::max(survey_.last_sequence, record.sequence);
    span().records += 1;
    span().end_offset += RecordBytes(record.payload_bytes);
    span().last_sequence = survey_.last_sequence;
    if (record.type == RecordType::kTruncate)
      survey_.truncations.Add(record.number, record.shard, record.index);
    // A cut right behind the seal takes the place of the segment it names, which was empty and is gone.
    const bool cut_here = next_cut_ && survey_.last_number == segments_[*next_cut_]->header.base;
    if (record.type == RecordType::kSeal && !cut_here) Follow(record);
    return Status::OK();
  }

  // Enters the segment that a seal names.
  void Follow(const RecordHeader& seal) {
    for (size_t i = span().segment + 1; i < segments_.size(); ++i) {
      if (segments_[i]->header.number == seal.index) return Enter(i);
    }
    missing_seal_ = seal.number;
    missing_ = Error(ErrorCode::kCorruption, "log segment ", SegmentName(seal.index),
                     " is missing: ", segment().path, " ends at offset ", seal.offset,
                     " with a seal that names it, sequence ", survey_.last_sequence,
                     "; restore the file from a copy");
  }

  // Records up to `number` were durable: they need no look at their payload here.
  void Prove(uint64_t number) {
    proved_ = std::max(proved_, number);
    auto& unproved = survey_.unproved;
    auto first = unproved.begin();
    for (; first != unproved.end() && first->header.number <= proved_; ++first) {
      sequence_before_unproved_ = std::max(sequence_before_unproved_, first->header.sequence);
    }
    unproved.erase(unproved.begin(), first);
  }

  // The walk stopped at a place without a valid record. Was there one that had been durable?
  Status JudgeEnd() {
    if (!number_known_) return Damaged("older segments were released behind it");
    if (next_cut_ && !missing_.ok()) return missing_;
    if (next_cut_) return Damaged("segment " + segments_[*next_cut_]->path + " begins behind it");
    const uint64_t end = span().end_offset;
    LB_RETURN_NOT_OK(Scan(*segments_[span().segment], end));
    for (size_t i = span().segment + 1; i < segments_.size(); ++i) {
      LB_RETURN_NOT_OK(Scan(*segments_[i], kSegmentHeaderBytes));
    }
    if (proved_ < expected()) return Status::OK();
    return Damaged("record " + std::to_string(proved_) + " is known to have been durable");
  }

  // Looks for records of this use of the segment at every place where one could stand. The salt tells them
  // from anything else.
  Status Scan(const Segment& segment, uint64_t from) {
    SegmentReader reader(&segment, kScanWindow);
    uint64_t last = from;
    const uint64_t salt = segment.header.salt;
    for (uint64_t offset = from; offset + kRecordHeaderBytes <= segment.bytes;) {
      const uint64_t n = std::min(kScanWindow, segment.bytes - offset);
      LB_ASSIGN_OR_RETURN(const uint8_t* window, reader.Peek(offset, n));
      uint64_t at = 0;
      for (; at + kRecordHeaderBytes <= n; at += kRecordAlignment) {
        if (LoadAt<uint64_t>(window, at + kSaltOffset) != salt) continue;
        const auto record = DecodeRecordHeader(window + at);
        const bool whole = record && record->salt == salt && record->offset == offset + at;
        if (whole) proved_ = std::max(proved_, record->durable);
        last =
            std::max(last, offset + at + (whole ? RecordBytes(record->payload_bytes) : kRecordHeaderBytes));
      }
      offset += at;
    }
    survey_.torn |= last > from;
    survey_.torn_bytes += std::min(last, segment.bytes) - std::min(from, segment.bytes);
    return Status::OK();
  }

  // Ends the log before the first unproved record whose payload is not whole.
  Status CheckUnproved() {
    std::optional<SegmentReader> reader;
    for (size_t i = 0; i < survey_.unproved.size(); ++i) {
      const RecordPlace& place = survey_.unproved[i];
      const Segment* segment = segments_[place.segment].get();
      if (!reader || &reader->segment() != segment) reader.emplace(segment, kScanWindow);
      LB_ASSIGN_OR_RETURN(const auto payload, ReadPayload(&*reader, place.header));
      if (!payload) {
        EndBefore(i);
        return Status::OK();
      }
    }
    return Status::OK();
  }

  void EndBefore(size_t first_bad) {
    const uint64_t number = survey_.unproved[first_bad].header.number;
    while (span().first_number > number) {
      survey_.torn_bytes += span().end_offset - kSegmentHeaderBytes;
      survey_.spans.pop_back();
    }
    const RecordPlace bad = survey_.unproved[first_bad];
    survey_.torn = true;
    survey_.torn_bytes += span().end_offset - bad.offset;
    span().end_offset = bad.offset;
    span().records = number - span().first_number;
    survey_.unproved.resize(first_bad);
    survey_.truncations.DropFrom(number);
    survey_.last_number = number - 1;
    survey_.last_sequence = sequence_before_unproved_;
    for (const RecordPlace& place : survey_.unproved) {
      survey_.last_sequence = std::max(survey_.last_sequence, place.header.sequence);
    }
    span().last_sequence = survey_.last_sequence;
  }

  Status Damaged(std::string_view proof) {
    return DamagedRecord(segment(), span().end_offset, expected(), survey_.last_sequence, proof);
  }

  const Segments& segments_;
  LogSurvey survey_;
  std::optional<SegmentReader> reader_;
  std::optional<size_t> next_cut_;         // the first cut segment behind the current one
  bool number_known_ = false;              // of the first record
  Status missing_;                         // the segment that the last record, a seal, names
  uint64_t missing_seal_ = 0;              // that seal's number
  uint64_t proved_ = 0;                    // every record up to here was durable
  Sequence sequence_before_unproved_ = 0;  // newest among the records that were durable
};

}  // namespace

void Truncations::DropFrom(uint64_t number) {
  for (auto& [shard, truncations] : by_shard_) {
    std::erase_if(truncations, [&](const auto& truncation) { return truncation.first >= number; });
  }
}

bool Truncations::Forgotten(const RecordHeader& record) const {
  const auto found = by_shard_.find(record.shard);
  if (found == by_shard_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(), [&](const auto& truncation) {
    return truncation.first > record.number && truncation.second < record.index;
  });
}

Status DamagedRecord(const Segment& segment, uint64_t offset, uint64_t number, Sequence sequence_before,
                     std::string_view proof) {
  return Error(ErrorCode::kCorruption, "log segment ", segment.path, ": record ", number, " at offset ",
               offset, ", behind sequence ", sequence_before, ", is damaged and was durable (", proof,
               "); nothing was changed: restore the file from a copy");
}

Result<LogSurvey> SurveyLog(const Segments& segments) { return Surveyor(segments).Run(); }

}  // namespace longbow::storage
