#include "ann/exact.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace longbow::bench {
namespace {

// float32 may order neighbours wrongly; so many more are kept than asked for.
constexpr uint32_t kSpare = 100;
constexpr size_t kQueriesAtOnce = 16, kRowsAtOnce = 512;

}  // namespace

double ExactDistance(distance::Metric metric, std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  if (metric == distance::Metric::kL2) {
    for (size_t i = 0; i < a.size(); ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    return sum;
  }
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return metric == distance::Metric::kCosine ? 1 - sum : -sum;
}

void Parallel(size_t count, const std::function<void(size_t)>& body) {
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < std::max(1u, std::thread::hardware_concurrency()); ++t) {
    threads.emplace_back([&] {
      for (size_t i; (i = next.fetch_add(1)) < count;) body(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

std::vector<uint32_t> ExactSearch::Decide(std::span<const float> query, std::vector<Candidate> candidates,
                                          uint32_t k) const {
  std::vector<std::pair<double, uint32_t>> exact;
  exact.reserve(candidates.size());
  for (const Candidate& c : candidates)
    exact.emplace_back(ExactDistance(metric_, query, base_.vector(c.row)), c.row);
  std::sort(exact.begin(), exact.end());
  if (exact.size() > k) exact.resize(k);
  std::vector<uint32_t> rows;
  rows.reserve(exact.size());
  for (const auto& [distance, row] : exact) rows.push_back(row);
  return rows;
}

std::vector<std::vector<uint32_t>> ExactSearch::NearestOfMany(const Matrix& queries, uint32_t k) const {
  std::vector<std::vector<uint32_t>> found(queries.rows);
  const size_t row_bytes = base_.dim * sizeof(float), keep = k + kSpare;
  const auto nearer = [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; };
  Parallel((queries.rows + kQueriesAtOnce - 1) / kQueriesAtOnce, [&](size_t part) {
    const size_t first = part * kQueriesAtOnce, count = std::min(kQueriesAtOnce, queries.rows - first);
    std::vector<std::vector<Candidate>> best(count);  // heaps, the farthest on top
    std::vector<float> distances(kQueriesAtOnce * kRowsAtOnce);
    for (size_t at = 0; at < base_.rows; at += kRowsAtOnce) {
      const size_t rows = std::min(kRowsAtOnce, base_.rows - at);
      kernels_.tile(queries.row(first), row_bytes, count, reinterpret_cast<const std::byte*>(base_.row(at)),
                    row_bytes, rows, base_.dim, distances.data());
      for (size_t q = 0; q < count; ++q) {
        for (size_t i = 0; i < rows; ++i) {
          const float distance = distances[q * rows + i];
          if (best[q].size() == keep) {
            if (distance >= best[q].front().distance) continue;
            std::pop_heap(best[q].begin(), best[q].end(), nearer);
            best[q].pop_back();
          }
          best[q].push_back({distance, static_cast<uint32_t>(at + i)});
          std::push_heap(best[q].begin(), best[q].end(), nearer);
        }
      }
    }
    for (size_t q = 0; q < count; ++q) found[first + q] = Decide(queries.vector(first + q), best[q], k);
  });
  return found;
}

std::vector<uint32_t> ExactSearch::NearestAmong(std::span<const float> query, std::span<const uint32_t> rows,
                                                uint32_t k) const {
  std::vector<const std::byte*> at(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) at[i] = reinterpret_cast<const std::byte*>(base_.row(rows[i]));
  std::vector<float> distances(rows.size());
  kernels_.gather(query.data(), at.data(), rows.size(), base_.dim, distances.data());
  std::vector<Candidate> candidates(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) candidates[i] = {distances[i], rows[i]};
  const size_t keep = std::min<size_t>(k + kSpare, rows.size());
  std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(keep),
                   candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; });
  candidates.resize(keep);
  return Decide(query, std::move(candidates), k);
}

Truth::Truth(const Dataset& data, std::span<const std::vector<uint32_t>> neighbors, uint32_t k)
    : data_(data), k_(k) {
  for (size_t q = 0; q < data.queries.rows; ++q) {
    const auto wanted = static_cast<uint32_t>(std::min<size_t>(k, neighbors[q].size()));
    wanted_.push_back(wanted);
    farthest_.push_back(wanted == 0 ? 0
                                    : ExactDistance(data.metric, data.queries.vector(q),
                                                    data.base.vector(neighbors[q][wanted - 1])));
  }
}

Truth::Truth(const Dataset& data, uint32_t k) : data_(data), k_(k) {
  for (size_t q = 0; q < data.queries.rows; ++q) {
    const uint32_t* neighbors = data.neighbors.data() + q * Dataset::kTruth;
    uint32_t wanted = std::min(k, Dataset::kTruth);
    while (wanted > 0 && neighbors[wanted - 1] == kNoRow) --wanted;
    wanted_.push_back(wanted);
    farthest_.push_back(wanted == 0 ? 0
                                    : ExactDistance(data.metric, data.queries.vector(q),
                                                    data.base.vector(neighbors[wanted - 1])));
  }
}

double Truth::RecallOf(size_t query, std::span<const uint32_t> found) const {
  if (wanted_[query] == 0) return 1;
  uint32_t hits = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i] == kNoRow || std::find(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(i),
                                        found[i]) != found.begin() + static_cast<std::ptrdiff_t>(i))
      continue;
    hits += ExactDistance(data_.metric, data_.queries.vector(query), data_.base.vector(found[i])) <=
            farthest_[query];
  }
  return std::min(1.0, static_cast<double>(hits) / wanted_[query]);
}

double Truth::Recall(std::span<const uint32_t> found) const {
  double sum = 0;
  for (size_t q = 0; q < wanted_.size(); ++q) sum += RecallOf(q, found.subspan(q * k_, k_));
  return sum / static_cast<double>(wanted_.size());
}

}  // namespace longbow::bench
