// A column of vectors, an index over it and the obvious answer to any search, for tests of what every index
// promises.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/executor.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/index/vector_index.h"

namespace longbow::index::conformance {

// Ties by a key that is neither the ordinal nor its reverse, and that is different for every row.
class ScatteredKeys : public TieOrder {
 public:
  static uint32_t Key(RowOrdinal row) { return row * 2654435761u; }
  bool Before(RowOrdinal a, RowOrdinal b) const override { return Key(a) < Key(b); }
};

// What the suite is run on: an index type with one of its codecs.
struct Subject {
  const IndexType* type;
  std::string_view codec;
};
inline std::vector<Subject> Subjects() {
  std::vector<Subject> subjects;
  for (const IndexType& type : IndexTypes()) {
    for (const std::string_view codec : type.codecs) subjects.push_back({&type, codec});
  }
  return subjects;
}

// What the vectors of a world are like. Whole numbers but for kTiny, so that distances are exact.
enum class Likeness : uint8_t {
  kUniform,
  kTwoClusters,   // far from each other
  kSorted,        // by cluster
  kEqual,         // one and the same
  kLowDimension,  // on a plane
  kTiny,          // zero, denormal, or uniform; not for cosine
};

struct WorldOptions {
  RowOrdinal capacity = 3000;  // rows there will ever be; their vectors are drawn at once
  uint32_t dim = 12;
  double null_share = 0;
  uint32_t distinct = 0;  // vectors are drawn from so many different ones; 0: all are their own
  Likeness likeness = Likeness::kUniform;
};

// One thread appends, kills and erases; any may ask. Vectors hold small integers, so that l2 and inner
// product are exact in every precision and the expected rows are known to the last tie; for cosine, distances
// may differ by tolerance().
class IndexWorld {
 public:
  IndexWorld(const Subject& subject, distance::Metric metric, distance::ElementType element, uint64_t seed,
             WorldOptions options = {});
  ~IndexWorld();

  // The next `count` rows are born, in one sequence.
  void Append(RowOrdinal count);
  // The same without vectors, whatever was drawn for them. Not beside searches.
  void AppendNulls(RowOrdinal count);
  // The rows die, in one sequence.
  void Kill(const std::vector<RowOrdinal>& rows);
  // No view will see them any more.
  void Erase(const std::vector<RowOrdinal>& rows) { index_->Erase(rows); }
  // Whole chunks of rows that were erased: what the store and a settled index hold of them goes.
  void Forget(RowOrdinal first, RowOrdinal end);
  // As a start leaves them that knows them dead.
  void SetNull(RowOrdinal first, RowOrdinal end);
  void WaitIndexed();
  // Until the index has nothing left to do; what an audit then says.
  AuditReport WaitSettled();
  // Another index over the same column, empty.
  std::unique_ptr<VectorIndex> MakeIndex();
  void Adopt(std::unique_ptr<VectorIndex> index) { index_ = std::move(index); }

  VectorIndex& index() const { return *index_; }
  int64_t index_memory() const { return ledger_.used(MemoryUse::kIndex); }
  // What the type says that a row of this column takes.
  int64_t row_bytes() const;
  Sequence now() const { return now_; }
  RowOrdinal end() const { return end_; }
  Visibility At(Sequence at) const { return {&versions_, at, end_}; }
  Visibility Now() const { return At(now_); }
  bool present(RowOrdinal row) const { return !null_[row]; }
  uint32_t cluster(RowOrdinal row) const { return clusters_[row]; }
  size_t query_bytes() const;

  // `count` prepared queries, one behind the other.
  std::vector<std::byte> Queries(uint32_t count, uint64_t seed) const;
  // Every visible selected row with a vector, best first.
  std::vector<Neighbor> Oracle(const std::byte* query, const Visibility& visibility,
                               const RowSelection* selection, const TieOrder* ties) const;
  float Distance(const std::byte* query, RowOrdinal row) const;
  float tolerance() const { return metric_ == distance::Metric::kCosine ? 2e-6f : 0.0f; }

 private:
  void DrawVectors(std::mt19937_64& random, const WorldOptions& options);
  double DrawScalar(std::mt19937_64& random) const;
  void DrawVector(std::mt19937_64& random, uint32_t cluster, double* vector) const;
  void Encode(double value, std::byte* at) const;

  const Subject subject_;
  const distance::Metric metric_;
  const distance::ElementType element_;
  const uint64_t seed_;
  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  RowVersions versions_{&ledger_};
  std::unique_ptr<VectorStore> store_;
  std::unique_ptr<Executor> builders_;
  std::unique_ptr<VectorIndex> index_;
  std::vector<double> values_;  // of all rows, `scalars` each; immutable
  std::vector<char> null_;
  Likeness likeness_;
  std::vector<uint32_t> clusters_;  // of all rows; immutable
  std::vector<double> centres_;     // by cluster; of a plane the two directions
  std::atomic<RowOrdinal> end_{0};
  std::atomic<Sequence> now_{0};
};

}  // namespace longbow::index::conformance
