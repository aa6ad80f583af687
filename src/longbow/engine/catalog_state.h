// What the engine knows beside rows, as a manifest keeps it (docs/formats/catalog.md).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/ids.h"
#include "longbow/base/status.h"
#include "longbow/engine/dataset_schema.h"
#include "longbow/engine/edge_store.h"
#include "longbow/engine/retry_table.h"

namespace longbow::engine {

struct DatasetState {
  DatasetId id = 0;
  std::string name;  // full
  RowOrdinal rows = 0;
  uint64_t next_hidden_key = 0;
  std::shared_ptr<const DatasetSchema> schema;
  // May hold some that were added behind the snapshot: the log adds them again, to no effect.
  EdgeStore::Content edges;
};

struct CatalogState {
  DatasetId next_id = 1;
  std::vector<std::string> namespaces;
  std::vector<DatasetState> datasets;
  std::vector<KnownBatch> retries;  // ascending by sequence
};

Result<std::string> EncodeCatalog(const CatalogState& state);
// Corruption when the bytes do not hold one, FailedPrecondition when a newer version wrote it.
Result<CatalogState> DecodeCatalog(std::string_view bytes);

}  // namespace longbow::engine
