#include "longbow/query/query_vectors.h"

#include <arrow/array.h>
#include <arrow/type.h>

#include <cmath>
#include <optional>
#include <span>
#include <string>

#include "longbow/distance/kernels.h"
#include "longbow/engine/column_type.h"
#include "longbow/query/workspace.h"

namespace longbow::query {
namespace {

using distance::ElementType;

// Which query an error is about; silent when there is only one.
std::string Which(uint32_t query, uint32_t count) {
  return count == 1 ? std::string("query vector") : "query vector " + std::to_string(query);
}

// Writes prepared queries one behind the other. Confined.
class QueryWriter {
 public:
  QueryWriter(const engine::VectorColumn& column, size_t scalars, uint32_t count, Workspace* workspace)
      : column_(column), scalars_(scalars), count_(count), workspace_(workspace) {
    const bool wide = distance::QueryTypeOf(column.type) == distance::QueryType::kFloat64;
    workspace->stride = scalars * (wide ? sizeof(double) : sizeof(float));
    workspace->prepared.resize(workspace->stride * count);
    workspace->values.resize(scalars);
    workspace->left_out.assign(count, kNoRow);
  }

  Status CheckLength(size_t given) const {
    if (given == scalars_) return Status::OK();
    return Error(ErrorCode::kDimensionMismatch, "dimension mismatch: expected ", scalars_, ", got ", given);
  }

  Status Write(uint32_t query, std::span<const double> values) {
    LB_RETURN_NOT_OK(CheckLength(values.size()));
    std::byte* out = workspace_->prepared.data() + query * workspace_->stride;
    if (distance::PrepareQuery(column_.metric, column_.type, values, out)) return Status::OK();
    return WhyNot(query, values);
  }
  Status Write(uint32_t query, ElementType type, const void* scalars) {
    distance::ToDouble(type, scalars, scalars_, workspace_->values.data());
    return Write(query, workspace_->values);
  }

 private:
  Status WhyNot(uint32_t query, std::span<const double> values) const {
    bool zero = true;
    for (size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) {
        return InvalidArgument(Which(query, count_), " holds ", values[i], " at position ", i,
                               "; every value must be finite");
      }
      zero = zero && values[i] == 0;
    }
    if (zero) {
      return InvalidArgument(Which(query, count_),
                             " has length zero, which has no direction to compare by cosine with ",
                             "column \"", column_.name, "\"");
    }
    return InvalidArgument(Which(query, count_), " holds values beyond what column \"", column_.name,
                           "\" of ", distance::ElementTypeName(column_.type), " can be compared with");
  }

  const engine::VectorColumn& column_;
  const size_t scalars_;
  const uint32_t count_;
  Workspace* const workspace_;
};

// The rows of a list array as ranges of its values.
struct QueryLists {
  std::shared_ptr<arrow::Array> values;
  const arrow::Array* lists;

  std::pair<int64_t, int64_t> Range(int64_t row) const {
    switch (lists->type_id()) {
      case arrow::Type::FIXED_SIZE_LIST: {
        const auto& list = static_cast<const arrow::FixedSizeListArray&>(*lists);
        return {list.value_offset(row), list.value_offset(row) + list.value_length()};
      }
      case arrow::Type::LIST: {
        const auto& list = static_cast<const arrow::ListArray&>(*lists);
        return {list.value_offset(row), list.value_offset(row + 1)};
      }
      default: {
        const auto& list = static_cast<const arrow::LargeListArray&>(*lists);
        return {list.value_offset(row), list.value_offset(row + 1)};
      }
    }
  }

  static Result<QueryLists> Of(const arrow::Array& array) {
    switch (array.type_id()) {
      case arrow::Type::FIXED_SIZE_LIST:
        return QueryLists{static_cast<const arrow::FixedSizeListArray&>(array).values(), &array};
      case arrow::Type::LIST:
        return QueryLists{static_cast<const arrow::ListArray&>(array).values(), &array};
      case arrow::Type::LARGE_LIST:
        return QueryLists{static_cast<const arrow::LargeListArray&>(array).values(), &array};
      default:
        return InvalidArgument("query vectors have type ", array.type()->ToString(),
                               "; give a fixed_size_list or a list of numbers, one query a row");
    }
  }
};

bool HasNull(const arrow::Array& values, int64_t begin, int64_t end) {
  if (values.null_count() == 0) return false;
  for (int64_t i = begin; i < end; ++i) {
    if (values.IsNull(i)) return true;
  }
  return false;
}

Status WriteArray(const arrow::Array& array, uint32_t count, QueryWriter* writer) {
  LB_ASSIGN_OR_RETURN(const QueryLists lists, QueryLists::Of(array));
  const auto type = engine::NumberType(*lists.values->type());
  if (!type) {
    return InvalidArgument("query vectors have elements of type ", lists.values->type()->ToString(),
                           "; give integers or floating-point numbers");
  }
  const auto& data = *lists.values->data();
  const auto* first = data.buffers[1] == nullptr ? nullptr : data.buffers[1]->data();
  const auto width = static_cast<int64_t>(distance::ScalarBytes(*type));
  for (uint32_t query = 0; query < count; ++query) {
    if (array.IsNull(query)) return InvalidArgument(Which(query, count), " is null");
    const auto [begin, end] = lists.Range(query);
    LB_RETURN_NOT_OK(writer->CheckLength(static_cast<size_t>(end - begin)));
    if (HasNull(*lists.values, begin, end)) return InvalidArgument(Which(query, count), " holds a null");
    LB_RETURN_NOT_OK(writer->Write(query, *type, first + (data.offset + begin) * width));
  }
  return Status::OK();
}

Status WriteKeys(const std::vector<std::string>& keys, const engine::View& view, int vector_column,
                 QueryWriter* writer, Workspace* workspace) {
  const index::VectorStore& vectors = view.Vectors(vector_column);
  for (uint32_t query = 0; query < keys.size(); ++query) {
    LB_ASSIGN_OR_RETURN(const RowOrdinal row, view.FindKey(keys[query]));
    if (!vectors.Present(row)) {
      return InvalidArgument("id ", keys[query].substr(0, 128), " has no vector in column \"",
                             view.schema()->vectors[static_cast<size_t>(vector_column)].name,
                             "\" to search by");
    }
    LB_RETURN_NOT_OK(writer->Write(query, vectors.type(), vectors.Row(row)));
    workspace->left_out[query] = row;
  }
  return Status::OK();
}

}  // namespace

Result<uint32_t> CountQueries(const Queries& queries, const SearchLimits& limits) {
  const size_t in_array = queries.array == nullptr ? 0 : static_cast<size_t>(queries.array->length());
  const int kinds = !queries.numbers.empty() + (in_array > 0) + !queries.keys.empty();
  if (kinds == 0) return InvalidArgument("no query vector provided");
  if (kinds > 1) return InvalidArgument("queries are given in more than one way; give either vectors or ids");
  const size_t count = queries.numbers.size() + in_array + queries.keys.size();
  if (count > limits.max_queries) {
    return InvalidArgument(count, " queries in one request; at most ", limits.max_queries,
                           " are allowed, split them");
  }
  return static_cast<uint32_t>(count);
}

Status PrepareQueries(const Queries& queries, uint32_t count, const engine::View& view, int vector_column,
                      Workspace* workspace) {
  const auto& column = view.schema()->vectors[static_cast<size_t>(vector_column)];
  const size_t scalars =
      static_cast<size_t>(column.dim) * static_cast<size_t>(distance::ScalarsPerElement(column.type));
  QueryWriter writer(column, scalars, count, workspace);
  if (!queries.keys.empty()) return WriteKeys(queries.keys, view, vector_column, &writer, workspace);
  if (queries.numbers.empty()) return WriteArray(*queries.array, count, &writer);
  for (uint32_t query = 0; query < count; ++query)
    LB_RETURN_NOT_OK(writer.Write(query, queries.numbers[query]));
  return Status::OK();
}

}  // namespace longbow::query
