#include "longbow/observe/prometheus.h"

#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "longbow/base/check.h"

namespace longbow::observe {
namespace {

// Reads a scrape by the grammar of the format and fails on what Prometheus would refuse.
class Scrape {
 public:
  explicit Scrape(const std::string& text) {
    static const std::regex meta(R"(# (HELP|TYPE) ([a-zA-Z_][a-zA-Z0-9_]*) (.*))");
    static const std::regex sample(
        R"(([a-zA-Z_][a-zA-Z0-9_]*)(\{(([a-z_]+="([^"\\\n]|\\["\\n])*",?)*)\})? (\S+))");
    EXPECT_TRUE(text.empty() || text.back() == '\n');
    std::istringstream lines(text);
    std::string family;
    for (std::string line; std::getline(lines, line);) {
      std::smatch match;
      if (std::regex_match(line, match, meta)) {
        family = match[2];
        auto& seen = match[1] == "HELP" ? help : type;
        EXPECT_TRUE(seen.emplace(family, match[3]).second) << "twice: " << line;
      } else if (std::regex_match(line, match, sample)) {
        EXPECT_EQ(match[1].str().rfind(family, 0), 0u) << line << " stands under " << family;
        EXPECT_TRUE(samples.emplace(match[1].str() + match[2].str(), match[6]).second) << "twice: " << line;
      } else {
        ADD_FAILURE() << "not in the format: " << line;
      }
    }
    EXPECT_EQ(help.size(), type.size());
  }
  std::map<std::string, std::string> help, type, samples;
};

TEST(PrometheusText, SamplesOfOneNameStandUnderOneHelpAndType) {
  Counter first, second, other;
  first.Add(3);
  second.Add(4);
  PrometheusText text;
  text.Visit("ops_total", "Operations.", {{"action", "get"}}, first);
  text.Visit("other_total", "Others.", {}, other);
  text.Visit("ops_total", "Operations.", {{"action", "put"}, {"status", "ok"}}, second);
  const Scrape scrape(text.Render());
  EXPECT_EQ(scrape.type.at("longbow_ops_total"), "counter");
  EXPECT_EQ(scrape.help.at("longbow_ops_total"), "Operations.");
  EXPECT_EQ(scrape.samples.at("longbow_ops_total{action=\"get\"}"), "3");
  EXPECT_EQ(scrape.samples.at("longbow_ops_total{action=\"put\",status=\"ok\"}"), "4");
  EXPECT_EQ(scrape.samples.at("longbow_other_total"), "0");
}

TEST(PrometheusText, EscapesLabelsAndHelp) {
  Gauge gauge;
  gauge.Set(-7);
  PrometheusText text;
  text.Visit("depth", "Back\\slash\nand line.", {{"dataset", "a\"b\\c\nd"}}, gauge);
  const Scrape scrape(text.Render());
  EXPECT_EQ(scrape.help.at("longbow_depth"), "Back\\\\slash\\nand line.");
  EXPECT_EQ(scrape.samples.at("longbow_depth{dataset=\"a\\\"b\\\\c\\nd\"}"), "-7");
}

TEST(PrometheusText, HistogramBucketsAreCumulativeAndHoldTheirBound) {
  Histogram sizes;
  for (int64_t value : {0, 1, 1023, 1024, 1025}) sizes.Record(value);
  PrometheusText text;
  text.Visit("size_bytes", "Sizes.", {{"kind", "x"}}, sizes, 1.0);
  const Scrape scrape(text.Render());
  EXPECT_EQ(scrape.type.at("longbow_size_bytes"), "histogram");
  const auto at = [&](const std::string& bound) {
    return scrape.samples.at("longbow_size_bytes_bucket{kind=\"x\",le=\"" + bound + "\"}");
  };
  EXPECT_EQ(at("0"), "1");
  EXPECT_EQ(at("1"), "2");
  EXPECT_EQ(at("1023"), "3");
  EXPECT_EQ(at("2047"), "5");
  EXPECT_EQ(at("+Inf"), "5");
  EXPECT_EQ(scrape.samples.at("longbow_size_bytes_count{kind=\"x\"}"), "5");
  EXPECT_EQ(scrape.samples.at("longbow_size_bytes_sum{kind=\"x\"}"), "3073");
}

TEST(PrometheusText, HistogramOfNanosecondsIsExportedInSeconds) {
  Histogram nanos;
  nanos.Record(1500000000);
  PrometheusText text;
  text.Visit("wait_seconds", "Waits.", {}, nanos, 1e-9);
  const Scrape scrape(text.Render());
  EXPECT_NEAR(std::stod(scrape.samples.at("longbow_wait_seconds_sum")), 1.5, 1e-12);
  double below = -1, first = -1;
  for (const auto& [name, count] : scrape.samples) {
    const size_t bound = name.find("le=\"");
    if (bound == std::string::npos || name.find("+Inf") != std::string::npos) continue;
    const double le = std::stod(name.substr(bound + 4));
    if (count == "0") below = std::max(below, le);
    if (count == "1") first = first < 0 ? le : std::min(first, le);
  }
  EXPECT_LT(below, 1.5);
  EXPECT_GE(first, 1.5);
  EXPECT_LT(first, 3.0);
}

TEST(PrometheusText, HistogramCountsWhatIsBeyondItsLastBucket) {
  Histogram histogram;
  histogram.Record(std::numeric_limits<int64_t>::max());
  PrometheusText text;
  text.Visit("h", "H.", {}, histogram, 1.0);
  const Scrape scrape(text.Render());
  EXPECT_EQ(scrape.samples.at("longbow_h_bucket{le=\"+Inf\"}"), "1");
  EXPECT_EQ(scrape.samples.at("longbow_h_count"), "1");
}

TEST(PrometheusText, ValuesAreGaugesAndMayBeAnyNumber) {
  PrometheusText text;
  text.VisitValue("ratio", "Ratio.", {{"of", "a"}}, 0.25);
  text.VisitValue("ratio", "Ratio.", {{"of", "b"}}, std::numeric_limits<double>::infinity());
  text.VisitValue("ratio", "Ratio.", {{"of", "c"}}, std::numeric_limits<double>::quiet_NaN());
  const Scrape scrape(text.Render());
  EXPECT_EQ(scrape.type.at("longbow_ratio"), "gauge");
  EXPECT_EQ(scrape.samples.at("longbow_ratio{of=\"a\"}"), "0.25");
  EXPECT_EQ(scrape.samples.at("longbow_ratio{of=\"b\"}"), "+Inf");
  EXPECT_EQ(scrape.samples.at("longbow_ratio{of=\"c\"}"), "NaN");
}

TEST(PrometheusText, RefusesWhatPrometheusWouldRefuse) {
  Counter counter;
  Gauge gauge;
  PrometheusText text;
  text.Visit("ops_total", "Operations.", {}, counter);
  EXPECT_THROW(text.Visit("ops_total", "Operations.", {}, gauge), CheckFailed);
  EXPECT_THROW(text.Visit("bad-name", "Dash.", {}, counter), CheckFailed);
  EXPECT_THROW(text.Visit("fine", "Label.", {{"bad label", "x"}}, counter), CheckFailed);
}

}  // namespace
}  // namespace longbow::observe
