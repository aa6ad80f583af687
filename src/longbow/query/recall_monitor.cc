#include "longbow/query/recall_monitor.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

#include "longbow/base/budget.h"
#include "longbow/query/hit_order.h"
#include "longbow/query/neighbor_search.h"

namespace longbow::query {
namespace {

constexpr int64_t kLookAgainNanos = 50'000'000;  // while searches wait

struct Bucket {
  const char* name;
  double least;  // share of the rows that is selected
};
constexpr Bucket kBuckets[] = {
    {"all", 1}, {"10%-100%", 0.1}, {"1%-10%", 0.01}, {"0.1%-1%", 0.001}, {"0-0.1%", 0}};

const char* BucketOf(const RecallSample& sample) {
  if (sample.selection == nullptr) return kBuckets[0].name;
  const double share = static_cast<double>(sample.selected) / std::max(1.0, static_cast<double>(sample.rows));
  const auto* bucket = std::find_if(std::begin(kBuckets) + 1, std::end(kBuckets) - 1,
                                    [&](const Bucket& one) { return share >= one.least; });
  return bucket->name;
}

// E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
std::pair<double, double> WilsonInterval(double mean, double trials) {
  constexpr double kZ = 1.96;
  const double z2 = kZ * kZ / trials;
  const double middle = (mean + z2 / 2) / (1 + z2);
  const double half = kZ / (1 + z2) * std::sqrt(mean * (1 - mean) / trials + z2 / (4 * trials));
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

}  // namespace

// Runs one sample at a time. Guarded by its mutex.
class RecallMonitor::Work : public std::enable_shared_from_this<Work> {
 public:
  Work(const Environment& environment, RecallOptions options)
      : clock_(environment.clock),
        searchers_(environment.searchers),
        builders_(environment.builders),
        options_(options) {}

  void Offer(RecallSample sample) {
    {
      std::lock_guard lock(mutex_);
      if (closed_ || waiting_.size() >= kMaxWaiting || clock_->MonotonicNanos() < rest_until_) {
        skipped_.Add();
        return;
      }
      waiting_.push_back(std::move(sample));
      if (std::exchange(scheduled_, true)) return;
    }
    builders_->Post([self = shared_from_this()] { self->Turn(); });
  }

  void Close() {
    std::deque<RecallSample> dropped;
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
      dropped.swap(waiting_);
    }
    dropped.clear();
    builders_->WaitUntil([this] {
      std::lock_guard lock(mutex_);
      return !running_;
    });
  }

  void Keep(const std::function<bool(const std::string&)>& is_there) {
    std::vector<std::string> known;  // asked about without the lock: who answers has locks of its own
    {
      std::lock_guard lock(mutex_);
      for (const auto& [about, tally] : tallies_) known.push_back(about.first);
    }
    std::erase_if(known, is_there);
    std::lock_guard lock(mutex_);
    for (const std::string& gone : known) {
      std::erase_if(tallies_, [&](const auto& entry) { return entry.first.first == gone; });
    }
  }

  void ListCounters(CounterVisitor& visitor) const {
    visitor.Visit("search_recall_skipped_total", "Samples for recall not taken: too many or too costly", {},
                  skipped_);
    std::lock_guard lock(mutex_);
    for (const auto& [about, tally] : tallies_) {
      const Labels labels = {{"dataset", about.first}, {"selectivity", about.second}};
      const double mean = tally.sum / tally.queries;
      const auto [low, high] = WilsonInterval(mean, tally.queries);
      visitor.VisitValue("search_recall_samples_total", "Searches repeated exactly", labels, tally.queries);
      visitor.VisitValue("search_recall_ratio", "Share of the true nearest that real searches found", labels,
                         mean);
      visitor.VisitValue("search_recall_low_ratio", "Lower end of its 95 % interval", labels, low);
      visitor.VisitValue("search_recall_high_ratio", "Upper end of its 95 % interval", labels, high);
    }
  }

 private:
  struct Tally {
    double queries = 0, sum = 0;
  };

  void Turn() {
    RecallSample sample;
    {
      std::lock_guard lock(mutex_);
      scheduled_ = false;
      if (closed_ || waiting_.empty()) return;
      if (searchers_->waiting() > 0) {
        scheduled_ = true;
        builders_->PostAfter(kLookAgainNanos, [self = shared_from_this()] { self->Turn(); });
        return;
      }
      sample = std::move(waiting_.front());
      waiting_.pop_front();
      running_ = true;
    }
    Repeat(sample);
    sample = {};  // lets go of the view before this counts as done
    std::lock_guard lock(mutex_);
    running_ = false;
    if (waiting_.empty() || closed_ || std::exchange(scheduled_, true)) return;
    builders_->Post([self = shared_from_this()] { self->Turn(); });
  }

  void Repeat(const RecallSample& sample) {
    const int64_t start = clock_->MonotonicNanos();
    workspace_.prepared = sample.query;
    workspace_.stride = sample.query.size();
    workspace_.whole = true;
    workspace_.k.assign(1, sample.k + (sample.left_out == kNoRow ? 0 : 1));
    workspace_.left_out.assign(1, sample.left_out);
    Budget budget(clock_, 0, nullptr, options_.max_distances);
    NeighborSearch search;
    search.view = sample.view.get();
    search.vector_column = sample.vector_column;
    search.exact = true;
    search.selection = sample.selection.get();
    search.selected = sample.selected;
    search.budget = &budget;
    const auto done = FindNeighbors(search, &workspace_);
    const int64_t now = clock_->MonotonicNanos();
    const bool good = done.ok() && workspace_.hits.coverage == index::Coverage::kExact;
    const double recall = good ? RecallOf(sample.found, workspace_.hits.neighbors) : 0;
    std::lock_guard lock(mutex_);
    rest_until_ = now + static_cast<int64_t>(static_cast<double>(now - start) / options_.share_of_time);
    if (!good) return skipped_.Add();
    Tally& tally = tallies_[{sample.dataset, BucketOf(sample)}];
    tally.queries += 1;
    tally.sum += recall;
  }

  const Clock* const clock_;
  Executor* const searchers_;
  Executor* const builders_;
  const RecallOptions options_;
  Workspace workspace_;  // of the turn under way
  Counter skipped_;
  mutable std::mutex mutex_;
  std::deque<RecallSample> waiting_;                              // guarded by mutex_
  std::map<std::pair<std::string, std::string>, Tally> tallies_;  // guarded by mutex_
  int64_t rest_until_ = 0;                                        // guarded by mutex_
  bool scheduled_ = false, running_ = false, closed_ = false;     // guarded by mutex_
};

RecallMonitor::RecallMonitor(const Environment& environment, RecallOptions options)
    : options_(options), work_(std::make_shared<Work>(environment, options)) {}

RecallMonitor::~RecallMonitor() { work_->Close(); }

// Every n-th, so that a share is a share also of few searches.
bool RecallMonitor::Wants() {
  if (options_.share <= 0) return false;
  const auto every = static_cast<uint64_t>(std::max(1.0, std::round(1 / options_.share)));
  return (searches_.fetch_add(1, std::memory_order_relaxed) + 1) % every == 0;
}

void RecallMonitor::Offer(RecallSample sample) { work_->Offer(std::move(sample)); }

void RecallMonitor::Keep(const std::function<bool(const std::string&)>& is_there) const {
  work_->Keep(is_there);
}

void RecallMonitor::ListCounters(CounterVisitor& visitor) const { work_->ListCounters(visitor); }

}  // namespace longbow::query
