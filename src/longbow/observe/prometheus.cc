#include "longbow/observe/prometheus.h"

#include <charconv>
#include <cmath>

#include "longbow/base/check.h"

namespace longbow::observe {
namespace {

constexpr std::string_view kPrefix = "longbow_";

std::string_view TypeName(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "untyped";
}

bool IsName(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '_') return false;
  }
  return true;
}

void AppendEscaped(std::string* out, std::string_view text, bool quotes) {
  for (char c : text) {
    if (c == '\\') {
      *out += "\\\\";
    } else if (c == '\n') {
      *out += "\\n";
    } else if (c == '"' && quotes) {
      *out += "\\\"";
    } else {
      *out += c;
    }
  }
}

void AppendNumber(std::string* out, double value) {
  if (std::isnan(value)) {
    *out += "NaN";
  } else if (std::isinf(value)) {
    *out += value > 0 ? "+Inf" : "-Inf";
  } else {
    char text[32];
    *out += std::string_view(text, std::to_chars(text, text + sizeof(text), value).ptr - text);
  }
}

void AppendNumber(std::string* out, int64_t value) { *out += std::to_string(value); }

// name{labels,le="bound"} value
template <typename Number>
void AppendSample(std::string* out, std::string_view name, const Labels& labels, std::string_view bound,
                  Number value) {
  *out += name;
  if (!labels.empty() || !bound.empty()) {
    char separator = '{';
    for (const auto& [label, text] : labels) {
      LB_CHECK(IsName(label));
      *out += separator;
      *out += label;
      *out += "=\"";
      AppendEscaped(out, text, /*quotes=*/true);
      *out += '"';
      separator = ',';
    }
    if (!bound.empty()) {
      *out += separator;
      *out += "le=\"";
      *out += bound;
      *out += '"';
    }
    *out += '}';
  }
  *out += ' ';
  AppendNumber(out, value);
  *out += '\n';
}

std::string Prefixed(std::string_view name) {
  std::string full(kPrefix);
  full += name;
  return full;
}

}  // namespace

PrometheusText::Family& PrometheusText::FamilyOf(std::string name, std::string_view help, MetricType type) {
  auto [place, fresh] = places_.try_emplace(name, families_.size());
  if (fresh) {
    LB_CHECK(IsName(name));
    families_.push_back({std::move(name), std::string(help), type, {}});
  }
  Family& family = families_[place->second];
  LB_CHECK(family.type == type);
  return family;
}

void PrometheusText::Visit(std::string_view name, std::string_view help, const Labels& labels,
                           const Counter& counter) {
  Family& family = FamilyOf(Prefixed(name), help, MetricType::kCounter);
  AppendSample(&family.samples, family.name, labels, {}, counter.value());
}

void PrometheusText::Visit(std::string_view name, std::string_view help, const Labels& labels,
                           const Gauge& gauge) {
  Family& family = FamilyOf(Prefixed(name), help, MetricType::kGauge);
  AppendSample(&family.samples, family.name, labels, {}, gauge.value());
}

void PrometheusText::Visit(std::string_view name, std::string_view help, const Labels& labels,
                           const Histogram& histogram, double unit) {
  Family& family = FamilyOf(Prefixed(name), help, MetricType::kHistogram);
  const std::string bucket_name = family.name + "_bucket";
  const auto buckets = histogram.buckets();
  int64_t seen = 0;
  for (int i = 0; i + 1 < Histogram::kBuckets; ++i) {
    seen += buckets[i];
    // Bucket i holds whole numbers below 2^i, so its largest is 2^i - 1; Prometheus counts values <= le.
    std::string bound;
    AppendNumber(&bound, static_cast<double>((int64_t{1} << i) - 1) * unit);
    AppendSample(&family.samples, bucket_name, labels, bound, seen);
  }
  // The last bucket also holds whatever is too large for any. The count comes from the same copy, so that a
  // scrape beside a Record still adds up.
  seen += buckets[Histogram::kBuckets - 1];
  AppendSample(&family.samples, bucket_name, labels, "+Inf", seen);
  AppendSample(&family.samples, family.name + "_sum", labels, {},
               static_cast<double>(histogram.sum()) * unit);
  AppendSample(&family.samples, family.name + "_count", labels, {}, seen);
}

void PrometheusText::VisitValue(std::string_view name, std::string_view help, const Labels& labels,
                                double value) {
  Family& family = FamilyOf(Prefixed(name), help, MetricType::kGauge);
  AppendSample(&family.samples, family.name, labels, {}, value);
}

void PrometheusText::AddUnprefixed(MetricType type, std::string_view name, std::string_view help,
                                   double value) {
  Family& family = FamilyOf(std::string(name), help, type);
  AppendSample(&family.samples, family.name, {}, {}, value);
}

std::string PrometheusText::Render() const {
  std::string text;
  for (const Family& family : families_) {
    text += "# HELP " + family.name + ' ';
    AppendEscaped(&text, family.help, /*quotes=*/false);
    text += "\n# TYPE " + family.name + ' ';
    text += TypeName(family.type);
    text += '\n';
    text += family.samples;
  }
  return text;
}

}  // namespace longbow::observe
