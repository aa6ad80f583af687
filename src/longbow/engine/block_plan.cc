#include "longbow/engine/block_plan.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace longbow::engine {
namespace {

// Files are a share of what lives at most, as writing one again takes its room once more; small ones never
// matter.
constexpr int64_t kFilesAtLeast = 4;
constexpr int64_t kSmallFile = int64_t{16} << 20;

// An old block as it looks now.
struct Candidate {
  storage::BlockEntry entry;
  uint32_t live = 0;
  bool again = false;    // to be written again
  bool shrinks = false;  // for its dead rows
  bool joins = false;    // with the new rows, which it goes before
};

class Planner {
 public:
  explicit Planner(const PlanInput& input) : input_(input) {}

  BlockPlan Run() {
    for (const auto& entry : *input_.blocks) Look(entry);
    fresh_live_ = CountVisible(input_.sealed_end, input_.visibility.end);
    uint64_t live = fresh_live_;
    for (const Candidate& candidate : old_) live += candidate.live;
    file_bytes_ = std::min(input_.limits.file_bytes, std::max(kSmallFile, BytesOf(live) / kFilesAtLeast));
    ChooseDead();
    AbsorbTail();
    AbsorbNeighbours();
    Emit();
    return std::move(plan_);
  }

 private:
  bool Visible(RowOrdinal row) const { return input_.visibility.Visible(row); }
  int64_t BytesOf(uint64_t rows) const { return static_cast<int64_t>(rows) * input_.row_bytes; }

  uint64_t CountVisible(RowOrdinal first, RowOrdinal end) const {
    uint64_t count = 0;
    for (RowOrdinal row = first; row < end; ++row) count += Visible(row) ? 1 : 0;
    return count;
  }

  void Look(const storage::BlockEntry& entry) {
    Candidate candidate{.entry = entry};
    const uint32_t range = entry.end_row - entry.first_row;
    std::string dead((range + 7) / 8, '\0');
    for (uint32_t i = 0; i < range; ++i) {
      if (Visible(entry.first_row + i)) {
        ++candidate.live;
      } else {
        dead[i / 8] = static_cast<char>(dead[i / 8] | 1 << (i % 8));
      }
    }
    candidate.entry.dead = candidate.live == range ? std::string() : std::move(dead);
    if (candidate.live == 0) {
      ++plan_.compacted;
    } else {
      old_.push_back(std::move(candidate));
    }
  }

  uint64_t DeadPercent() const {
    const BlockLimits& limits = input_.limits;
    const bool wide = input_.row_bytes >= limits.wide_row_bytes;
    return static_cast<uint64_t>(wide ? std::min(limits.dead_percent, limits.wide_dead_percent)
                                      : limits.dead_percent);
  }

  // The blocks with the largest share of dead rows, as far as the budget goes; one at least.
  void ChooseDead() {
    std::vector<size_t> order(old_.size());
    std::iota(order.begin(), order.end(), 0);
    const auto share = [&](size_t i) { return double(old_[i].live) / old_[i].entry.rows; };
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return share(a) < share(b); });
    uint64_t dead = 0;
    for (const Candidate& candidate : old_) dead += candidate.entry.rows - candidate.live;
    int64_t budget = std::max(2 * BytesOf(fresh_live_), BytesOf(dead)) + input_.limits.compaction_bytes;
    for (const size_t i : order) {
      const uint64_t rows = old_[i].entry.rows;
      if ((rows - old_[i].live) * 100 <= rows * DeadPercent()) break;
      if (budget <= 0) break;
      old_[i].again = old_[i].shrinks = true;
      budget -= BytesOf(old_[i].live);
      ++plan_.compacted;
    }
  }

  bool Fits(uint64_t rows) const { return rows <= input_.limits.file_rows && BytesOf(rows) <= file_bytes_; }

  // As a binary counter carries: blocks at the end that are less than twice as large as what follows join it.
  void AbsorbTail() {
    uint64_t rows = fresh_live_;
    if (rows == 0) return;
    for (size_t i = old_.size(); i-- > 0;) {
      Candidate& before = old_[i];
      if (before.live >= 2 * rows || !Fits(rows + before.live)) return;
      plan_.merged += before.again ? 0 : 1;
      before.again = before.joins = true;
      rows += before.live;
    }
  }

  // A small block beside one that shrinks goes along, so that what is left of many becomes one.
  void AbsorbNeighbours() {
    for (size_t i = 0; i < old_.size(); ++i) {
      if (old_[i].again || !Fits(uint64_t{old_[i].live} * 4)) continue;
      const bool before = i > 0 && old_[i - 1].shrinks && Fits(uint64_t{old_[i - 1].live} + old_[i].live);
      const bool after =
          i + 1 < old_.size() && old_[i + 1].shrinks && Fits(uint64_t{old_[i + 1].live} + old_[i].live);
      if (!before && !after) continue;
      old_[i].again = true;
      ++plan_.merged;
    }
  }

  // Cuts what is written into files, at visible rows.
  void Write(RowOrdinal first, RowOrdinal end, std::vector<RowRange>* written) const {
    RowRange range{first, first};
    uint64_t rows = 0;
    for (RowOrdinal row = first; row < end; ++row) {
      if (!Visible(row)) continue;
      if (rows > 0 && !Fits(rows + 1)) {
        written->push_back(range);
        rows = 0;
      }
      if (rows++ == 0) range.first = row;
      range.end = row + 1;
    }
    if (rows > 0) written->push_back(range);
  }

  void Emit() {
    RowOrdinal first_new = input_.sealed_end;
    for (size_t i = 0; i < old_.size();) {
      if (old_[i].joins) {
        first_new = old_[i].entry.first_row;
        break;  // so do all behind it
      }
      const size_t first = i;
      uint64_t rows = 0;
      for (; i < old_.size() && old_[i].again && !old_[i].joins; ++i) {
        if (i > first && !Fits(rows + old_[i].live)) break;
        rows += old_[i].live;
      }
      if (i > first) EmitRewrite(first, i);
      if (i == first) plan_.kept.push_back(std::move(old_[i++].entry));
    }
    std::stable_sort(plan_.rewrites.begin(), plan_.rewrites.end(), [&](const auto& a, const auto& b) {
      return dead_.at(a.files[0]) > dead_.at(b.files[0]);
    });
    Write(first_new, input_.visibility.end, &plan_.written);
  }

  void EmitRewrite(size_t first, size_t end) {
    BlockRewrite rewrite;
    uint64_t dead = 0;
    for (size_t i = first; i < end; ++i) {
      dead += old_[i].entry.rows - old_[i].live;
      rewrite.files.push_back(old_[i].entry.file);
      plan_.kept.push_back(old_[i].entry);
    }
    dead_[rewrite.files[0]] = dead;
    Write(old_[first].entry.first_row, old_[end - 1].entry.end_row, &rewrite.written);
    plan_.rewrites.push_back(std::move(rewrite));
  }

  const PlanInput& input_;
  BlockPlan plan_;
  std::vector<Candidate> old_;
  uint64_t fresh_live_ = 0;
  int64_t file_bytes_ = 0;             // none is planned larger
  std::map<uint64_t, uint64_t> dead_;  // rows that a rewrite leaves out, by its first file
};

}  // namespace

BlockPlan PlanBlocks(const PlanInput& input) { return Planner(input).Run(); }

}  // namespace longbow::engine
