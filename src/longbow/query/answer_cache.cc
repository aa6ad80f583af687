#include "longbow/query/answer_cache.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <cstring>
#include <type_traits>

#include "longbow/query/filter_cache.h"

namespace longbow::query {
namespace {

// Confined.
class KeyWriter {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void Add(T value) { key_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void Add(std::string_view text) {
    Add(text.size());
    key_.append(text);
  }
  template <typename T>
  void Add(const std::vector<T>& values) {
    Add(values.size());
    for (const auto& value : values) Add(value);
  }
  void AddBytes(const void* bytes, size_t count) { key_.append(static_cast<const char*>(bytes), count); }
  void Add(const std::vector<double>& values) {
    Add(values.size());
    AddBytes(values.data(), values.size() * sizeof(double));
  }
  template <typename T>
  void Add(const std::optional<T>& value) {
    Add(value.has_value());
    if (value) Add(*value);
  }
  void Add(const OrderBy& order) {
    Add(order.column);
    Add(order.descending);
  }
  std::string Take() { return std::move(key_); }

 private:
  std::string key_;
};

// Fixed-size lists of plain numbers; false for anything else.
bool AddVectors(const arrow::Array& array, KeyWriter* key) {
  if (array.type_id() != arrow::Type::FIXED_SIZE_LIST || array.null_count() > 0) return false;
  const auto& lists = static_cast<const arrow::FixedSizeListArray&>(array);
  const auto& values = *lists.values();
  const int width = values.type()->byte_width();
  if (width <= 0 || values.null_count() > 0 || values.data()->buffers[1] == nullptr) return false;
  const int64_t first = values.offset() + lists.value_offset(0);
  const int64_t count = array.length() * lists.value_length();
  key->Add(values.type_id());
  key->Add(array.length());
  key->AddBytes(values.data()->buffers[1]->data() + first * width, static_cast<size_t>(count * width));
  return true;
}

void AddText(const TextRequest& text, KeyWriter* key) {
  key->Add(std::string_view(text.query));
  key->Add(text.clauses.has_value());
  if (text.clauses) {
    key->Add(text.clauses->clauses.size());
    for (const auto& clause : text.clauses->clauses) {
      key->Add(clause.occur);
      key->Add(clause.phrase);
      key->Add(clause.boost);
      key->Add(std::string_view(clause.text));
    }
  }
  key->Add(text.columns);
  key->Add(text.weights.size());
  for (const auto& weight : text.weights) {
    key->Add(weight.term);
    key->Add(weight.weight);
  }
  key->Add(std::string_view(text.weight_column));
  key->Add(text.alpha);
  key->Add(std::string_view(text.fusion));
}

void AddRequest(const SearchRequest& request, KeyWriter* key) {
  key->Add(std::string_view(request.dataset));
  key->Add(std::string_view(request.vector_column));
  key->Add(request.queries.numbers);
  key->Add(request.queries.keys);
  key->Add(request.k);
  key->Add(request.offset);
  key->Add(request.radius);
  key->Add(request.order_by);
  key->Add(request.whole_selection);
  AddText(request.text, key);
  key->Add(request.effort.recall);
  key->Add(request.effort.ef);
  key->Add(request.exact);
  key->Add(request.dims);
  key->Add(request.vectors);
  key->Add(request.named_vectors);
  key->Add(request.columns);
  key->Add(request.number_queries);
  key->Add(request.max_distances);
}

}  // namespace

std::string RequestBytes(const SearchRequest& request) {
  KeyWriter key;
  AddRequest(request, &key);
  key.Add(std::string_view(request.filter ? request.filter->ToString() : std::string()));
  return key.Take();
}

Result<std::string> AnswerKey(const SearchRequest& request, const engine::View& view,
                              const filter::AllowLists& lists) {
  if (request.explain != Explain::kNo || request.check_recall) return std::string();
  KeyWriter key;
  key.Add(view.sequence());
  AddRequest(request, &key);
  key.Add(request.queries.array != nullptr);
  if (request.queries.array != nullptr && !AddVectors(*request.queries.array, &key)) return std::string();
  key.Add(request.filter.has_value());
  if (request.filter) {
    LB_ASSIGN_OR_RETURN(const auto identity, FilterIdentity(*request.filter, lists));
    key.Add(std::string_view(identity));
  }
  return key.Take();
}

AnswerCache::AnswerCache(int64_t max_bytes, MemoryLedger* ledger) : answers_(max_bytes, ledger) {
  if (!enabled()) return;
  seen_ = std::make_unique<std::atomic<uint64_t>[]>(kSeen);
  if (ledger != nullptr) {
    seen_memory_ = ledger->ReserveAlways(MemoryUse::kCache, int64_t{kSeen} * int64_t{sizeof(uint64_t)});
  }
}

std::shared_ptr<const SearchAnswer> AnswerCache::Find(const std::string& key, bool* keep) {
  const uint64_t hash = std::hash<std::string>()(key);
  auto& seen = seen_[hash % kSeen];
  *keep = seen.load(std::memory_order_relaxed) == hash;
  if (!*keep) {
    seen.store(hash, std::memory_order_relaxed);
    return nullptr;
  }
  return answers_.Find(key);
}

void AnswerCache::Put(const std::string& key, const SearchAnswer& answer) {
  const int64_t bytes = arrow::util::TotalBufferSize(*answer.hits) +
                        static_cast<int64_t>(2 * key.size() + answer.offsets.size() * sizeof(int64_t)) + 1024;
  auto kept = std::make_shared<SearchAnswer>(answer);
  kept->cached = true;
  kept->stages = {};
  answers_.Put(key, std::move(kept), bytes);
}

void AnswerCache::ListCounters(CounterVisitor& visitor) const {
  visitor.Visit("query_cache_evictions_total", "Answers dropped from the cache for room", {},
                answers_.evictions);
  visitor.Visit("query_cache_bytes", "Memory of cached answers", {}, answers_.held);
}

}  // namespace longbow::query
