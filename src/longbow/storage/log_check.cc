#include "longbow/storage/log_check.h"

#include "longbow/storage/log_replay.h"
#include "longbow/storage/record_compression.h"

namespace longbow::storage {

Result<RecoveryReport> CheckLog(FileSystem* files, Random* random, const std::string& directory,
                                uint64_t generation) {
  RecoveryReport report;
  LB_ASSIGN_OR_RETURN(const bool exists, files->Exists(directory));
  if (!exists) return report;
  SegmentStore store(files, random, {.directory = directory, .generation = generation});
  LB_ASSIGN_OR_RETURN(const Segments segments, store.Open());
  LB_ASSIGN_OR_RETURN(const LogSurvey survey, SurveyLog(segments));
  LB_RETURN_NOT_OK(ReadRecords(segments, survey, [&](const RecordHeader& record, BufferChain payload) {
    LB_RETURN_NOT_OK(DecompressRecord(record, std::move(payload)).status());
    report.records += record.type == RecordType::kData ? 1 : 0;
    report.bytes += record.payload_bytes;
    return Status::OK();
  }));
  report.tail_cut = survey.torn;
  report.cut_bytes = survey.torn_bytes;
  if (survey.torn && !survey.spans.empty()) {
    report.cut_file = segments[survey.spans.back().segment]->path;
    report.cut_offset = survey.spans.back().end_offset;
  }
  return report;
}

}  // namespace longbow::storage
