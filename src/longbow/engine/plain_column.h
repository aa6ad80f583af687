// Dictionaries, runs, views and extension types turned into the columns they stand for, within bounds.
#pragma once

#include <cstdint>
#include <memory>

#include "longbow/base/status.h"

namespace arrow {
class DataType;
struct ArrayData;
}  // namespace arrow

namespace longbow::engine {

// `values`, which ValidateFull has accepted, as `stored` (StoredType of its type). A short message can stand
// for far more than its own size: InvalidArgument when a column would grow beyond `max_bytes`.
Result<std::shared_ptr<arrow::ArrayData>> PlainColumn(const std::shared_ptr<arrow::ArrayData>& values,
                                                      const std::shared_ptr<arrow::DataType>& stored,
                                                      int64_t max_bytes);

// A copy whose buffers are its own, so that a column does not keep a whole message alive.
Result<std::shared_ptr<arrow::ArrayData>> OwnBuffers(const arrow::ArrayData& values);

}  // namespace longbow::engine
