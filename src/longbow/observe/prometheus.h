// Counters as Prometheus reads them: its text format, version 0.0.4.
// https://github.com/prometheus/docs/blob/main/content/docs/instrumenting/exposition_formats.md
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "longbow/base/counters.h"

namespace longbow::observe {

enum class MetricType : uint8_t { kCounter, kGauge, kHistogram };

// One scrape: hand it to every ListCounters there is, then Render. Samples of one name stand together under
// one HELP and one TYPE line, in whatever order they came. A name that is not one to Prometheus, and a name
// that comes back with another type, fail an LB_CHECK. Confined.
class PrometheusText : public CounterVisitor {
 public:
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  void Visit(std::string_view name, std::string_view help, const Labels& labels,
             const Counter& counter) override;
  void Visit(std::string_view name, std::string_view help, const Labels& labels, const Gauge& gauge) override;
  void Visit(std::string_view name, std::string_view help, const Labels& labels, const Histogram& histogram,
             double unit) override;
  // Exported as a gauge.
  void VisitValue(std::string_view name, std::string_view help, const Labels& labels, double value) override;

  // A metric whose name is a convention beyond Longbow (process_*): no prefix.
  void AddUnprefixed(MetricType type, std::string_view name, std::string_view help, double value);

  std::string Render() const;

 private:
  struct Family {
    std::string name, help;
    MetricType type;
    std::string samples;
  };
  Family& FamilyOf(std::string name, std::string_view help, MetricType type);

  std::vector<Family> families_;  // in order of appearance
  std::unordered_map<std::string, size_t> places_;
};

}  // namespace longbow::observe
