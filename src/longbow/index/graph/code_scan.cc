#include "longbow/index/graph/code_scan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "longbow/base/check.h"

namespace longbow::index {
namespace {

constexpr RowOrdinal kRowsALook = 1024;  // between looks at the budget
constexpr size_t kPrefetched = 512;      // bytes of a row; the processor goes on by itself
// Up to so many rows an estimate is trusted to 3.5 standard errors: it costs little there, and equal vectors
// err together, so that one estimate gone wrong can lose all of the k.
constexpr RowOrdinal kFewRows = 20000;
constexpr float kDoubtOfFew = 3.5f;
// Of the 256 totals so many are for what may be near, the others for rows farther from the centre than those
// that were looked at.
constexpr float kStepsOfNear = 200;
constexpr float kMostTooWide = 1.5f, kMostTooNarrow = 1.15f;  // before a table is made anew
constexpr float kMostRounding = 0.5f;                         // of an estimate's standard error

// How many standard errors `share` of what is normally distributed stays below: the estimate of a row as near
// as the last one wanted must.
float DeviationsFor(float share) {
  // Abramowitz and Stegun, 26.2.23, to 5e-4.
  const float tail = std::clamp(1 - share, 1e-4f, 0.5f), t = std::sqrt(-2 * std::log(tail));
  return t - (2.515517f + t * (0.802853f + t * 0.010328f)) /
                 (1 + t * (1.432788f + t * (0.189269f + t * 0.001308f)));
}

// Bit i: row block + i lies in [first, end).
uint32_t BitsBetween(RowOrdinal block, RowOrdinal first, RowOrdinal end) {
  uint32_t bits = ~uint32_t{0};
  if (first > block) bits &= ~uint32_t{0} << (first - block);
  if (end - block < RowCodes::kRows) bits &= ~(~uint32_t{0} << (end - block));
  return bits;
}

float Least(const float* x) {
  float least[4] = {x[0], x[1], x[2], x[3]};  // a vector's lanes
  for (size_t i = 4; i < RowCodes::kRows; i += 4) {
    for (size_t lane = 0; lane < 4; ++lane)
      least[lane] = x[i + lane] < least[lane] ? x[i + lane] : least[lane];
  }
  return std::min(std::min(least[0], least[1]), std::min(least[2], least[3]));
}

// The n-th smallest of x, or the largest when there are fewer: by insertion, as n is small (a heap took 4 %
// of a scan of 10,000 rows more). x is not longer than the first blocks are many.
float NthLeast(std::span<const float> x, size_t n) {
  std::array<float, CodeScan::kMostFirstBlocks> least;
  n = std::min({n, least.size(), x.size()});
  size_t count = 0;
  for (const float value : x) {
    if (count == n && value >= least[n - 1]) continue;
    size_t at = count < n ? count++ : n - 1;
    for (; at > 0 && least[at - 1] > value; --at) least[at] = least[at - 1];
    least[at] = value;
  }
  return n == 0 ? 0 : least[n - 1];
}

uint32_t SelectedBits(const RowSelection* selection, RowOrdinal first) {
  if (selection == nullptr) return ~uint32_t{0};
  if (first >= selection->end()) return 0;
  return static_cast<uint32_t>(selection->words()[first / 64] >> (first % 64));
}

}  // namespace

void CodeScan::Aim(const RowCodes& codes, const GraphSpace& space, const Query& query, float recall) {
  const size_t n = codes.n();
  query_ = query.data;
  point_.assign(query.point, query.point + n);
  scale_ = query.scale;
  top_ = query.top;
  entries_.resize(codec::TableBytes(n) + 63);
  const auto address = reinterpret_cast<uintptr_t>(entries_.data());
  table_ = space.kernels().make_table(point_.data(), n, entries_.data() + (-address & 63));
  square_ = all_ = 0;
  for (const float x : point_) square_ += x * x, all_ += std::abs(x);
  length_ = std::sqrt(square_);
  fitted_ = 0;
  deviations_ = DeviationsFor(recall);
}

// What scans are of.
struct CodeScan::Pass {
  const RowCodes& codes;
  const GraphSpace& space;
  const VectorStore& store;
  const distance::KernelSet& kernels;
  const SearchSpec& spec;
  const RowOrdinal first, end;
  SearchWork* const work;

  uint32_t Wanted(RowOrdinal block) const {
    return SelectedBits(spec.selection, block) & BitsBetween(block, first, end);
  }
};

// Bit i: row + i may be no farther than the bound.
uint32_t CodeScan::EstimateBlock(const Pass& pass, RowOrdinal row, float bound, float* estimates) const {
  const RowCodes::Block block = pass.codes.At(row);
  const codec::EstimateTerms terms{square_, block.constants, block.slopes, block.slopes,
                                   reach_ * pass.codes.error()};
  pass.work->codes += RowCodes::kRows;
  return pass.space.kernels().estimate(block.codes, pass.codes.bits(), pass.codes.n(), table_, terms, bound,
                                       estimates);
}

// A table whose totals just hold what may be near, as of the rows of one block. To ask it is far cheaper than
// estimates are, and it rounds as finely as what is near has much in common with the query.
void CodeScan::Fit(const Pass& pass, RowOrdinal row) {
  const float limit = bound();
  if (!std::isfinite(limit) || !(length_ > 0)) return;
  const RowCodes::Block block = pass.codes.At(row);
  const uint32_t bits = pass.codes.bits();
  const float most = all_ * static_cast<float>((1u << bits) - 1);
  const float error = pass.codes.error() * length_, doubt = pass.codes.error() * reach_;
  float shortfall = 0;
  for (RowOrdinal i = 0; i < RowCodes::kRows; ++i) {
    if (!(block.slopes[i] < 0)) continue;
    const float room = most + doubt + (limit - square_ - block.constants[i]) * block.inverses[i];
    shortfall = std::max(shortfall, std::min(room, 2 * most));
  }
  if (!(shortfall > 0)) return;
  if (shortfall < fitted_ * kMostTooNarrow && shortfall * kMostTooWide > fitted_) return;
  const float step = shortfall / kStepsOfNear;
  // Entries, one for each 4 dimensions and plane, are rounded evenly.
  const float rounding = step * std::sqrt(static_cast<float>(bits * pass.codes.n()) / 4 / 12);
  fitted_ = rounding > kMostRounding * error ? 0 : shortfall;
  if (fitted_ == 0) return;
  scan_entries_.resize(codec::ScanTableBytes(pass.codes.n(), bits) + 63);
  const auto address = reinterpret_cast<uintptr_t>(scan_entries_.data());
  scan_table_ = pass.space.kernels().make_scan_table(point_.data(), pass.codes.n(), bits, all_, step,
                                                     scan_entries_.data() + (-address & 63));
  scan_table_.base = square_;
  scan_table_.doubt = doubt * std::sqrt(1 + rounding * rounding / (error * error));
}

void CodeScan::FindNear(std::span<CodeScan> scans, const Pass& pass, RowOrdinal row, uint32_t count) {
  std::array<codec::ScanQuery, kMostTogether> queries;
  size_t fitted = 0;
  for (CodeScan& scan : scans) {
    if (scan.from_ > row) continue;
    if (scan.fitted_ > 0) {
      queries[fitted++] = {&scan.scan_table_, scan.bound(), scan.near_.data()};
      continue;
    }
    for (uint32_t i = 0; i < count; ++i) {
      scan.near_[i] =
          scan.EstimateBlock(pass, row + i * RowCodes::kRows, scan.bound(), scan.estimates_.data());
    }
  }
  const RowCodes::Block block = pass.codes.At(row);
  pass.work->codes += static_cast<int64_t>(fitted * count * RowCodes::kRows);
  pass.space.kernels().near({block.codes, block.constants, block.inverses, pass.codes.block_bytes(), count},
                            pass.codes.bits(), pass.codes.n(), queries.data(), fitted);
}

// It is looked at later: by then what is known of it has come from memory.
void CodeScan::Want(const Pass& pass, RowOrdinal row) {
  pass.spec.visibility.Prefetch(row);
  const std::byte* const at = pass.store.Row(row);
  for (size_t line = 0; line < std::min(kPrefetched, pass.store.row_bytes()); line += 64)
    __builtin_prefetch(at + line);
  rows_[waiting_++] = row;
}

void CodeScan::WantAll(const Pass& pass, RowOrdinal row, uint32_t near) {
  for (; near != 0; near &= near - 1) Want(pass, row + static_cast<RowOrdinal>(std::countr_zero(near)));
  if (waiting_ >= kBatch) TakeBatch(pass);
}

bool CodeScan::Run(std::span<CodeScan> scans, const RowCodes& codes, const GraphSpace& space,
                   const VectorStore& store, const distance::KernelSet& kernels, const SearchSpec& spec,
                   RowOrdinal first, RowOrdinal end, RowOrdinal rows, SearchWork* work) {
  LB_CHECK(scans.size() <= kMostTogether);
  const Pass pass{codes, space, store, kernels, spec, first, end, work};
  const int64_t codes_before = work->codes;
  bool budget_left = true;
  RowOrdinal row = end;
  for (CodeScan& scan : scans) {
    scan.Begin(pass, rows);
    budget_left = budget_left && scan.budget_left_;
    row = std::min(row, scan.from_);
  }
  while (row < end && budget_left) {
    if (row % kRowsALook == 0) {
      if (spec.visibility.versions->released(row)) {
        row += kRowsALook;
        continue;
      }
      for (CodeScan& scan : scans) {
        scan.Spend(pass, kRowsALook / 16);
        budget_left = budget_left && scan.budget_left_;
        scan.Fit(pass, row);
      }
    }
    const uint32_t at_once =
        spec.selection == nullptr ? kBlocksAtOnce - row / RowCodes::kRows % kBlocksAtOnce : 1;
    uint32_t count = std::min(at_once, (end - row + RowCodes::kRows - 1) / RowCodes::kRows);
    for (const CodeScan& scan : scans) {
      if (scan.from_ > row) count = std::min(count, (scan.from_ - row) / RowCodes::kRows);
    }
    if (spec.selection == nullptr || pass.Wanted(row) != 0) {
      FindNear(scans, pass, row, count);
      for (CodeScan& scan : scans) {
        if (scan.from_ > row) continue;
        for (uint32_t i = 0; i < count; ++i) {
          if (scan.near_[i] == 0) continue;
          const RowOrdinal block = row + i * RowCodes::kRows;
          scan.WantAll(pass, block, scan.near_[i] & pass.Wanted(block));
        }
        budget_left = budget_left && scan.budget_left_;
      }
    }
    row += count * RowCodes::kRows;
  }
  for (CodeScan& scan : scans) scan.TakeBatch(pass);
  work->bytes += (work->codes - codes_before) / RowCodes::kRows * static_cast<int64_t>(codes.block_bytes());
  return row >= end;
}

void CodeScan::Begin(const Pass& pass, RowOrdinal rows) {
  reach_ = length_ * (rows <= kFewRows ? std::max(deviations_, kDoubtOfFew) : deviations_);
  waiting_ = 0;
  budget_left_ = true;
  ScanFirst(pass);
}

void CodeScan::Spend(const Pass& pass, int64_t distances) {
  if (pass.spec.budget != nullptr) budget_left_ = pass.spec.budget->Spend(distances);
}

// While nothing is known, every row is near. So of many blocks the nearest row of each is known first, by its
// estimate, and the nearest of those are taken: the k-th is not much farther than the k-th of all these rows.
void CodeScan::ScanFirst(const Pass& pass) {
  const RowOrdinal first = pass.first / RowCodes::kRows * RowCodes::kRows;
  from_ = first;
  const auto blocks = std::min<uint32_t>((pass.end - first) / RowCodes::kRows, kMostFirstBlocks);
  if (pass.spec.visibility.versions->released(first) || pass.spec.selection != nullptr ||
      blocks < kLeastFirstBlocks || top_->size() > 0)
    return;
  constexpr float kAnything = std::numeric_limits<float>::infinity();
  Spend(pass, int64_t{blocks} * RowCodes::kRows / 16);
  for (uint32_t i = 0; i < blocks; ++i) {
    const RowOrdinal row = first + i * RowCodes::kRows;
    float* const estimates = estimates_.data() + i * RowCodes::kRows;
    EstimateBlock(pass, row, kAnything, estimates);
    others_[i] = pass.Wanted(row);
    least_[i] = Least(estimates);
  }
  const float near = NthLeast({least_.data(), blocks}, top_->k() + top_->k() / 2);
  for (uint32_t i = 0; i < blocks; ++i) {
    if (least_[i] > near) continue;
    const uint32_t nearest = static_cast<uint32_t>(
        std::countr_zero(pass.space.kernels().not_above(estimates_.data() + i * RowCodes::kRows, least_[i])));
    if (nearest >= RowCodes::kRows || (others_[i] >> nearest & 1) == 0) continue;
    others_[i] &= ~(uint32_t{1} << nearest);
    WantAll(pass, first + i * RowCodes::kRows, uint32_t{1} << nearest);
  }
  TakeBatch(pass);
  uint32_t seen = 0;
  for (; seen < blocks && budget_left_; ++seen) {
    const float* const estimates = estimates_.data() + seen * RowCodes::kRows;
    WantAll(pass, first + seen * RowCodes::kRows,
            pass.space.kernels().not_above(estimates, bound()) & others_[seen]);
  }
  from_ = first + seen * RowCodes::kRows;
}

void CodeScan::TakeBatch(const Pass& pass) {
  size_t count = 0;
  for (size_t i = 0; i < waiting_; ++i) {
    const RowOrdinal row = rows_[i];
    rows_[count] = row;
    count += pass.spec.visibility.Visible(row) && pass.store.Present(row);
  }
  waiting_ = 0;
  if (count == 0) return;
  for (size_t i = 0; i < count; ++i) rows_at_[i] = pass.store.Row(rows_[i]);
  pass.kernels.gather(query_, rows_at_.data(), count, pass.store.scalars(), distances_.data());
  top_->OfferAll(distances_.data(), count, [this](size_t i) { return rows_[i]; });
  pass.work->distances += static_cast<int64_t>(count);
  Spend(pass, static_cast<int64_t>(count));
  pass.work->bytes += static_cast<int64_t>(count * pass.store.row_bytes());
}

}  // namespace longbow::index
