// How a dataset's schema is laid out in memory: which columns go to row blocks, which to vector stores.
#pragma once

#include <memory>
#include <vector>

#include "longbow/engine/dataset_schema.h"

namespace longbow::engine {

// Immutable; one a schema version. Evolution only adds columns at the end, so positions never change.
struct StoredLayout {
  std::shared_ptr<const DatasetSchema> schema;
  std::shared_ptr<arrow::Schema> payload;  // of row blocks
  std::vector<int> payload_fields;         // in schema->arrow, by position in `payload`
  int key_payload = -1;                    // of the key column in `payload`; -1: hidden keys

  static std::shared_ptr<const StoredLayout> Make(std::shared_ptr<const DatasetSchema> schema);
};

}  // namespace longbow::engine
