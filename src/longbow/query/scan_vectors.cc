#include "longbow/query/scan_vectors.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>
#include <vector>

#include "longbow/query/vector_values.h"

namespace longbow::query {
namespace {

// Confined.
class FormattedScan final : public Scan {
 public:
  FormattedScan(std::unique_ptr<Scan> scan, const engine::DatasetSchema& dataset, VectorFormat format)
      : scan_(std::move(scan)) {
    arrow::FieldVector fields = scan_->schema()->fields();
    for (size_t i = 0; i < dataset.vectors.size(); ++i) {
      const engine::VectorColumn& vector = dataset.vectors[i];
      const int place = scan_->schema()->GetFieldIndex(vector.name);
      if (place < 0) continue;
      const auto type = VectorValuesType(dataset, static_cast<int>(i), format);
      auto& field = fields[static_cast<size_t>(place)];
      const bool same = static_cast<const arrow::FixedSizeListType&>(*field->type()).value_type()->id() ==
                        static_cast<const arrow::FixedSizeListType&>(*type).value_type()->id();
      if (same) continue;
      field = field->WithType(type);
      columns_.push_back({place, vector.type});
    }
    schema_ = arrow::schema(std::move(fields), scan_->schema()->metadata());
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

  Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    LB_ASSIGN_OR_RETURN(const auto batch, scan_->Next());
    if (!batch) return batch;
    auto columns = batch->column_data();
    for (const Column& column : columns_) {
      const auto stored = batch->column(column.place);
      LB_ASSIGN_OR_RETURN(const auto values,
                          ConvertVectors(static_cast<const arrow::FixedSizeListArray&>(*stored), column.type,
                                         schema_->field(column.place)->type()));
      columns[static_cast<size_t>(column.place)] = values->data();
    }
    return arrow::RecordBatch::Make(schema_, batch->num_rows(), std::move(columns));
  }

 private:
  struct Column {
    int place;
    distance::ElementType type;
  };

  const std::unique_ptr<Scan> scan_;
  std::vector<Column> columns_;  // those that are converted
  std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace

Result<std::unique_ptr<Scan>> WithVectorFormat(std::unique_ptr<Scan> scan,
                                               const engine::DatasetSchema& dataset, VectorFormat format) {
  if (format == VectorFormat::kStored) return scan;
  if (format != VectorFormat::kFloat32 && format != VectorFormat::kFloat16) {
    return InvalidArgument(
        "vector_format: a scan gives stored, f32 or f16; sq8 has one range for the whole answer, told ahead "
        "of it, and is for searches");
  }
  return std::make_unique<FormattedScan>(std::move(scan), dataset, format);
}

}  // namespace longbow::query
