#include "longbow/query/edge_rerank.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "longbow/base/check.h"
#include "longbow/engine/edge_store.h"
#include "longbow/query/vector_values.h"

namespace longbow::query {
namespace {

using engine::Key;
using engine::KeyKind;

struct KeyLess {
  bool operator()(const Key& a, const Key& b) const {
    return a.number != b.number ? a.number < b.number : a.text < b.text;
  }
};
using Gains = std::map<Key, double, KeyLess>;  // what each key is given

// Ids and scores of an answer, whatever other columns it has.
class HitColumns {
 public:
  explicit HitColumns(const arrow::RecordBatch& hits)
      : ids_(std::dynamic_pointer_cast<arrow::UInt64Array>(hits.GetColumnByName("id"))),
        scores_(std::dynamic_pointer_cast<arrow::FloatArray>(hits.GetColumnByName("score"))),
        keys_(std::dynamic_pointer_cast<arrow::StringArray>(hits.GetColumnByName("key"))) {
    LB_CHECK(ids_ != nullptr && scores_ != nullptr);
  }
  Key key(int64_t row, KeyKind kind) const {
    return {ids_->Value(row), kind == KeyKind::kString ? keys_->GetString(row) : std::string()};
  }
  double score(int64_t row) const { return scores_->Value(row); }

 private:
  std::shared_ptr<arrow::UInt64Array> ids_;
  std::shared_ptr<arrow::FloatArray> scores_;
  std::shared_ptr<arrow::StringArray> keys_;
};

// What the hits [first, end) give to the keys they point at.
Gains GainsOf(const engine::EdgeReader& edges, const HitColumns& hits, int64_t first, int64_t end,
              double alpha) {
  Gains gains;
  for (int64_t row = first; row < end; ++row) {
    const auto node = edges.Find(hits.key(row, edges.keys()));
    if (!node) continue;
    std::set<uint32_t> neighbors;  // joined by several predicates they are neighbours once
    for (const auto& link : edges.Out(*node)) neighbors.insert(link.node);
    for (const uint32_t neighbor : neighbors) gains[edges.key(neighbor)] += alpha * hits.score(row);
  }
  return gains;
}

filter::Value ValueOf(const Key& key, KeyKind kind) {
  if (kind == KeyKind::kString) return key.text;
  if (kind == KeyKind::kSigned) return static_cast<int64_t>(key.number);
  return key.number;
}

// The best-favoured keys that were no hits: those that can enter among k.
void AddEntering(Gains gains, const HitColumns& hits, int64_t first, int64_t end, KeyKind kind, size_t k,
                 std::set<Key, KeyLess>* entering) {
  for (int64_t row = first; row < end; ++row) gains.erase(hits.key(row, kind));
  std::vector<std::pair<double, const Key*>> order;
  for (const auto& [key, gain] : gains) order.emplace_back(-gain, &key);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : KeyLess()(*a.second, *b.second);
  });
  for (size_t i = 0; i < std::min(k, order.size()); ++i) entering->insert(*order[i].second);
}

// The same search among `keys` only: their rows as hits, with the request's columns.
Result<SearchAnswer> FindRows(QueryEngine& query, const SearchRequest& request, const std::string& key_column,
                              KeyKind kind, const std::set<Key, KeyLess>& keys) {
  filter::FilterTree wanted;
  wanted.op = filter::Operator::kIn;
  wanted.column = key_column;
  for (const Key& key : keys) wanted.values.push_back(ValueOf(key, kind));
  SearchRequest among = request;
  among.check_recall = false;
  among.exact = among.whole_selection = true;  // also rows without a vector, or without a word of the text
  among.k = {std::min<int64_t>(static_cast<int64_t>(keys.size()), query.limits().max_k)};
  if (among.filter) {
    filter::FilterTree both;
    both.op = filter::Operator::kAnd;
    both.children = {*std::move(among.filter), std::move(wanted)};
    among.filter = std::move(both);
  } else {
    among.filter = std::move(wanted);
  }
  return query.Search(among);
}

// A row of one of the two answers, put behind each other, with its new score.
struct Candidate {
  int64_t row = 0;
  double score = 0;
};

// The rows `taken` of `hits` with their new scores.
Result<std::shared_ptr<arrow::RecordBatch>> Take(const std::shared_ptr<arrow::RecordBatch>& hits,
                                                 const std::vector<Candidate>& taken) {
  arrow::Int64Builder rows;
  arrow::FloatBuilder scores;
  for (const Candidate& candidate : taken) {
    LB_RETURN_NOT_OK(rows.Append(candidate.row));
    LB_RETURN_NOT_OK(scores.Append(static_cast<float>(candidate.score)));
  }
  LB_ASSIGN_OR_RETURN(auto indices, rows.Finish());
  LB_ASSIGN_OR_RETURN(auto new_scores, scores.Finish());
  LB_ASSIGN_OR_RETURN(const arrow::Datum picked, arrow::compute::Take(hits, arrow::Datum(indices)));
  const auto& batch = picked.record_batch();
  const int column = batch->schema()->GetFieldIndex("score");
  return batch->SetColumn(column, batch->schema()->field(column), new_scores);
}

Result<SearchAnswer> Rerank(QueryEngine& query, const engine::Engine& engine, const SearchRequest& request,
                            double alpha) {
  LB_ASSIGN_OR_RETURN(SearchAnswer answer, query.Search(request));
  if (request.explain != Explain::kNo) return answer;
  LB_ASSIGN_OR_RETURN(const auto store, engine.Edges(request.dataset));
  LB_ASSIGN_OR_RETURN(const auto info, engine.Info(request.dataset));
  const KeyKind kind = store->keys();
  const size_t queries = answer.offsets.size() - 1;
  const HitColumns hits(*answer.hits);

  std::vector<Gains> gains;
  std::set<Key, KeyLess> entering;
  {
    const engine::EdgeReader edges(*store);
    if (edges.edges() == 0) return answer;
    for (size_t i = 0; i < queries; ++i) {
      const int64_t first = answer.offsets[i], end = answer.offsets[i + 1];
      const int64_t k = request.k[request.k.size() == 1 ? 0 : i];
      gains.push_back(GainsOf(edges, hits, first, end, alpha));
      AddEntering(gains.back(), hits, first, end, kind, static_cast<size_t>(k), &entering);
      if (entering.size() > filter::kMaxListValues) {
        return InvalidArgument("graph_alpha: edges lead from the hits to more than ", filter::kMaxListValues,
                               " other rows; ask fewer queries at a time or for fewer hits");
      }
    }
  }

  SearchAnswer found;  // rows that enter; drawn keys name no rows in a filter, so theirs only rise
  std::shared_ptr<arrow::RecordBatch> all = answer.hits;
  if (!entering.empty() && kind != KeyKind::kHidden) {
    const std::string& key_column = info.schema->arrow->field(info.schema->key_field)->name();
    LB_ASSIGN_OR_RETURN(found, FindRows(query, request, key_column, kind, entering));
    LB_ASSIGN_OR_RETURN(all, arrow::ConcatenateRecordBatches({answer.hits, found.hits}));
  }
  const HitColumns columns(*all);
  std::vector<Candidate> taken;
  std::vector<int64_t> offsets = {0};
  for (size_t i = 0; i < queries; ++i) {
    const auto begin = taken.size();
    std::set<Key, KeyLess> seen;
    const auto gain_of = [&](int64_t row) {
      const auto gain = gains[i].find(columns.key(row, kind));
      return gain == gains[i].end() ? 0.0 : gain->second;
    };
    for (int64_t row = answer.offsets[i]; row < answer.offsets[i + 1]; ++row) {
      seen.insert(columns.key(row, kind));
      taken.push_back({row, columns.score(row) + gain_of(row)});
    }
    const int64_t shift = answer.hits->num_rows();
    for (int64_t row = found.hits ? found.offsets[i] : 0; found.hits && row < found.offsets[i + 1]; ++row) {
      const double gain = gain_of(row + shift);
      if (gain > 0 && seen.insert(columns.key(row + shift, kind)).second)
        taken.push_back({row + shift, gain});
    }
    std::stable_sort(taken.begin() + static_cast<std::ptrdiff_t>(begin), taken.end(),
                     [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
    const auto k = static_cast<size_t>(request.k[request.k.size() == 1 ? 0 : i]);
    taken.resize(std::min(taken.size(), begin + k));
    offsets.push_back(static_cast<int64_t>(taken.size()));
  }
  LB_ASSIGN_OR_RETURN(answer.hits, Take(all, taken));
  answer.offsets = std::move(offsets);
  answer.nanos += found.nanos;
  if (found.hits && found.coverage == index::Coverage::kPartial) answer.coverage = index::Coverage::kPartial;
  return answer;
}

// The hits' stored vectors as bytes of one range.
Result<std::shared_ptr<arrow::RecordBatch>> WithSq8(const std::shared_ptr<arrow::RecordBatch>& hits,
                                                    const engine::DatasetSchema& schema,
                                                    const std::string& vector_column) {
  const int place = hits->schema()->GetFieldIndex("vector");
  const auto* column = schema.FindVector(vector_column);
  if (place < 0 || column == nullptr) return hits;
  if (!hits->column(place)->type()->Equals(schema.arrow->field(column->field)->type()))
    return hits;  // payload
  std::shared_ptr<const arrow::KeyValueMetadata> about;
  LB_ASSIGN_OR_RETURN(
      const auto codes,
      Sq8Vectors(static_cast<const arrow::FixedSizeListArray&>(*hits->column(place)), column->type, &about));
  return hits->SetColumn(place, arrow::field("vector", codes->type(), about), codes);
}

}  // namespace

Result<SearchAnswer> SearchAlongEdges(QueryEngine& query, const engine::Engine& engine,
                                      const SearchRequest& request, double alpha) {
  if (!(alpha >= 0) || !std::isfinite(alpha)) {
    return InvalidArgument("graph_alpha: expected 0 or more, got ", alpha);
  }
  if (request.offset.value_or(0) > 0 || request.radius || request.order_by) {
    return InvalidArgument("graph_alpha orders hits anew; leave out offset, radius and order_by");
  }
  const bool sq8 = request.vectors == VectorFormat::kSq8 || request.named_vectors == VectorFormat::kSq8;
  if (!sq8 || request.explain != Explain::kNo) return Rerank(query, engine, request, alpha);
  // The hits and what enters are two answers, and bytes of two ranges would not be told apart.
  SearchRequest stored = request;
  if (stored.vectors == VectorFormat::kSq8) stored.vectors = VectorFormat::kStored;
  stored.named_vectors = VectorFormat::kStored;
  LB_ASSIGN_OR_RETURN(SearchAnswer answer, Rerank(query, engine, stored, alpha));
  LB_ASSIGN_OR_RETURN(const auto info, engine.Info(request.dataset));
  LB_ASSIGN_OR_RETURN(answer.hits, WithSq8(answer.hits, *info.schema, request.vector_column));
  return answer;
}

}  // namespace longbow::query
