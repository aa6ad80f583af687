#include <cmath>
#include <cstdio>
#include <optional>

#include "ann/exact.h"
#include "ann/longbow_contender.h"
#include "ann/machine.h"
#include "ann/measures.h"

namespace longbow::bench {
namespace {

struct Point {
  Knob knob;
  double recall = 0, first_qps = 0;                      // of the pass that finds out which points matter
  double hops = 0, distances = 0, codes = 0, bytes = 0;  // a query
  std::vector<Times> rounds;                             // seconds of all queries
};

class Runner {
 public:
  Runner(const Dataset& data, const Options& options, const Truth& truth, const std::string& name)
      : data_(data), truth_(truth), type_(FindContender(name)), contender_(type_.make(InputOf(data))) {
    contender_->Load(options.indexes_at + "/" + name, data.base);
    found_.resize(data.queries.rows * truth.k());
  }

  const ContenderType& type() const { return type_; }
  const std::vector<Point>& points() const { return points_; }

  // Looks at every knob once and keeps those between which the recalls lie.
  void ChoosePoints() {
    const std::vector<Knob> knobs = contender_->Knobs();
    const bool one_setting = std::adjacent_find(knobs.begin(), knobs.end(), [](const Knob& a, const Knob& b) {
                               return a.effort == b.effort;
                             }) == knobs.end();
    const auto queries = static_cast<double>(data_.queries.rows);
    std::vector<Point> all;
    Point warm;
    warm.knob = knobs.front();
    Pass(&warm);
    for (const Knob& knob : knobs) {
      Point point;
      point.knob = knob;
      contender_->TakeWork();
      Pass(&point);
      const Work work = contender_->TakeWork();
      point.hops = static_cast<double>(work.hops) / queries;
      point.distances = static_cast<double>(work.distances) / queries;
      point.codes = static_cast<double>(work.codes) / queries;
      point.bytes = static_cast<double>(work.bytes) / queries;
      point.first_qps = queries / point.rounds[0].processor;
      point.recall = truth_.Recall(found_);
      point.rounds.clear();
      all.push_back(point);
      if (one_setting && point.recall > kRecalls.back()) break;
    }
    Keep(std::move(all));
  }

  // What comes of asking for a recall, for those contenders of which it can be asked.
  Json Asked() {
    auto* ours = dynamic_cast<LongbowIndex*>(contender_.get());
    Json asked = Json::array();
    for (double recall :
         ours == nullptr ? std::vector<double>{} : std::vector<double>(kRecalls.begin(), kRecalls.end())) {
      const Stopwatch watch;
      for (size_t q = 0; q < data_.queries.rows; ++q) {
        ours->Search(data_.queries.vector(q), truth_.k(), index::Effort{.recall = static_cast<float>(recall)},
                     index::Method::kWalk, nullptr, 0, found_.data() + q * truth_.k());
      }
      const double qps = static_cast<double>(data_.queries.rows) / watch.Elapsed().processor;
      asked.push_back({{"asked", recall}, {"recall", truth_.Recall(found_)}, {"qps", qps}});
      std::printf("asked for recall %.2f: %.4f, %.0f qps\n", recall, asked.back()["recall"].get<double>(),
                  qps);
    }
    return asked;
  }

  void Round() {
    for (Point& point : points_) Pass(&point);
  }

  // By interpolation of log(queries a second) between the points around a recall; nothing when none reaches
  // it.
  std::optional<Times> QpsAt(double recall, size_t round) const {
    const double queries = static_cast<double>(data_.queries.rows);
    const auto qps = [&](const Point& p) {
      return Times{queries / p.rounds[round].wall, queries / p.rounds[round].processor};
    };
    for (size_t i = 0; i < points_.size(); ++i) {
      if (points_[i].recall < recall) continue;
      const Times at = qps(points_[i]);
      if (i == 0) return at;
      const Times before = qps(points_[i - 1]);
      const double share = (recall - points_[i - 1].recall) / (points_[i].recall - points_[i - 1].recall);
      const auto between = [&](double a, double b) {
        return std::exp(std::log(a) * (1 - share) + std::log(b) * share);
      };
      return Times{between(before.wall, at.wall), between(before.processor, at.processor)};
    }
    return std::nullopt;
  }
  // A counter of a query at a recall, interpolated likewise.
  double CounterAt(double recall, double Point::*counter) const {
    for (size_t i = 0; i < points_.size(); ++i) {
      if (points_[i].recall < recall) continue;
      if (i == 0) return points_[0].*counter;
      const double share = (recall - points_[i - 1].recall) / (points_[i].recall - points_[i - 1].recall);
      return points_[i - 1].*counter * (1 - share) + points_[i].*counter * share;
    }
    return 0;
  }

 private:
  void Pass(Point* point) {
    const Stopwatch watch;
    contender_->Search(data_.queries, truth_.k(), point->knob, found_.data());
    point->rounds.push_back(watch.Elapsed());
  }

  // Leaves out points that another beats in both, and those that are next to no recall.
  void Keep(std::vector<Point> all) {
    std::sort(all.begin(), all.end(), [](const Point& a, const Point& b) { return a.recall < b.recall; });
    std::vector<Point> best;
    for (const Point& point : all) {
      while (!best.empty() && best.back().first_qps <= point.first_qps) best.pop_back();
      if (best.empty() || point.recall > best.back().recall) best.push_back(point);
    }
    std::vector<bool> wanted(best.size());
    for (double recall : kRecalls) {
      for (size_t i = 0; i < best.size(); ++i) {
        if (best[i].recall < recall) continue;
        wanted[i] = true;
        if (i > 0) wanted[i - 1] = true;
        break;
      }
    }
    for (size_t i = 0; i < best.size(); ++i) {
      if (wanted[i]) points_.push_back(best[i]);
    }
  }

  const Dataset& data_;
  const Truth& truth_;
  const ContenderType type_;
  const std::unique_ptr<Contender> contender_;
  std::vector<uint32_t> found_;
  std::vector<Point> points_;
};

Json PointsOf(const Runner& runner, size_t queries) {
  Json points = Json::array();
  for (const Point& p : runner.points()) {
    std::vector<double> wall, processor;
    for (const Times& t : p.rounds) {
      wall.push_back(static_cast<double>(queries) / t.wall);
      processor.push_back(static_cast<double>(queries) / t.processor);
    }
    points.push_back({{"knob", p.knob.text()},
                      {"recall", p.recall},
                      {"qps", Median(processor)},
                      {"qps_wall", Median(wall)},
                      {"hops", p.hops},
                      {"distances", p.distances},
                      {"codes", p.codes},
                      {"bytes", p.bytes}});
  }
  return points;
}

// Medians of a contender's queries a second at a recall, and of the first contender's over them, round by
// round.
Json At(const Runner& runner, const Runner& first, double recall, size_t rounds) {
  std::vector<double> qps, wall, ratio, wall_ratio;
  for (size_t r = 0; r < rounds; ++r) {
    const auto mine = runner.QpsAt(recall, r), reference = first.QpsAt(recall, r);
    if (!mine.has_value()) return {{"recall", recall}, {"reached", false}};
    qps.push_back(mine->processor);
    wall.push_back(mine->wall);
    if (!reference.has_value()) continue;
    ratio.push_back(reference->processor / mine->processor);
    wall_ratio.push_back(reference->wall / mine->wall);
  }
  Json at{{"recall", recall},
          {"reached", true},
          {"qps", Median(qps)},
          {"qps_wall", Median(wall)},
          {"first_over_this", Median(ratio)},
          {"first_over_this_wall", Median(wall_ratio)}};
  const double hops = runner.CounterAt(recall, &Point::hops);
  if (hops > 0) {
    at["hops"] = hops;
    at["distances"] = runner.CounterAt(recall, &Point::distances);
    at["codes"] = runner.CounterAt(recall, &Point::codes);
    at["bytes"] = runner.CounterAt(recall, &Point::bytes);
  }
  return at;
}

void Print(const Json& contender) {
  std::printf("%-16s", contender["contender"].get<std::string>().c_str());
  for (const Json& at : contender["at"]) {
    if (!at["reached"].get<bool>())
      std::printf("   %.2f not reached        ", at["recall"].get<double>());
    else
      std::printf("   %.2f %7.0f qps %6.2f x", at["recall"].get<double>(), at["qps"].get<double>(),
                  at["first_over_this"].get<double>());
  }
  std::printf("\n");
}

}  // namespace

Json MeasureSearch(const Dataset& data, const Options& options) {
  if (options.contenders.empty() || options.indexes_at.empty())
    Fail("search takes --contenders and --indexes-at");
  const Truth truth(data, options.k);
  std::vector<std::unique_ptr<Runner>> runners;
  for (const std::string& name : options.contenders)
    runners.push_back(std::make_unique<Runner>(data, options, truth, name));
  AskForHugePages();
  const MemoryUsed memory = ReadMemoryUsed();
  for (const auto& runner : runners) runner->ChoosePoints();
  for (int round = 0; round < options.rounds; ++round) {
    for (const auto& runner : runners) runner->Round();
  }
  std::printf(
      "x: queries a second of %s over the contender's, medians of %d rounds by processor time; %.0f %% of "
      "%.1f GB on huge pages\n",
      options.contenders[0].c_str(), options.rounds,
      100 * static_cast<double>(memory.huge) / static_cast<double>(memory.anonymous),
      static_cast<double>(memory.anonymous) / 1e9);
  Json contenders = Json::array();
  for (const auto& runner : runners) {
    Json at = Json::array();
    for (double recall : kRecalls)
      at.push_back(At(*runner, *runners[0], recall, static_cast<size_t>(options.rounds)));
    contenders.push_back({{"contender", runner->type().name},
                          {"family", runner->type().family},
                          {"settings", runner->type().settings},
                          {"at", at},
                          {"points", PointsOf(*runner, data.queries.rows)},
                          {"asked", runner->Asked()}});
    Print(contenders.back());
  }
  return {{"rounds", options.rounds},
          {"k", options.k},
          {"huge_page_share", static_cast<double>(memory.huge) / static_cast<double>(memory.anonymous)},
          {"contenders", contenders}};
}

}  // namespace longbow::bench
