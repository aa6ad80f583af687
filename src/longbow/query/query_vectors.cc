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
  // `prefix`: scalars searched on first; 0: all.
  QueryWriter(const engine::VectorColumn& column, size_t scalars, size_t prefix, uint32_t count,
              Workspace* workspace)
      : column_(column), scalars_(scalars), prefix_(prefix), count_(count), workspace_(workspace) {
    const bool wide = distance::QueryTypeOf(column.type) == distance::QueryType::kFloat64;
    width_ = wide ? sizeof(double) : sizeof(float);
    workspace->stride = scalars * width_;
    workspace->prepared.resize(workspace->stride * count);
    workspace->prefixes.resize(prefix * width_ * count);
    workspace->values.resize(scalars);
    workspace->left_out.assign(count, kNoRow);
    workspace->whole = true;
  }

  Status CheckLength(size_t given) const {
    if (given == scalars_ || (prefix_ > 0 && given == prefix_)) return Status::OK();
    return Error(ErrorCode::kDimensionMismatch, "dimension mismatch: expected ", scalars_, ", got ", given);
  }

  Status Write(uint32_t query, std::span<const double> values) {
    LB_RETURN_NOT_OK(CheckLength(values.size()));
    const bool whole = values.size() == scalars_;
    if (query > 0 && whole != workspace_->whole) {
      return InvalidArgument("the queries have ", prefix_, " and ", scalars_,
                             " numbers; give all of them as many");
    }
    workspace_->whole = whole;
    if (whole && !Prepare(values, workspace_->prepared.data() + query * workspace_->stride)) {
      return WhyNot(query, values);
    }
    if (prefix_ == 0) return Status::OK();
    const auto prefix = values.first(prefix_);
    if (Prepare(prefix, workspace_->prefixes.data() + query * prefix_ * width_)) return Status::OK();
    return WhyNot(query, prefix);
  }
  Status Write(uint32_t query, ElementType type, const void* scalars, size_t count) {
    distance::ToDouble(type, scalars, count, workspace_->values.data());
    return Write(query, std::span<const double>(workspace_->values).first(count));
  }
  size_t scalars() const { return scalars_; }

 private:
  bool Prepare(std::span<const double> values, std::byte* out) const {
    return distance::PrepareQuery(column_.metric, column_.type, values, out);
  }

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
  const size_t scalars_, prefix_;
  size_t width_ = 0;  // of a prepared scalar
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

Status WriteKey(uint32_t query, const std::string& key, const engine::View& view, int vector_column,
                QueryWriter* writer, Workspace* workspace) {
  const index::VectorStore& vectors = view.Vectors(vector_column);
  LB_ASSIGN_OR_RETURN(const RowOrdinal row, view.FindKey(key));
  if (!vectors.Present(row)) {
    return InvalidArgument("id ", key.substr(0, 128), " has no vector in column \"",
                           view.schema()->vectors[static_cast<size_t>(vector_column)].name,
                           "\" to search by");
  }
  LB_RETURN_NOT_OK(writer->Write(query, vectors.type(), vectors.Row(row), writer->scalars()));
  workspace->left_out[query] = row;
  return Status::OK();
}

// Queries from `first` on; `by_key`(row) writes a row that is null.
template <typename ByKey>
Status WriteArray(const arrow::Array& array, uint32_t first_query, uint32_t count, QueryWriter* writer,
                  ByKey&& by_key) {
  LB_ASSIGN_OR_RETURN(const QueryLists lists, QueryLists::Of(array));
  const auto type = engine::NumberType(*lists.values->type());
  if (!type) {
    return InvalidArgument("query vectors have elements of type ", lists.values->type()->ToString(),
                           "; give integers or floating-point numbers");
  }
  const auto& data = *lists.values->data();
  const auto* first = data.buffers[1] == nullptr ? nullptr : data.buffers[1]->data();
  const auto width = static_cast<int64_t>(distance::ScalarBytes(*type));
  for (int64_t row = 0; row < array.length(); ++row) {
    const uint32_t query = first_query + static_cast<uint32_t>(row);
    if (array.IsNull(row)) {
      LB_RETURN_NOT_OK(by_key(query, static_cast<size_t>(row)));
      continue;
    }
    const auto [begin, end] = lists.Range(row);
    LB_RETURN_NOT_OK(writer->CheckLength(static_cast<size_t>(end - begin)));
    if (HasNull(*lists.values, begin, end)) return InvalidArgument(Which(query, count), " holds a null");
    LB_RETURN_NOT_OK(
        writer->Write(query, *type, first + (data.offset + begin) * width, static_cast<size_t>(end - begin)));
  }
  return Status::OK();
}

size_t RowsOf(const Queries& queries) {
  return queries.array == nullptr ? 0 : static_cast<size_t>(queries.array->length());
}

Result<size_t> PrefixScalars(const engine::VectorColumn& column, uint32_t dims) {
  if (dims > column.dim) {
    return InvalidArgument("dims is ", dims, "; column \"", column.name, "\" has ", column.dim,
                           " dimensions");
  }
  return size_t{dims} * static_cast<size_t>(distance::ScalarsPerElement(column.type));
}

}  // namespace

Result<uint32_t> CountQueries(const Queries& queries, const SearchLimits& limits) {
  const size_t rows = RowsOf(queries);
  const bool together = rows > 0 && !queries.keys.empty();
  if (together && queries.keys.size() != rows) {
    return InvalidArgument(rows, " query vectors beside ", queries.keys.size(),
                           " ids; a row has one of either");
  }
  const size_t count = queries.numbers.size() + rows + (together ? 0 : queries.keys.size());
  if (count == 0) return InvalidArgument("no query vector provided");
  if (count > limits.max_queries) {
    return InvalidArgument(count, " queries in one request; at most ", limits.max_queries,
                           " are allowed, split them");
  }
  return static_cast<uint32_t>(count);
}

Status PrepareQueries(const Queries& queries, uint32_t count, const engine::View& view, int vector_column,
                      uint32_t dims, Workspace* workspace) {
  const auto& column = view.schema()->vectors[static_cast<size_t>(vector_column)];
  const size_t scalars =
      static_cast<size_t>(column.dim) * static_cast<size_t>(distance::ScalarsPerElement(column.type));
  LB_ASSIGN_OR_RETURN(const size_t prefix, PrefixScalars(column, dims));
  QueryWriter writer(column, scalars, prefix, count, workspace);
  uint32_t query = 0;
  for (const auto& numbers : queries.numbers) LB_RETURN_NOT_OK(writer.Write(query++, numbers));
  const size_t rows = RowsOf(queries);
  if (rows > 0) {
    const auto by_key = [&](uint32_t at, size_t row) -> Status {
      if (queries.keys.empty()) return InvalidArgument(Which(at, count), " is null");
      return WriteKey(at, queries.keys[row], view, vector_column, &writer, workspace);
    };
    return WriteArray(*queries.array, query, count, &writer, by_key);
  }
  for (const auto& key : queries.keys) {
    LB_RETURN_NOT_OK(WriteKey(query++, key, view, vector_column, &writer, workspace));
  }
  return Status::OK();
}

}  // namespace longbow::query
