#include "longbow/query/text_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "longbow/query/selection.h"

namespace longbow::query {
namespace {

size_t CountAskedWords(const TextRequest& request) {
  if (!request.clauses) return text::CountWords(request.query);
  size_t words = 0;
  for (const auto& clause : request.clauses->clauses) words += text::CountWords(clause.text);
  return words;
}

// What is asked of an index. Stays where it is: parts point at each other.
struct IndexQuestion {
  text::TextIndex* index = nullptr;
  text::TextScratch* scratch = nullptr;
  text::TextQuery parsed;
  text::TextSearchSpec spec;
};

Status Prepare(const TextSearch& search, Workspace* workspace, IndexQuestion* question) {
  const engine::View& view = *search.view;
  LB_ASSIGN_OR_RETURN(const auto columns, TextColumnsOf(*view.schema(), *search.request));
  LB_ASSIGN_OR_RETURN(question->index, view.Texts(columns));
  question->scratch = workspace->ScratchOf(*question->index, columns.analyzer);
  if (search.request->weights.empty() && !search.request->clauses) {
    LB_ASSIGN_OR_RETURN(question->parsed, text::ParseTextQuery(search.request->query));
  }
  text::TextSearchSpec& spec = question->spec;
  if (columns.analyzer != nullptr) {
    spec.query = search.request->clauses ? &*search.request->clauses : &question->parsed;
  }
  spec.weights = search.request->weights;
  spec.k = search.k;
  spec.visibility = view.visibility();
  spec.selection = search.selection;
  spec.selected = search.selected;
  // Keys that nobody gave ascend with the rows.
  spec.ties = view.schema()->key == engine::KeyKind::kHidden ? nullptr : &view.key_order();
  spec.budget = search.budget;
  return Status::OK();
}

bool HasVectors(const Queries& queries) {
  return !queries.numbers.empty() || queries.array != nullptr || !queries.keys.empty();
}

}  // namespace

Result<SearchParts> ChooseParts(const SearchRequest& request) {
  const TextRequest& asked = request.text;
  if (!asked.present()) return SearchParts{};
  if (!asked.weights.empty() && (!asked.query.empty() || asked.clauses)) {
    return InvalidArgument("text_query and sparse_query are both given: send one of them");
  }
  if (!(asked.alpha <= 1)) {
    return InvalidArgument(
        "alpha is ", asked.alpha,
        "; expected 1 (vectors only), 0 (text only), a share between, or -1 (by word count)");
  }
  LB_RETURN_NOT_OK(FindFusionType(asked.fusion).status());
  SearchParts parts;
  parts.alpha = asked.alpha < 0 ? AdaptiveAlpha(CountAskedWords(asked)) : asked.alpha;
  parts.vectors = parts.alpha > 0 && HasVectors(request.queries);
  parts.texts = parts.alpha < 1 || !HasVectors(request.queries);
  if (!parts.texts) return parts;
  if (request.radius) {
    return InvalidArgument(
        "radius is a distance, and hits by text have none; leave it out, or search by vector alone with "
        "alpha 1");
  }
  return parts;
}

Result<engine::TextColumns> TextColumnsOf(const engine::DatasetSchema& schema, const TextRequest& request) {
  if (!request.weights.empty()) return engine::ChooseWeightColumn(schema, request.weight_column);
  return engine::ChooseTextColumns(schema, request.columns);
}

Result<text::TextCost> EstimateTexts(const TextSearch& search, Workspace* workspace) {
  IndexQuestion question;
  LB_RETURN_NOT_OK(Prepare(search, workspace, &question));
  return question.index->Estimate(question.spec, question.scratch);
}

Status FindTexts(const TextSearch& search, Workspace* workspace) {
  IndexQuestion question;
  LB_RETURN_NOT_OK(Prepare(search, workspace, &question));
  LB_RETURN_NOT_OK(question.index->Search(question.spec, question.scratch, &workspace->texts));
  const BudgetEnd end = search.budget->end();
  if (end == BudgetEnd::kStopped) return BudgetError(end);
  if (end == BudgetEnd::kDeadline && workspace->texts.partial && workspace->texts.hits.empty()) {
    return BudgetError(end);
  }
  return Status::OK();
}

void TakeTexts(std::span<const uint32_t> k, uint32_t offset, Workspace* workspace) {
  index::SearchHits& hits = workspace->hits;
  hits.neighbors.clear();
  hits.offsets.assign(1, 0);
  hits.coverage = workspace->texts.partial ? index::Coverage::kPartial : index::Coverage::kExact;
  hits.work = {};
  workspace->scores.clear();
  for (const uint32_t wanted : k) {
    for (size_t i = offset; i < std::min<size_t>(wanted, workspace->texts.hits.size()); ++i) {
      const text::Hit& hit = workspace->texts.hits[i];
      hits.neighbors.push_back({std::numeric_limits<float>::quiet_NaN(), hit.row});
      workspace->scores.push_back(hit.score);
    }
    hits.offsets.push_back(static_cast<uint32_t>(hits.neighbors.size()));
  }
}

Status FuseTexts(const engine::View& view, distance::Metric metric, const SearchRequest& request,
                 const SearchParts& parts, std::span<const uint32_t> k, uint32_t offset,
                 Workspace* workspace) {
  LB_ASSIGN_OR_RETURN(const FusionType* const type, FindFusionType(request.text.fusion));
  index::SearchHits& hits = workspace->hits;
  std::vector<index::Neighbor> fused;
  std::vector<FusedHit> best;
  workspace->scores.clear();
  uint32_t begin = 0;
  for (size_t query = 0; query < k.size(); ++query) {
    const uint32_t end = hits.offsets[query + 1];
    FusionInput input;
    input.vectors = std::span(hits.neighbors).subspan(begin, end - begin);
    input.texts = workspace->texts.hits;
    input.metric = metric;
    input.alpha = parts.alpha;
    const RowOrdinal left_out = workspace->left_out[query];  // asked by its own vector
    Fuse(*type, input, k[query] + (left_out == kNoRow ? 0 : 1), view.key_order(), &best);
    std::erase_if(best, [&](const FusedHit& hit) { return hit.row == left_out; });
    if (best.size() > k[query]) best.resize(k[query]);
    for (size_t i = offset; i < best.size(); ++i) {
      fused.push_back({best[i].distance, best[i].row});
      workspace->scores.push_back(best[i].score);
    }
    begin = end;
    hits.offsets[query + 1] = static_cast<uint32_t>(fused.size());
  }
  hits.neighbors = std::move(fused);
  if (workspace->texts.partial) hits.coverage = index::Coverage::kPartial;
  return Status::OK();
}

}  // namespace longbow::query
