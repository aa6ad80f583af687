// The schema of a dataset with Longbow's reading of it: which column is the key, which are vectors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/ids.h"
#include "longbow/base/status.h"
#include "longbow/distance/metric_list.h"
#include "longbow/storage/commit_log.h"

namespace arrow {
class Schema;
class DataType;
}  // namespace arrow

namespace longbow::engine {

enum class KeyKind : uint8_t { kHidden, kSigned, kUnsigned, kString };

struct VectorColumn {
  int field = 0;  // in the Arrow schema
  std::string name;
  distance::ElementType type = distance::ElementType::kFloat32;
  uint32_t dim = 0;  // elements: half the list size for complex
  distance::Metric metric = distance::Metric::kL2;
  std::string index = "flat";
  std::string codec = "auto";
};

struct SchemaLimits {
  uint32_t max_dim = 4096;  // at most 32,768
  int max_columns = 1024;
};

// Of one dataset, whatever the limits say.
inline constexpr size_t kMaxVectorColumns = 1024;

// The index a column gets when its dataset names none.
inline constexpr std::string_view kDefaultIndex = "graph";

// Immutable.
struct DatasetSchema {
  std::shared_ptr<arrow::Schema>
      arrow;  // as clients see it: normalised (views and dictionaries decoded), metadata kept
  SchemaVersion version = 1;
  KeyKind key = KeyKind::kHidden;
  int key_field = -1;  // -1 when hidden
  std::vector<VectorColumn> vectors;
  int default_vector = -1;  // into `vectors`: "vector", else "embedding", else the first; -1: none
  storage::Durability durability = storage::Durability::kFsync;
  storage::AsyncWindow async_window;

  const VectorColumn* FindVector(std::string_view name) const;  // empty name: the default one
};

// Reads a client's schema: metadata keys longbow.vector_type, longbow.complex, longbow.metric, longbow.index,
// longbow.codec on schema or field, longbow.durability, longbow.async_window_ms, longbow.async_window_bytes,
// longbow.text on field. A FixedSizeList of numbers is a vector column; a variable list<float> is payload.
// InvalidArgument names the column, what was expected and what was given.
Result<std::shared_ptr<const DatasetSchema>> ReadSchema(const arrow::Schema& schema,
                                                        const SchemaLimits& limits);

// What the metadata of a schema say about the window of durability async.
Result<storage::AsyncWindow> ReadAsyncWindow(const arrow::Schema& schema);

// `current` with the columns that `incoming` adds, version one higher; `current` itself when it adds none.
// InvalidArgument "schema mismatch: type mismatch for column ..." when a column changes its type (utf8 and
// large_utf8 are one type), also for a changed list size; when `id` would be added or is left out.
// FailedPrecondition for another durability or window.
Result<std::shared_ptr<const DatasetSchema>> MergeSchema(const std::shared_ptr<const DatasetSchema>& current,
                                                         const arrow::Schema& incoming,
                                                         const SchemaLimits& limits);

// A dataset's full name split into namespace and name. InvalidArgument for names outside
// [A-Za-z0-9][A-Za-z0-9._-]{0,127}; no slash means namespace "default".
struct DatasetName {
  std::string name_space, name;
  static Result<DatasetName> Parse(std::string_view text);
  // "name" in the default namespace, else "ns/name".
  std::string ToString() const;
  bool operator==(const DatasetName&) const = default;
};

}  // namespace longbow::engine
