#include "index_world.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <future>
#include <numeric>

#include "longbow/base/check.h"
#include "longbow/index/top_k.h"

namespace longbow::index::conformance {
namespace {

using distance::ElementType;
using distance::Metric;

bool IsUnsigned(ElementType type) {
  return type == ElementType::kUInt8 || type == ElementType::kUInt16 || type == ElementType::kUInt32 ||
         type == ElementType::kUInt64;
}

template <typename T>
void Put(double value, std::byte* at) {
  const T scalar = static_cast<T>(value);
  std::memcpy(at, &scalar, sizeof(T));
}

void PutHalf(double value, std::byte* at) {  // of a whole number below 2048
  uint16_t bits = value < 0 ? 0x8000 : 0;
  if (value != 0) {
    int exponent;
    const double fraction = std::frexp(std::abs(value), &exponent);
    bits |=
        static_cast<uint16_t>((exponent + 14) << 10 | (static_cast<int>(std::ldexp(fraction, 11)) & 0x3ff));
  }
  std::memcpy(at, &bits, sizeof(bits));
}

}  // namespace

IndexWorld::IndexWorld(const Subject& subject, Metric metric, ElementType element, uint64_t seed,
                       WorldOptions options)
    : subject_(subject),
      metric_(metric),
      element_(element),
      seed_(seed),
      store_(std::make_unique<VectorStore>(element, options.dim, &arena_, &ledger_)),
      builders_(MakeThreadPool({.name = "builder", .threads = 2, .queue_limit = 4096})) {
  likeness_ = options.likeness;
  LB_CHECK(likeness_ != Likeness::kTiny || (metric != Metric::kCosine && element == ElementType::kFloat32));
  std::mt19937_64 random(seed);
  DrawVectors(random, options);
  index_ = MakeIndex();
}

IndexWorld::~IndexWorld() = default;

std::unique_ptr<VectorIndex> IndexWorld::MakeIndex() {
  IndexInput input;
  input.metric = metric_;
  input.store = store_.get();
  input.versions = &versions_;
  input.builders = builders_.get();
  input.ledger = &ledger_;
  input.seed = seed_;
  input.codec = subject_.codec;
  return subject_.type->make(input).ValueOrDie();
}

double IndexWorld::DrawScalar(std::mt19937_64& random) const {
  const auto draw = static_cast<double>(random() % 41);
  return IsUnsigned(element_) ? draw : draw - 20;
}

void IndexWorld::DrawVector(std::mt19937_64& random, uint32_t cluster, double* vector) const {
  const size_t scalars = store_->scalars();
  const double* centre = centres_.data() + cluster * scalars;
  switch (likeness_) {
    case Likeness::kUniform:
      for (size_t i = 0; i < scalars; ++i) vector[i] = DrawScalar(random);
      break;
    case Likeness::kTwoClusters:
    case Likeness::kSorted:
      for (size_t i = 0; i < scalars; ++i) vector[i] = centre[i] + DrawScalar(random);
      break;
    case Likeness::kEqual:
      std::copy_n(centre, scalars, vector);
      break;
    case Likeness::kLowDimension: {
      const double along = DrawScalar(random), across = DrawScalar(random);
      for (size_t i = 0; i < scalars; ++i) vector[i] = along * centre[i] + across * centre[scalars + i];
      break;
    }
    case Likeness::kTiny: {
      const uint64_t kind = random() % 4;
      const double unit = kind == 0 ? 0 : kind == 1 ? 0x1p-140 : 1;
      for (size_t i = 0; i < scalars; ++i) vector[i] = unit * DrawScalar(random);
      return;
    }
  }
  vector[0] += vector[0] == 0 ? 1 : 0;  // never zero, which has no cosine
}

void IndexWorld::DrawVectors(std::mt19937_64& random, const WorldOptions& options) {
  constexpr RowOrdinal kSortedRows = 300;  // of a cluster
  constexpr double kApart = 180;
  const size_t scalars = store_->scalars();
  const uint32_t clusters = likeness_ == Likeness::kSorted ? (options.capacity - 1) / kSortedRows + 1 : 2;
  centres_.resize(clusters * scalars);
  for (double& x : centres_) {
    const double draw = DrawScalar(random);
    x = likeness_ == Likeness::kLowDimension  ? std::remainder(draw, 3)
        : likeness_ == Likeness::kTwoClusters ? (draw < 0 ? -kApart : kApart)
        : likeness_ == Likeness::kSorted      ? 5 * draw
                                              : draw;
  }
  std::vector<double> distinct(static_cast<size_t>(options.distinct) * scalars);
  for (uint32_t i = 0; i < options.distinct; ++i) DrawVector(random, 0, distinct.data() + i * scalars);
  values_.resize(static_cast<size_t>(options.capacity) * scalars);
  null_.resize(options.capacity);
  clusters_.resize(options.capacity);
  for (RowOrdinal row = 0; row < options.capacity; ++row) {
    double* vector = values_.data() + row * scalars;
    if (likeness_ == Likeness::kTwoClusters) clusters_[row] = static_cast<uint32_t>(random() % 2);
    if (likeness_ == Likeness::kSorted) clusters_[row] = row / kSortedRows;
    if (options.distinct > 0) {
      std::copy_n(distinct.data() + random() % options.distinct * scalars, scalars, vector);
    } else {
      DrawVector(random, clusters_[row], vector);
    }
    null_[row] = static_cast<double>(random() % 1000) < options.null_share * 1000;
  }
}

void IndexWorld::Encode(double value, std::byte* at) const {
  switch (element_) {
    case ElementType::kFloat16:
      return PutHalf(value, at);
    case ElementType::kFloat32:
    case ElementType::kComplex64:
      return Put<float>(value, at);
    case ElementType::kFloat64:
    case ElementType::kComplex128:
      return Put<double>(value, at);
    case ElementType::kInt8:
    case ElementType::kUInt8:
      return Put<int8_t>(value, at);
    case ElementType::kInt16:
    case ElementType::kUInt16:
      return Put<int16_t>(value, at);
    case ElementType::kInt32:
    case ElementType::kUInt32:
      return Put<int32_t>(value, at);
    case ElementType::kInt64:
    case ElementType::kUInt64:
      return Put<int64_t>(value, at);
  }
}

// In the order of the engine's apply: bytes, birth, word to the index; the caller publishes end() and now().
void IndexWorld::Append(RowOrdinal count) {
  const RowOrdinal first = end_, end = first + count;
  LB_CHECK(end <= null_.size());
  store_->Grow(end);
  versions_.Grow(end);
  const size_t scalars = store_->scalars(), width = distance::ScalarBytes(element_);
  for (RowOrdinal row = first; row < end; ++row) {
    if (null_[row]) {
      store_->SetNull(row);
      std::memset(store_->MutableRow(row), 0xff, store_->row_bytes());  // NaN where that exists
      continue;
    }
    for (size_t i = 0; i < scalars; ++i)
      Encode(values_[row * scalars + i], store_->MutableRow(row) + i * width);
  }
  for (RowOrdinal row = first; row < end; ++row) versions_.SetBorn(row, now_ + 1);
  index_->RowsAppended(first, end);
  end_ = end;
  ++now_;
}

void IndexWorld::AppendNulls(RowOrdinal count) {
  LB_CHECK(end_ + count <= null_.size());
  std::fill_n(null_.begin() + end_, count, 1);
  Append(count);
}

void IndexWorld::Forget(RowOrdinal first, RowOrdinal end) {
  LB_CHECK(first % RowVersions::kChunk == 0 && end % RowVersions::kChunk == 0);
  std::vector<RowOrdinal> rows(end - first);
  std::iota(rows.begin(), rows.end(), first);
  RowBits dead;
  for (RowOrdinal row : rows) dead.Add(row);
  for (std::byte* slab : store_->Forget(rows, dead)) store_->Free(slab);
  for (RowOrdinal row = first; row < end; row += RowVersions::kChunk) {
    versions_.Release(row);
    index_->Forget(row, row + RowVersions::kChunk);
  }
}

void IndexWorld::SetNull(RowOrdinal first, RowOrdinal end) {
  for (RowOrdinal row = first; row < end; ++row) store_->SetNull(row);
}

void IndexWorld::Kill(const std::vector<RowOrdinal>& rows) {
  for (RowOrdinal row : rows) versions_.SetDied(row, now_ + 1);
  ++now_;
}

void IndexWorld::WaitIndexed() {
  std::promise<Status> indexed;
  index_->WhenIndexed(end_, [&indexed](Status status) { indexed.set_value(std::move(status)); });
  LB_CHECK(indexed.get_future().get().ok());
  LB_CHECK(index_->indexed_end() >= end_);
}

int64_t IndexWorld::row_bytes() const {
  return subject_.type->row_bytes(metric_, store_->scalars(), subject_.codec);
}

AuditReport IndexWorld::WaitSettled() {
  AuditReport report;
  builders_->WaitUntil([&] { return (report = index_->Audit().ValueOrDie()).settled; });
  return report;
}

size_t IndexWorld::query_bytes() const {
  return store_->scalars() * (distance::QueryTypeOf(element_) == distance::QueryType::kFloat32 ? 4 : 8);
}

std::vector<std::byte> IndexWorld::Queries(uint32_t count, uint64_t seed) const {
  std::mt19937_64 random(seed);
  std::vector<std::byte> queries(count * query_bytes());
  std::vector<double> values(store_->scalars());
  for (uint32_t q = 0; q < count; ++q) {
    const uint32_t cluster = end_ == 0 ? 0 : clusters_[random() % end_];
    DrawVector(random, likeness_ == Likeness::kEqual ? 1 : cluster, values.data());
    LB_CHECK(distance::PrepareQuery(metric_, element_, values, queries.data() + q * query_bytes()));
  }
  return queries;
}

float IndexWorld::Distance(const std::byte* query, RowOrdinal row) const {
  const size_t scalars = store_->scalars();
  std::vector<double> q(scalars);
  const bool narrow = distance::QueryTypeOf(element_) == distance::QueryType::kFloat32;
  distance::ToDouble(narrow ? ElementType::kFloat32 : ElementType::kFloat64, query, scalars, q.data());
  const double* r = values_.data() + row * scalars;
  double squares = 0, dot = 0, norm = 0;
  for (size_t i = 0; i < scalars; ++i) {
    squares += (q[i] - r[i]) * (q[i] - r[i]);
    dot += q[i] * r[i];
    norm += r[i] * r[i];
  }
  switch (metric_) {
    case Metric::kL2:
      return static_cast<float>(squares);
    case Metric::kInnerProduct:
      return static_cast<float>(-dot);
    case Metric::kCosine:
      return static_cast<float>(1 - dot / std::sqrt(norm));
  }
  return 0;
}

std::vector<Neighbor> IndexWorld::Oracle(const std::byte* query, const Visibility& visibility,
                                         const RowSelection* selection, const TieOrder* ties) const {
  std::vector<Neighbor> all;
  for (RowOrdinal row = 0; row < visibility.end; ++row) {
    if (null_[row] || !visibility.Visible(row)) continue;
    if (selection != nullptr && !selection->Contains(row)) continue;
    all.push_back({Distance(query, row), row});
  }
  std::sort(all.begin(), all.end(), NeighborOrder(ties));
  return all;
}

}  // namespace longbow::index::conformance
