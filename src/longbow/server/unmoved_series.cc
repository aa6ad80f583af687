#include "longbow/server/unmoved_series.h"

#include <string>
#include <string_view>

namespace longbow::server {
namespace {

constexpr std::string_view kNoCluster = "Stays at zero: one node, no cluster";
constexpr std::string_view kNoEviction = "Stays at zero: nothing is evicted";

struct Series {
  std::string_view name, help;
  std::string_view label, value;  // empty: none
  std::string_view label2, value2;
};
constexpr Series kCounters[] = {
    {"gossip_pings_total", kNoCluster, "direction", "sent", "", ""},
    {"gossip_pings_total", kNoCluster, "direction", "received", "", ""},
    {"global_search_partial_failures_total", kNoCluster, "", "", "", ""},
    {"proxy_requests_forwarded_total", kNoCluster, "method", "unary", "status", "success"},
    {"evictions_total", kNoEviction, "reason", "memory", "", ""},
    {"eviction_rejected_queries_total", kNoEviction, "", "", "", ""},
    {"index_jobs_overflow_total", "Stays at zero: rows wait where they are stored", "", "", "", ""},
};
constexpr Series kGauges[] = {{"gossip_active_members", kNoCluster, "", "", "", ""}};
constexpr Series kHistograms[] = {
    {"global_search_duration_seconds", kNoCluster, "", "", "", ""},
    {"global_search_fanout_size", kNoCluster, "", "", "", ""},
    {"proxy_request_latency_seconds", kNoCluster, "method", "unary", "", ""},
    {"index_migration_duration_seconds", "Stays at zero: an index keeps its kind", "", "", "", ""},
};

Labels LabelsOf(const Series& series) {
  Labels labels;
  if (!series.label.empty()) labels.emplace_back(series.label, series.value);
  if (!series.label2.empty()) labels.emplace_back(series.label2, series.value2);
  return labels;
}

}  // namespace

void ListUnmovedSeries(CounterVisitor& visitor) {
  static const Counter counter;
  static const Histogram histogram;
  for (const Series& one : kCounters) visitor.Visit(one.name, one.help, LabelsOf(one), counter);
  for (const Series& one : kGauges) visitor.VisitValue(one.name, one.help, LabelsOf(one), 0);
  for (const Series& one : kHistograms) visitor.Visit(one.name, one.help, LabelsOf(one), histogram, 1);
}

}  // namespace longbow::server
