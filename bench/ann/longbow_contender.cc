#include "ann/longbow_contender.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <future>
#include <numeric>

namespace longbow::bench {
namespace {

constexpr std::chrono::seconds kMostMaintenance{60};

template <distance::ElementType kOriginals>
std::unique_ptr<Contender> Make(const ContenderInput& input) {
  return std::make_unique<LongbowIndex>(input, 0, index::GraphOptions{}, kOriginals);
}

}  // namespace

LongbowIndex::LongbowIndex(const ContenderInput& input, int builders, index::GraphOptions options,
                           distance::ElementType originals, std::string codec)
    : input_(input),
      store_(std::make_unique<index::VectorStore>(originals, static_cast<uint32_t>(input.dim), &arena_,
                                                  &ledger_)),
      options_(options),
      codec_(std::move(codec)) {
  if (builders > 0) Open(builders);
}

LongbowIndex::~LongbowIndex() {
  index_.reset();
  builders_.reset();
}

void LongbowIndex::Open(int builders) {
  builders_ = MakeThreadPool({.name = "builder", .threads = builders, .queue_limit = 4096});
  index::IndexInput input;
  input.metric = input_.metric;
  input.store = store_.get();
  input.versions = &versions_;
  input.builders = builders_.get();
  input.ledger = &ledger_;
  input.seed = 1;
  input.codec = codec_;
  index_ = std::make_unique<index::GraphIndex>(input, options_);
  scratch_ = index_->NewScratch();
}

void LongbowIndex::Grow(size_t rows) {
  store_->Grow(rows);
  versions_.Grow(rows);
  sources_.Grow(rows);
}

void LongbowIndex::Put(const float* vector, RowOrdinal row, uint32_t source) {
  std::byte* to = store_->MutableRow(row);
  if (store_->type() == distance::ElementType::kFloat16) {
    const std::vector<_Float16> halves(vector, vector + input_.dim);
    std::memcpy(to, halves.data(), store_->row_bytes());
  } else {
    std::memcpy(to, vector, store_->row_bytes());
  }
  versions_.SetBorn(row, 1);
  sources_.Set(row, source);
}

void LongbowIndex::PutAll(const Matrix& base) {
  Grow(base.rows);
  for (uint32_t row = 0; row < base.rows; ++row) Put(base.row(row), row, row);
  live_ = base.rows;
  end_ = static_cast<RowOrdinal>(base.rows);
}

void LongbowIndex::Build(const Matrix& base, int threads) {
  if (index_ == nullptr) Open(threads);
  PutAll(base);
  index_->RowsAppended(0, end_);
  WaitIndexed();
}

void LongbowIndex::Save(const std::string& path) const {
  std::filesystem::create_directories(path);
  const auto files = MakePosixFileSystem(path, 1).ValueOrDie();
  const Status saved = index_->Save(files.get(), "");
  if (!saved.ok()) Fail(saved.ToString());
}

void LongbowIndex::Load(const std::string& path, const Matrix& base) {
  if (index_ == nullptr) Open(1);
  PutAll(base);
  const auto files = MakePosixFileSystem(path, 1).ValueOrDie();
  const Status loaded = index_->Load(files.get(), "");
  if (!loaded.ok()) Fail(loaded.ToString());
  if (index_->indexed_end() != end_) Fail(path + " holds a graph of another number of rows");
}

void LongbowIndex::Append(const Matrix& from, std::span<const uint32_t> rows, bool wait) {
  const RowOrdinal first = end_;
  const auto end = first + static_cast<RowOrdinal>(rows.size());
  Grow(end);
  for (size_t i = 0; i < rows.size(); ++i)
    Put(from.row(rows[i]), first + static_cast<RowOrdinal>(i), rows[i]);
  index_->RowsAppended(first, end);
  end_ = end;
  live_ += rows.size();
  if (wait) WaitIndexed();
}

void LongbowIndex::WaitIndexed() {
  std::promise<Status> indexed;
  index_->WhenIndexed(end_, [&](Status status) { indexed.set_value(status); });
  const Status status = indexed.get_future().get();
  if (!status.ok()) Fail(status.ToString());
}

void LongbowIndex::Erase(std::span<const RowOrdinal> rows) {
  for (RowOrdinal row : rows) versions_.SetDied(row, 1);
  index_->Erase(rows);
  live_ -= rows.size();
}

void LongbowIndex::WaitForMaintenance() {
  const auto until = std::chrono::steady_clock::now() + kMostMaintenance;
  const auto gauge = [&](std::string_view name) {
    for (const index::IndexGauge& g : index_->Gauges()) {
      if (g.name == name) return g.value;
    }
    return 0.0;
  };
  // It may begin anew right after it ended, so quiet means: several looks in a row.
  for (int quiet = 0; quiet < 10 && std::chrono::steady_clock::now() < until;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    quiet = gauge("maintaining") == 0 && gauge("backlog_rows") == 0 ? quiet + 1 : 0;
  }
}

std::vector<uint32_t> LongbowIndex::Lengths() {
  return {10, 12, 14, 16, 20, 24, 28, 34, 40, 48, 56, 68, 80, 96, 112, 136, 160, 192, 224, 272, 320, 448};
}

std::vector<Knob> LongbowIndex::Knobs() const {
  std::vector<Knob> knobs;
  for (const uint32_t ef : Lengths()) knobs.push_back({ef, 0});
  for (const uint32_t recall :
       {6000, 7000, 8000, 8500, 8800, 9000, 9200, 9400, 9500, 9600, 9700, 9800, 9850, 9900, 9930})
    knobs.push_back({0, recall});
  return knobs;
}

void LongbowIndex::Search(const Matrix& queries, uint32_t k, const Knob& knob, uint32_t* found) {
  index::Effort effort{.ef = knob.effort};
  if (knob.effort == 0) effort.recall = static_cast<float>(knob.rescore) / 1e4f;
  for (size_t q = 0; q < queries.rows; ++q, found += k) {
    Search(queries.vector(q), k, effort, index::Method::kWalk, nullptr, 0, found);
  }
}

void LongbowIndex::Search(std::span<const float> query, uint32_t k, index::Effort effort,
                          index::Method method, const RowSelection* selection, uint64_t selected,
                          uint32_t* found) {
  index::SearchSpec spec;
  spec.method = method;
  spec.effort = effort;
  spec.selection = selection;
  spec.selected = selected;
  spec.visibility = {&versions_, 1, end_};
  spec.rows = live_;
  spec.k = {&k, 1};
  spec.queries = reinterpret_cast<const std::byte*>(query.data());
  const Status status = index_->Search(spec, scratch_.get(), &hits_);
  if (!status.ok()) Fail(status.ToString());
  work_ += hits_.work;
  std::fill_n(found, k, kNoRow);
  for (const index::Neighbor& hit : hits_.neighbors) *found++ = sources_.GetRelaxed(hit.row);
}

void LongbowIndex::SearchTogether(const Matrix& queries, size_t first, uint32_t count, uint32_t k,
                                  index::Effort effort, index::Method method, uint32_t* found) {
  ks_.assign(count, k);
  index::SearchSpec spec;
  spec.method = method;
  spec.effort = effort;
  spec.visibility = {&versions_, 1, end_};
  spec.k = ks_;
  spec.queries = reinterpret_cast<const std::byte*>(queries.row(first));
  spec.query_stride = queries.dim * sizeof(float);
  spec.query_count = count;
  const Status status = index_->Search(spec, scratch_.get(), &hits_);
  if (!status.ok()) Fail(status.ToString());
  work_ += hits_.work;
  std::fill_n(found, size_t{count} * k, kNoRow);
  for (uint32_t q = 0; q < count; ++q) {
    for (uint32_t i = hits_.offsets[q]; i < hits_.offsets[q + 1]; ++i)
      found[q * k + i - hits_.offsets[q]] = sources_.GetRelaxed(hits_.neighbors[i].row);
  }
}

std::vector<index::MethodCost> LongbowIndex::Methods(uint32_t k, index::Effort effort,
                                                     uint64_t selected) const {
  index::SearchShape shape;
  shape.k = k;
  shape.effort = effort;
  shape.rows = live_;
  shape.has_selection = true;
  shape.selected = selected;
  auto methods = index_->Methods(shape);
  std::stable_sort(methods.begin(), methods.end(),
                   [](const auto& a, const auto& b) { return a.nanos < b.nanos; });
  return methods;
}

Work LongbowIndex::TakeWork() {
  const Work work{work_.distances, work_.codes, work_.hops, work_.bytes};
  work_ = {};
  return work;
}

std::vector<ContenderType> LongbowContenders() {
  return {{"longbow", "longbow", "the defaults, float32 originals", Make<distance::ElementType::kFloat32>},
          {"longbow-f16", "longbow-f16", "the defaults, float16 originals",
           Make<distance::ElementType::kFloat16>}};
}

std::vector<ContenderType> AllContenders() {
  std::vector<ContenderType> all;
  for (const auto& list : {LongbowContenders(), HnswlibContenders(), FaissContenders(), UsearchContenders(),
                           VoyagerContenders()}) {
    all.insert(all.end(), list.begin(), list.end());
  }
  return all;
}

}  // namespace longbow::bench
