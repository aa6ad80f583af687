// Which columns an answer has, and how hits become them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "longbow/base/status.h"
#include "longbow/engine/view.h"
#include "longbow/index/vector_index.h"
#include "longbow/query/search.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace longbow::query {

// Metadata of the answer's column `id`, which is uint64 whatever the keys are: "int64" says that the keys are
// signed, and each id has the bits of one. Absent otherwise.
inline constexpr char kKeyTypeKey[] = "longbow.key_type";

// id, score, distance, [query], [key], [vector], payload in the schema's order. Payload named like one of
// score, distance, query, and, where the answer has them, key and vector, gets a trailing underscore.
// Immutable.
class ResultLayout {
 public:
  ResultLayout() = default;
  // InvalidArgument names a requested column that the dataset does not have. vector_column -1: the dataset
  // has no vectors.
  static Result<ResultLayout> Make(std::shared_ptr<const engine::DatasetSchema> dataset, int vector_column,
                                   const SearchRequest& request);
  // Whether Make would give the same again.
  bool Fits(const std::shared_ptr<const engine::DatasetSchema>& dataset, int vector_column,
            const SearchRequest& request) const;

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  // `rows` are those of `hits`, in order; `scores` are theirs, or empty where the distances say them.
  Result<std::shared_ptr<arrow::RecordBatch>> Build(const engine::View& view, const index::SearchHits& hits,
                                                    std::span<const RowOrdinal> rows,
                                                    std::span<const float> scores) const;
  // About the bytes of an answer of `rows` hits.
  int64_t BytesOf(int64_t rows) const;

 private:
  struct Payload {
    std::string column;
    int vector = -1;  // in the dataset's vectors; -1: not a vector column
  };

  std::shared_ptr<const engine::DatasetSchema> dataset_;
  int vector_column_ = -1;
  std::optional<std::vector<std::string>> requested_;
  VectorFormat asked_format_ = VectorFormat::kNone, named_format_ = VectorFormat::kStored;
  bool number_queries_ = false;

  std::shared_ptr<arrow::Schema> schema_;
  VectorFormat format_ = VectorFormat::kNone;
  std::vector<Payload> payload_;
};

}  // namespace longbow::query
