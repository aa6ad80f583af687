// The vectors of a scan in the form a client asked for.
#pragma once

#include <memory>

#include "longbow/engine/view.h"
#include "longbow/query/request.h"

namespace longbow::query {

// The same batches with every vector column as kFloat32 or kFloat16; the scan itself for kStored.
// InvalidArgument for other formats: sq8 has one range for the whole answer, told ahead of it, and a scan
// does not know its rows before it hands them out.
Result<std::unique_ptr<Scan>> WithVectorFormat(std::unique_ptr<Scan> scan,
                                               const engine::DatasetSchema& dataset, VectorFormat format);

}  // namespace longbow::query
