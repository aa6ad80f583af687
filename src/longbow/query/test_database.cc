#include "longbow/query/test_database.h"

#include <arrow/util/float16.h>

namespace longbow::query {
namespace {

Status AppendNumber(arrow::ArrayBuilder* builder, double value) {
  switch (builder->type()->id()) {
    case arrow::Type::HALF_FLOAT:
      return static_cast<arrow::HalfFloatBuilder*>(builder)->Append(
          arrow::util::Float16::FromDouble(value).bits());
    case arrow::Type::FLOAT:
      return static_cast<arrow::FloatBuilder*>(builder)->Append(static_cast<float>(value));
    case arrow::Type::DOUBLE:
      return static_cast<arrow::DoubleBuilder*>(builder)->Append(value);
    default: {
      ARROW_ASSIGN_OR_RAISE(auto scalar,
                            arrow::MakeScalar(static_cast<int64_t>(value))->CastTo(builder->type()));
      return builder->AppendScalar(*scalar);
    }
  }
}

}  // namespace

std::shared_ptr<arrow::Array> Vectors(const std::vector<std::vector<double>>& rows, size_t width,
                                      const std::shared_ptr<arrow::DataType>& type) {
  std::unique_ptr<arrow::ArrayBuilder> values;
  EXPECT_TRUE(arrow::MakeBuilder(arrow::default_memory_pool(), type, &values).ok());
  const std::shared_ptr<arrow::ArrayBuilder> shared = std::move(values);
  arrow::FixedSizeListBuilder lists(arrow::default_memory_pool(), shared, static_cast<int32_t>(width));
  for (const auto& row : rows) {
    if (row.empty()) {
      EXPECT_TRUE(lists.AppendNull().ok());
      continue;
    }
    EXPECT_EQ(row.size(), width);
    EXPECT_TRUE(lists.Append().ok());
    for (const double value : row) EXPECT_TRUE(AppendNumber(shared.get(), value).ok());
  }
  return lists.Finish().ValueOrDie();
}

}  // namespace longbow::query
