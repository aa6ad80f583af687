#include "longbow/storage/log_replay.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace longbow::storage {
namespace {

constexpr uint64_t kReadWindow = uint64_t{4} << 20;

}  // namespace

Status ReadRecords(const Segments& segments, const LogSurvey& survey, const VisitRecord& visit) {
  Sequence sequence = 0;
  for (const SegmentSpan& span : survey.spans) {
    SegmentReader reader(segments[span.segment].get(), kReadWindow);
    uint64_t offset = kSegmentHeaderBytes;
    for (uint64_t i = 0; i < span.records; ++i) {
      const uint64_t number = span.first_number + i;
      LB_ASSIGN_OR_RETURN(const auto record, reader.ReadHeader(offset));
      std::optional<BufferChain> payload;
      if (record && record->number == number) {
        LB_ASSIGN_OR_RETURN(payload, ReadPayload(&reader, *record));
      }
      if (!payload) {
        return DamagedRecord(reader.segment(), offset, number, sequence, "a later record or segment says so");
      }
      LB_RETURN_NOT_OK(visit(*record, *std::move(payload)));
      sequence = std::max(sequence, record->sequence);
      offset += RecordBytes(record->payload_bytes);
    }
  }
  return Status::OK();
}

Status MakeTailDurable(const Segments& segments, const LogSurvey& survey) {
  for (size_t i = 0; i < survey.unproved.size();) {
    // Records of one segment stand one behind the other.
    const size_t index = survey.unproved[i].segment;
    uint64_t offset = survey.unproved[i].offset;
    uint64_t end = offset;
    for (; i < survey.unproved.size() && survey.unproved[i].segment == index; ++i) {
      end = survey.unproved[i].offset + RecordBytes(survey.unproved[i].header.payload_bytes);
    }
    File* file = segments[index]->file.get();
    std::vector<uint8_t> bytes(std::min(end - offset, kReadWindow));
    while (offset < end) {
      const uint64_t n = std::min<uint64_t>(end - offset, bytes.size());
      LB_RETURN_NOT_OK(file->Read(offset, {bytes.data(), n}));
      LB_RETURN_NOT_OK(file->Write(offset, {{bytes.data(), n}}, /*sync=*/false));
      offset += n;
    }
    LB_RETURN_NOT_OK(file->Sync());
  }
  return Status::OK();
}

}  // namespace longbow::storage
