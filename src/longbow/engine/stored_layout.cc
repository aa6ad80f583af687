#include "longbow/engine/stored_layout.h"

#include <arrow/type.h>

#include <algorithm>

namespace longbow::engine {

std::shared_ptr<const StoredLayout> StoredLayout::Make(std::shared_ptr<const DatasetSchema> schema) {
  auto out = std::make_shared<StoredLayout>();
  arrow::FieldVector fields;
  for (int i = 0; i < schema->arrow->num_fields(); ++i) {
    const bool is_vector = std::any_of(schema->vectors.begin(), schema->vectors.end(),
                                       [i](const VectorColumn& column) { return column.field == i; });
    if (is_vector) continue;
    if (i == schema->key_field) out->key_payload = static_cast<int>(fields.size());
    out->payload_fields.push_back(i);
    fields.push_back(schema->arrow->field(i));
  }
  out->payload = arrow::schema(std::move(fields));
  out->schema = std::move(schema);
  return out;
}

}  // namespace longbow::engine
