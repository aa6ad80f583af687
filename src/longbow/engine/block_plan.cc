#include "longbow/engine/block_plan.h"

#include <algorithm>
#include <numeric>

namespace longbow::engine {
namespace {

// An old block as it looks now.
struct Candidate {
  storage::BlockEntry entry;
  uint32_t live = 0;
  bool again = false;    // to be written again
  bool shrinks = false;  // for its dead rows
};

class Planner {
 public:
  explicit Planner(const PlanInput& input) : input_(input) {}

  BlockPlan Run() {
    for (const auto& entry : *input_.blocks) Look(entry);
    fresh_live_ = CountVisible(input_.sealed_end, input_.visibility.end);
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
    int64_t budget = 2 * BytesOf(fresh_live_) + input_.limits.compaction_bytes;
    for (const size_t i : order) {
      const uint64_t rows = old_[i].entry.rows;
      if ((rows - old_[i].live) * 100 <= rows * DeadPercent()) break;
      if (budget <= 0) break;
      old_[i].again = old_[i].shrinks = true;
      budget -= BytesOf(old_[i].live);
      ++plan_.compacted;
    }
  }

  bool Fits(uint64_t rows) const {
    return rows <= input_.limits.file_rows && BytesOf(rows) <= input_.limits.file_bytes;
  }

  // As a binary counter carries: blocks at the end that are less than twice as large as what follows join it.
  void AbsorbTail() {
    uint64_t rows = fresh_live_;
    if (rows == 0) return;
    for (size_t i = old_.size(); i-- > 0;) {
      Candidate& before = old_[i];
      if (before.live >= 2 * rows || !Fits(rows + before.live)) return;
      plan_.merged += before.again ? 0 : 1;
      before.again = true;
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
  void Write(RowOrdinal first, RowOrdinal end) {
    RowRange range{first, first};
    uint64_t rows = 0;
    for (RowOrdinal row = first; row < end; ++row) {
      if (!Visible(row)) continue;
      if (rows > 0 && !Fits(rows + 1)) {
        plan_.written.push_back(range);
        rows = 0;
      }
      if (rows++ == 0) range.first = row;
      range.end = row + 1;
    }
    if (rows > 0) plan_.written.push_back(range);
  }

  void Emit() {
    for (size_t i = 0; i < old_.size();) {
      if (!old_[i].again) {
        plan_.kept.push_back(std::move(old_[i++].entry));
        continue;
      }
      const RowOrdinal first = old_[i].entry.first_row;
      RowOrdinal end = first;
      for (; i < old_.size() && old_[i].again; ++i) end = old_[i].entry.end_row;
      if (i < old_.size()) {
        Write(first, end);
      } else {
        return Write(first, input_.visibility.end);  // the new rows go along
      }
    }
    Write(input_.sealed_end, input_.visibility.end);
  }

  const PlanInput& input_;
  BlockPlan plan_;
  std::vector<Candidate> old_;
  uint64_t fresh_live_ = 0;
};

}  // namespace

BlockPlan PlanBlocks(const PlanInput& input) { return Planner(input).Run(); }

}  // namespace longbow::engine
