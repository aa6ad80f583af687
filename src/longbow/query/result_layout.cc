#include "longbow/query/result_layout.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <set>

#include "longbow/base/check.h"
#include "longbow/distance/kernels.h"
#include "longbow/query/vector_values.h"

namespace longbow::query {
namespace {

using Names = std::optional<std::vector<std::string>>;

bool Requested(const Names& names, const std::string& name) {
  return names && std::find(names->begin(), names->end(), name) != names->end();
}

std::shared_ptr<arrow::Field> IdField(engine::KeyKind key) {
  auto field = arrow::field("id", arrow::uint64());
  if (key != engine::KeyKind::kSigned) return field;
  return field->WithMetadata(arrow::key_value_metadata({kKeyTypeKey}, {"int64"}));
}

// The name `column` gets beside the answer's own columns and all other payload.
std::string PayloadName(const std::string& column, const std::set<std::string>& own,
                        const arrow::Schema& dataset) {
  if (own.count(column) == 0) return column;
  std::string name = column + "_";
  while (own.count(name) > 0 || dataset.GetFieldIndex(name) >= 0) name += '_';
  return name;
}

Status CheckRequested(const Names& names, const engine::DatasetSchema& dataset) {
  if (!names) return Status::OK();
  const std::set<std::string> own = {"id", "score", "distance", "query", "key", "vector"};
  for (const std::string& name : *names) {
    if (own.count(name) > 0 || dataset.arrow->GetFieldIndex(name) >= 0) continue;
    std::string known;
    for (const auto& field : dataset.arrow->fields())
      known += (known.empty() ? "\"" : ", \"") + field->name() + '"';
    return InvalidArgument("columns: unknown column \"", name.substr(0, 128), "\"; the dataset has ",
                           known.substr(0, 512));
  }
  return Status::OK();
}

// The fixed columns in one allocation: 8-byte ids, then 4-byte scores, distances and query numbers.
class FixedColumns {
 public:
  static Result<FixedColumns> Allocate(int64_t rows) {
    FixedColumns columns;
    columns.rows_ = rows;
    LB_ASSIGN_OR_RETURN(auto buffer, arrow::AllocateBuffer(Padded(rows * 8) + 3 * Padded(rows * 4)));
    columns.buffer_ = std::move(buffer);
    return columns;
  }
  uint64_t* ids() { return reinterpret_cast<uint64_t*>(buffer_->mutable_data()); }
  float* scores() { return reinterpret_cast<float*>(At(0)); }
  float* distances() { return reinterpret_cast<float*>(At(1)); }
  int32_t* queries() { return reinterpret_cast<int32_t*>(At(2)); }

  std::shared_ptr<arrow::ArrayData> Ids() const { return Column(arrow::uint64(), 0, rows_ * 8); }
  std::shared_ptr<arrow::ArrayData> Narrow(const std::shared_ptr<arrow::DataType>& type, int position) const {
    return Column(type, Offset(position), rows_ * 4);
  }

 private:
  static int64_t Padded(int64_t bytes) { return (bytes + 63) & ~int64_t{63}; }
  int64_t Offset(int position) const { return Padded(rows_ * 8) + position * Padded(rows_ * 4); }
  uint8_t* At(int position) { return buffer_->mutable_data() + Offset(position); }
  std::shared_ptr<arrow::ArrayData> Column(const std::shared_ptr<arrow::DataType>& type, int64_t offset,
                                           int64_t bytes) const {
    return arrow::ArrayData::Make(type, rows_, {nullptr, arrow::SliceBuffer(buffer_, offset, bytes)}, 0);
  }

  int64_t rows_ = 0;
  std::shared_ptr<arrow::Buffer> buffer_;
};

Result<std::shared_ptr<arrow::Array>> AsUtf8(std::shared_ptr<arrow::Array> keys) {
  if (keys->type_id() == arrow::Type::STRING) return keys;
  LB_CHECK(keys->type_id() == arrow::Type::LARGE_STRING);
  const auto& large = static_cast<const arrow::LargeStringArray&>(*keys);
  arrow::StringBuilder builder;
  LB_RETURN_NOT_OK(builder.Reserve(large.length()));
  for (int64_t i = 0; i < large.length(); ++i) LB_RETURN_NOT_OK(builder.Append(large.GetView(i)));
  return builder.Finish();
}

}  // namespace

Result<ResultLayout> ResultLayout::Make(std::shared_ptr<const engine::DatasetSchema> dataset,
                                        int vector_column, const SearchRequest& request) {
  LB_RETURN_NOT_OK(CheckRequested(request.columns, *dataset));
  ResultLayout layout;
  layout.dataset_ = dataset;
  layout.vector_column_ = vector_column;
  layout.requested_ = request.columns;
  layout.asked_format_ = layout.format_ = request.vectors;
  layout.named_format_ = request.named_vectors;
  layout.number_queries_ = request.number_queries;
  const engine::VectorColumn* searched =
      vector_column < 0 ? nullptr : &dataset->vectors[static_cast<size_t>(vector_column)];
  if (searched == nullptr) layout.format_ = VectorFormat::kNone;
  const bool vector_wanted =
      searched != nullptr &&
      (Requested(request.columns, searched->name) ||
       (Requested(request.columns, "vector") && dataset->arrow->GetFieldIndex("vector") < 0));
  if (layout.format_ == VectorFormat::kNone && vector_wanted) layout.format_ = request.named_vectors;

  arrow::FieldVector fields = {IdField(dataset->key), arrow::field("score", arrow::float32()),
                               arrow::field("distance", arrow::float32())};
  std::set<std::string> own = {"id", "score", "distance", "query"};
  if (request.number_queries) fields.push_back(arrow::field("query", arrow::int32()));
  if (dataset->key == engine::KeyKind::kString) {
    fields.push_back(arrow::field("key", arrow::utf8()));
    own.insert("key");
  }
  if (layout.format_ != VectorFormat::kNone) {
    fields.push_back(arrow::field("vector", VectorValuesType(*dataset, vector_column, layout.format_)));
    own.insert("vector");
  }
  for (int i = 0; i < dataset->arrow->num_fields(); ++i) {
    const auto& field = dataset->arrow->field(i);
    if (i == dataset->key_field || (searched != nullptr && i == searched->field)) continue;
    const auto vector = std::find_if(dataset->vectors.begin(), dataset->vectors.end(),
                                     [i](const engine::VectorColumn& column) { return column.field == i; });
    const bool is_vector = vector != dataset->vectors.end();
    // Without a list all payload comes; other vector columns come only when they are named.
    const bool wanted = request.columns ? Requested(request.columns, field->name()) : !is_vector;
    if (!wanted) continue;
    layout.payload_.push_back(
        {field->name(), is_vector ? static_cast<int>(vector - dataset->vectors.begin()) : -1});
    fields.push_back(field->WithName(PayloadName(field->name(), own, *dataset->arrow)));
  }
  layout.schema_ = arrow::schema(std::move(fields));
  return layout;
}

bool ResultLayout::Fits(const std::shared_ptr<const engine::DatasetSchema>& dataset, int vector_column,
                        const SearchRequest& request) const {
  return schema_ != nullptr && dataset_ == dataset && vector_column_ == vector_column &&
         asked_format_ == request.vectors && named_format_ == request.named_vectors &&
         number_queries_ == request.number_queries && requested_ == request.columns;
}

Result<std::shared_ptr<arrow::RecordBatch>> ResultLayout::Build(const engine::View& view,
                                                                const index::SearchHits& hits,
                                                                std::span<const RowOrdinal> rows,
                                                                std::span<const float> scores) const {
  const auto count = static_cast<int64_t>(rows.size());
  const distance::Metric metric = vector_column_ < 0
                                      ? distance::Metric::kL2
                                      : dataset_->vectors[static_cast<size_t>(vector_column_)].metric;
  LB_ASSIGN_OR_RETURN(FixedColumns fixed, FixedColumns::Allocate(count));
  for (size_t i = 0; i < rows.size(); ++i) {
    fixed.ids()[i] = view.KeyNumber(rows[i]);
    fixed.scores()[i] = scores.empty() ? distance::UserScore(metric, hits.neighbors[i].distance) : scores[i];
    fixed.distances()[i] = distance::UserDistance(metric, hits.neighbors[i].distance);
  }
  std::shared_ptr<const arrow::KeyValueMetadata> about_vectors;
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  columns.reserve(static_cast<size_t>(schema_->num_fields()));
  columns.push_back(fixed.Ids());
  columns.push_back(fixed.Narrow(arrow::float32(), 0));
  columns.push_back(fixed.Narrow(arrow::float32(), 1));
  if (number_queries_) {
    for (size_t query = 0; query + 1 < hits.offsets.size(); ++query) {
      std::fill(fixed.queries() + hits.offsets[query], fixed.queries() + hits.offsets[query + 1],
                static_cast<int32_t>(query));
    }
    columns.push_back(fixed.Narrow(arrow::int32(), 2));
  }
  if (dataset_->key == engine::KeyKind::kString) {
    LB_ASSIGN_OR_RETURN(auto keys,
                        view.TakeColumn(dataset_->arrow->field(dataset_->key_field)->name(), rows));
    LB_ASSIGN_OR_RETURN(keys, AsUtf8(std::move(keys)));
    columns.push_back(keys->data());
  }
  if (format_ != VectorFormat::kNone) {
    LB_ASSIGN_OR_RETURN(auto vectors, VectorValues(view, vector_column_, format_, rows, &about_vectors));
    columns.push_back(vectors->data());
  }
  for (const Payload& payload : payload_) {
    LB_ASSIGN_OR_RETURN(auto values, payload.vector >= 0 ? view.TakeVectors(payload.vector, rows)
                                                         : view.TakeColumn(payload.column, rows));
    columns.push_back(values->data());
  }
  auto schema = schema_;
  if (about_vectors != nullptr) {
    const int column = schema->GetFieldIndex("vector");
    LB_ASSIGN_OR_RETURN(schema, schema->SetField(column, schema->field(column)->WithMetadata(about_vectors)));
  }
  return arrow::RecordBatch::Make(std::move(schema), count, std::move(columns));
}

int64_t ResultLayout::BytesOf(int64_t rows) const {
  constexpr int64_t kFixedBytes = 24,
                    kPayloadBytes = 16;  // payload's own size is known only when it is taken
  int64_t bytes = kFixedBytes + kPayloadBytes * static_cast<int64_t>(payload_.size());
  const auto vector_bytes = [this](int vector) {
    const auto& column = dataset_->vectors[static_cast<size_t>(vector)];
    return static_cast<int64_t>(column.dim * distance::ScalarBytes(column.type)) *
           distance::ScalarsPerElement(column.type);
  };
  if (format_ != VectorFormat::kNone) bytes += vector_bytes(vector_column_);
  for (const Payload& payload : payload_) bytes += payload.vector >= 0 ? vector_bytes(payload.vector) : 0;
  return bytes * rows;
}

}  // namespace longbow::query
