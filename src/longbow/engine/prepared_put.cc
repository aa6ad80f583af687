#include "longbow/engine/prepared_put.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "longbow/base/ids.h"
#include "longbow/distance/kernels.h"
#include "longbow/engine/column_type.h"
#include "longbow/engine/key.h"
#include "longbow/engine/key_index.h"
#include "longbow/engine/vector_runs.h"
#include "longbow/index/vector_index.h"

namespace longbow::engine {
namespace {

// born, died, key number, previous ordinal
constexpr int64_t kRowOverhead = 8 + 8 + 8 + 4;

Status CheckColumnsKnown(const DatasetSchema& schema, const arrow::Schema& stream) {
  for (const auto& field : stream.fields()) {
    const auto known = schema.arrow->GetFieldByName(field->name());
    if (known == nullptr) {
      return InvalidArgument("column '", field->name(), "' is not a column of the dataset");
    }
    if (!SameColumnType(*known->type(), *field->type())) {
      return InvalidArgument("schema mismatch: type mismatch for column '", field->name(), "': expected ",
                             known->type()->ToString(), ", given ", field->type()->ToString());
    }
  }
  return Status::OK();
}

// Bytes of element i of a column, without the overhead of offsets and bitmaps.
int64_t ElementBytes(const arrow::ArrayData& data, int64_t i) {
  const auto children = [&](int64_t from, int64_t to) {
    int64_t bytes = 0;
    for (const auto& child : data.child_data) {
      for (int64_t c = from; c < to; ++c) bytes += ElementBytes(*child, c);
    }
    return bytes;
  };
  switch (data.type->id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY: {
      const auto* offsets = data.GetValues<int32_t>(1);
      return offsets[i + 1] - offsets[i];
    }
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY: {
      const auto* offsets = data.GetValues<int64_t>(1);
      return offsets[i + 1] - offsets[i];
    }
    case arrow::Type::LIST:
    case arrow::Type::MAP: {
      const auto* offsets = data.GetValues<int32_t>(1);
      return children(offsets[i], offsets[i + 1]);
    }
    case arrow::Type::LARGE_LIST: {
      const auto* offsets = data.GetValues<int64_t>(1);
      return children(offsets[i], offsets[i + 1]);
    }
    case arrow::Type::FIXED_SIZE_LIST: {
      const int64_t size = static_cast<const arrow::FixedSizeListType&>(*data.type).list_size();
      return children((data.offset + i) * size, (data.offset + i + 1) * size);
    }
    case arrow::Type::STRUCT:
      return children(data.offset + i, data.offset + i + 1);
    default:
      return arrow::is_fixed_width(data.type->id()) ? (data.type->bit_width() + 7) / 8 : 0;
  }
}

Status CheckRowBytes(const arrow::RecordBatch& payload, int64_t max_row_bytes) {
  for (int64_t row = 0; row < payload.num_rows(); ++row) {
    int64_t bytes = 0;
    for (int i = 0; i < payload.num_columns(); ++i) bytes += ElementBytes(*payload.column_data(i), row);
    if (bytes > max_row_bytes) {
      return InvalidArgument("row ", row, ": payload of ", bytes, " bytes, at most ", max_row_bytes,
                             " are allowed; keep large objects elsewhere");
    }
  }
  return Status::OK();
}

Status CheckKeys(const StoredLayout& layout, const PreparedPut& put) {
  if (layout.key_payload < 0) return Status::OK();
  const auto ids = put.payload->column(layout.key_payload);
  if (ids->null_count() == 0) return Status::OK();
  for (int64_t row = 0; row < put.rows; ++row) {
    if (ids->IsNull(row))
      return InvalidArgument("column 'id', row ", row, ": the key is null; every row needs one");
  }
  return Status::OK();
}

// A list may have null numbers only where the whole vector is null.
Status CheckNoNullNumbers(const VectorColumn& column, const arrow::ArrayData& data, const VectorInput& input,
                          int64_t rows) {
  const auto& child = *data.child_data[0];
  if (child.null_count == 0 || child.buffers[0] == nullptr) return Status::OK();
  const int64_t size = static_cast<const arrow::FixedSizeListType&>(*data.type).list_size();
  for (int64_t row = 0; row < rows; ++row) {
    if (input.IsNull(row)) continue;
    for (int64_t i = 0; i < size; ++i) {
      if (arrow::bit_util::GetBit(child.buffers[0]->data(), static_cast<uint64_t>(row * size + i))) continue;
      return InvalidArgument("column '", column.name, "', row ", row, ": number ", i,
                             " of the vector is null; send the whole vector or a null vector");
    }
  }
  return Status::OK();
}

Status NotFinite(const VectorColumn& column, int64_t row, const uint8_t* bytes, size_t scalars) {
  std::vector<double> values(scalars);
  distance::ToDouble(column.type, bytes, scalars, values.data());
  for (size_t i = 0; i < scalars; ++i) {
    if (std::isfinite(values[i])) continue;
    return InvalidArgument("column '", column.name, "', row ", row, ": number ", i, " is ",
                           std::isnan(values[i]) ? "NaN"
                           : values[i] > 0       ? "infinite"
                                                 : "minus infinite",
                           "; vectors must be finite");
  }
  return InvalidArgument("column '", column.name, "', row ", row, ": the vector is not finite");
}

// A bad value among rows [first, first + count), which lie at `bytes`.
Status CheckVectorRows(const VectorColumn& column, const VectorInput& input, int64_t first, int64_t count,
                       const uint8_t* bytes, size_t scalars, bool finite) {
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t* row = bytes + i * input.values.row_bytes;
    if (input.IsNull(first + i)) continue;
    if (!finite && !distance::AllFinite(column.type, row, scalars)) {
      return NotFinite(column, first + i, row, scalars);
    }
    if (column.metric == distance::Metric::kCosine && distance::IsZero(column.type, row, scalars)) {
      return InvalidArgument(
          "column '", column.name, "', row ", first + i,
          ": the zero vector has no direction, so it cannot be stored under the cosine metric");
    }
  }
  return Status::OK();
}

// Most batches are sound: one look at many rows, and row by row only to find what is wrong. The checksum is
// taken while they are in the cache.
Status CheckVectorValues(const VectorColumn& column, int64_t rows, VectorInput* input) {
  constexpr int64_t kLookBytes = 32 << 10;
  const size_t scalars = size_t{column.dim} * static_cast<size_t>(distance::ScalarsPerElement(column.type));
  const int64_t row_bytes = input->values.row_bytes, step = std::max<int64_t>(1, kLookBytes / row_bytes);
  Status status;
  uint32_t crc = 0;
  ForEachRun(input->values, rows, [&](int64_t first, int64_t count, const uint8_t* bytes) {
    for (int64_t at = 0; at < count && status.ok(); at += step) {
      const int64_t n = std::min(step, count - at);
      const uint8_t* here = bytes + at * row_bytes;
      const bool finite = distance::AllFinite(column.type, here, static_cast<size_t>(n) * scalars);
      crc = ExtendCrc32c(crc, here, static_cast<size_t>(n * row_bytes));
      if (finite && column.metric != distance::Metric::kCosine) continue;
      status = CheckVectorRows(column, *input, first + at, n, here, scalars, finite);
    }
    return status.ok();
  });
  if (status.ok()) input->crc = crc;
  return status;
}

}  // namespace

bool VectorInput::IsNull(int64_t row) const {
  if (values.row_bytes == 0) return true;
  return validity != nullptr && !arrow::bit_util::GetBit(validity->data(), static_cast<uint64_t>(row));
}

void PreparedPut::DrawKeys(uint64_t first) {
  keys.resize(static_cast<size_t>(rows));
  std::iota(keys.begin(), keys.end(), first);
}

int64_t PreparedPut::MemoryNeeded(const DatasetSchema& schema) const {
  int64_t bytes = payload_bytes + rows * kRowOverhead;
  if (schema.key != KeyKind::kHidden) bytes += KeyIndex::EstimateBytes(rows);
  for (const auto& column : schema.vectors) {
    const size_t scalars = size_t{column.dim} * static_cast<size_t>(distance::ScalarsPerElement(column.type));
    bytes += rows * static_cast<int64_t>(distance::ScalarBytes(column.type) * scalars);
    const auto type = index::FindIndexType(column.index);
    if (type.ok()) bytes += rows * (*type)->row_bytes(column.metric, scalars, column.codec);
  }
  return bytes;
}

Result<PreparedPut> PreparePut(const StoredLayout& layout, const IncomingBatch& incoming) {
  const auto& batch = *incoming.batch;
  LB_RETURN_NOT_OK(CheckColumnsKnown(*layout.schema, *batch.schema()));
  PreparedPut put;
  put.rows = batch.num_rows();
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (const int field_at : layout.payload_fields) {
    const auto& field = layout.schema->arrow->field(field_at);
    const int at = batch.schema()->GetFieldIndex(field->name());
    std::shared_ptr<arrow::ArrayData> column;
    if (at >= 0) {
      LB_ASSIGN_OR_RETURN(column, AsColumnType(batch.column_data(at), field->type()));
    } else {
      LB_ASSIGN_OR_RETURN(auto nulls, arrow::MakeArrayOfNull(field->type(), put.rows));
      column = nulls->data();
    }
    columns.push_back(std::move(column));
  }
  if (layout.key_payload >= 0) put.keys = KeyNumbers(*columns[static_cast<size_t>(layout.key_payload)]);
  put.payload = arrow::RecordBatch::Make(layout.payload, put.rows, std::move(columns));
  put.payload_bytes = arrow::util::TotalBufferSize(*put.payload);
  for (const auto& column : layout.schema->vectors) {
    VectorInput input;
    const int at = batch.schema()->GetFieldIndex(column.name);
    if (at >= 0) {
      const auto& data = *batch.column_data(at);
      input.values = incoming.vectors[static_cast<size_t>(at)];
      input.null_count = data.null_count;
      if (input.null_count > 0) input.validity = data.buffers[0];
    }
    put.vectors.push_back(std::move(input));
  }
  return put;
}

Status CheckRows(const StoredLayout& layout, const IncomingBatch& incoming, int64_t max_row_bytes,
                 PreparedPut* put) {
  LB_RETURN_NOT_OK(CheckKeys(layout, *put));
  for (size_t i = 0; i < put->vectors.size(); ++i) {
    if (put->vectors[i].values.row_bytes == 0) continue;
    const auto& column = layout.schema->vectors[i];
    const int at = incoming.batch->schema()->GetFieldIndex(column.name);
    LB_RETURN_NOT_OK(
        CheckNoNullNumbers(column, *incoming.batch->column_data(at), put->vectors[i], put->rows));
    LB_RETURN_NOT_OK(CheckVectorValues(column, put->rows, &put->vectors[i]));
  }
  return put->payload_bytes <= max_row_bytes ? Status::OK() : CheckRowBytes(*put->payload, max_row_bytes);
}

std::vector<KnownCrc> KnownCrcs(const PreparedPut& put, const BufferChain& body) {
  std::vector<KnownCrc> known;
  for (const VectorInput& input : put.vectors) {
    if (!input.crc || !input.values.body.SharesAllOf(body)) continue;
    known.push_back({input.values.offset, put.rows * input.values.row_bytes, *input.crc});
  }
  std::sort(known.begin(), known.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
  // A client may let columns share bytes.
  int64_t end = 0;
  std::erase_if(known, [&](const KnownCrc& stretch) {
    if (stretch.offset < end) return true;
    end = stretch.offset + stretch.bytes;
    return false;
  });
  return known;
}

}  // namespace longbow::engine
