#include "longbow/query/search_batcher.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "longbow/query/answer_cache.h"

namespace longbow::query {
namespace {

// One request for all: their vectors, their k, the last deadline.
Result<SearchRequest> Joined(const std::vector<const SearchRequest*>& requests) {
  SearchRequest joined = *requests[0];
  joined.stop = nullptr;
  joined.number_queries = joined.describe = false;
  joined.queries = {};
  joined.k.clear();
  arrow::ArrayVector arrays;
  for (const SearchRequest* one : requests) {
    joined.k.push_back(one->k[0]);
    joined.deadline_ns = std::max(joined.deadline_ns, one->deadline_ns);
    if (one->queries.array != nullptr) {
      arrays.push_back(one->queries.array);
    } else {
      joined.queries.numbers.push_back(one->queries.numbers[0]);
    }
  }
  if (!arrays.empty()) {
    LB_ASSIGN_OR_RETURN(joined.queries.array, arrow::Concatenate(arrays));
  }
  return joined;
}

// The column that numbers queries, all of them the first.
Result<std::shared_ptr<arrow::RecordBatch>> WithQueryNumber(std::shared_ptr<arrow::RecordBatch> hits) {
  constexpr int kPosition = 3;  // behind id, score, distance
  const auto bytes = hits->num_rows() * static_cast<int64_t>(sizeof(int32_t));
  LB_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> zeros, arrow::AllocateBuffer(bytes));
  std::fill_n(zeros->mutable_data(), bytes, uint8_t{0});
  return hits->AddColumn(kPosition, arrow::field("query", arrow::int32()),
                         std::make_shared<arrow::Int32Array>(hits->num_rows(), std::move(zeros)));
}

// What query `i` of `count`, asked by `request`, has of the answer; work is shared out evenly.
Result<SearchAnswer> Share(const SearchAnswer& all, size_t i, size_t count, const SearchRequest& request) {
  SearchAnswer mine = all;
  mine.hits = all.hits->Slice(all.offsets[i], all.offsets[i + 1] - all.offsets[i]);
  if (request.number_queries) {
    LB_ASSIGN_OR_RETURN(mine.hits, WithQueryNumber(std::move(mine.hits)));
  }
  mine.offsets = {0, mine.hits->num_rows()};
  const auto share = static_cast<int64_t>(count);
  mine.work = {all.work.distances / share, all.work.codes / share, all.work.hops / share,
               all.work.bytes / share};
  if (request.describe) Describe(&mine);
  return mine;
}

// Of single queries, everything but the query, its k, its deadline and who waits.
std::string KindOf(const SearchRequest& request) {
  SearchRequest kind;
  kind.dataset = request.dataset;
  kind.vector_column = request.vector_column;
  kind.filter = request.filter;
  kind.effort = request.effort;
  kind.exact = request.exact;
  kind.vectors = request.vectors;
  kind.named_vectors = request.named_vectors;
  kind.columns = request.columns;
  kind.number_queries = request.number_queries;
  const auto& array = request.queries.array;
  std::string text = RequestBytes(kind);
  text += array == nullptr ? "numbers " + std::to_string(request.queries.numbers[0].size())
                           : array->type()->ToString();
  return text;
}

// A failed check fails the searches that met it, and nothing else.
Result<SearchAnswer> Search(QueryEngine* query, const SearchRequest& request) {
  try {
    return query->Search(request);
  } catch (const std::exception& error) {
    return Error(ErrorCode::kInternal, "the search failed: ", error.what());
  }
}

}  // namespace

bool SearchBatcher::Takes(const SearchRequest& request) {
  const Queries& queries = request.queries;
  const bool one = queries.keys.empty() &&
                   (queries.array == nullptr ? queries.numbers.size() == 1
                                             : queries.numbers.empty() && queries.array->length() == 1 &&
                                                   queries.array->null_count() == 0);
  const bool plain = !request.offset && !request.radius && !request.order_by && request.dims == 0 &&
                     request.max_distances == 0 && !request.allow_partial && !request.check_recall &&
                     request.explain == Explain::kNo && !request.text.present();
  return one && plain && request.k.size() == 1;
}

bool SearchBatcher::Submit(SearchRequest request, Done done) {
  std::string kind = KindOf(request);
  uint64_t number = 0;
  {
    std::lock_guard lock(mutex_);
    number = next_number_++;
    waiting_.push_back({number, std::move(kind), std::move(request), std::move(done)});
  }
  // As many turns as queries: one that finds its query answered already has nothing to do.
  if (searchers_->TryPost([self = shared_from_this()] { self->Turn(); })) return true;
  return !Withdraw(number);
}

// False when a turn has taken it meanwhile.
bool SearchBatcher::Withdraw(uint64_t number) {
  std::lock_guard lock(mutex_);
  return std::erase_if(waiting_, [&](const Waiting& one) { return one.number == number; }) > 0;
}

void SearchBatcher::Turn() {
  auto batch = Take();
  if (!batch.empty()) Run(std::move(batch));
}

std::vector<SearchBatcher::Waiting> SearchBatcher::Take() {
  std::vector<Waiting> batch;
  std::lock_guard lock(mutex_);
  if (waiting_.empty()) return batch;
  batch.push_back(std::move(waiting_.front()));
  waiting_.pop_front();
  std::deque<Waiting> others;
  for (Waiting& one : waiting_) {
    if (batch.size() < kMaxBatch && one.kind == batch[0].kind) {
      batch.push_back(std::move(one));
    } else {
      others.push_back(std::move(one));
    }
  }
  waiting_.swap(others);
  return batch;
}

void SearchBatcher::Run(std::vector<Waiting> batch) {
  std::erase_if(batch, [](Waiting& one) {
    if (one.request.stop == nullptr || !one.request.stop->stopped()) return false;
    one.done(Error(ErrorCode::kCancelled, "the search was cancelled"));
    return true;
  });
  if (batch.size() > 1) {
    std::vector<const SearchRequest*> requests;
    for (const Waiting& one : batch) requests.push_back(&one.request);
    const auto joined = Joined(requests);
    const auto all = joined.ok() ? Search(query_, *joined) : Result<SearchAnswer>(joined.status());
    if (all.ok()) {
      batches_.Add();
      batched_.Add(static_cast<int64_t>(batch.size()));
      for (size_t i = 0; i < batch.size(); ++i) {
        batch[i].done(Share(*all, i, batch.size(), batch[i].request));
      }
      return;
    }
  }
  // Alone, or together with one that is wrong: each gets its own answer.
  for (const Waiting& one : batch) one.done(Search(query_, one.request));
}

void SearchBatcher::ListCounters(CounterVisitor& visitor) const {
  visitor.Visit("search_batches_total", "Times that waiting single queries were answered together", {},
                batches_);
  visitor.Visit("search_batched_queries_total", "Single queries answered together with others", {}, batched_);
}

}  // namespace longbow::query
