// Reads the records that a survey found.
#pragma once

#include <functional>

#include "longbow/storage/log_survey.h"

namespace longbow::storage {

using VisitRecord = std::function<Status(const RecordHeader&, BufferChain payload)>;

// Every record of the log in order, forgotten ones too, each checked. Memory is bounded by the largest
// record; payloads come in pieces under 8 MiB. Corruption when one is damaged: none of them may be.
Status ReadRecords(const Segments& segments, const LogSurvey& survey, const VisitRecord& visit);

// Writes the records that nothing proves durable once more where they stand, and syncs them. What was just
// read may have come from a cache whose write-back failed, in which case another sync alone would succeed and
// mean nothing.
Status MakeTailDurable(const Segments& segments, const LogSurvey& survey);

}  // namespace longbow::storage
