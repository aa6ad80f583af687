#include "banner.h"

#include <unistd.h>

#include <cstdio>

#include "longbow/base/filesystem.h"
#include "longbow/distance/simd_level.h"
#include "version.h"

namespace longbow {
namespace {

std::string At(Address address, int port) {
  address.port = static_cast<uint16_t>(port);
  return address.ToString();
}

std::string Bytes(int64_t bytes) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.2f GiB (%lld bytes)",
                static_cast<double>(bytes) / double(int64_t{1} << 30), static_cast<long long>(bytes));
  return text;
}

std::string Line(const char* name, const std::string& value) {
  char label[32];
  std::snprintf(label, sizeof(label), "  %-14s", name);
  return label + value + "\n";
}

}  // namespace

std::string Banner(const Settings& settings, const Node& node) {
  const NodePorts ports = node.ports();
  std::string text = "longbowd " + std::string(Version()) + "\n";
  text += Line("data", settings.data_path);
  text += Line("flight data", At(settings.listen_addr, ports.data));
  text += Line("flight meta", At(settings.meta_addr, ports.meta));
  if (!settings.tls_cert.empty()) {
    text += Line(
        "tls", settings.tls_client_ca.empty()
                   ? "certificate " + settings.tls_cert
                   : "certificate " + settings.tls_cert + ", clients show one of " + settings.tls_client_ca);
  }
  text += Line("http", "http://" + At(settings.metrics_addr, ports.http) + " (/metrics /health /ready)");
  text += Line("memory limit", Bytes(node.memory_limit()));
  text += Line("simd", std::string(distance::SimdLevelName(distance::BestSimdLevel())));
  text += Line("file io", settings.log_io != "threads" && HasUring() ? "io_uring" : "threads");
  text += Line("durability", "log: fsync before acknowledgement");
  text +=
      Line("token", node.token_file().empty() ? "none: every client is admitted" : "in " + node.token_file());
  if (settings.insecure && settings.tls_cert.empty()) {
    text += Line("insecure", "calls travel in the clear, also to other machines");
  }
  text += Line("made of", "Arrow " + ArrowVersion() + ", gRPC " + GrpcVersion());
  return text;
}

std::string ReadyLines(const RecoveryOutcome& outcome) {
  std::string text;
  const storage::RecoveryReport& log = outcome.log;
  if (log.tail_cut) {
    text += "log tail cut: " + log.cut_file + " at offset " + std::to_string(log.cut_offset) + ", " +
            std::to_string(log.cut_bytes) + " bytes that were never acknowledged\n";
  }
  char seconds[32];
  std::snprintf(seconds, sizeof(seconds), "%.3f", outcome.seconds);
  return text + "ready: " + std::to_string(outcome.rows) + " rows in " + std::to_string(outcome.datasets) +
         " datasets, " + std::to_string(log.records) + " log records (" + std::to_string(log.bytes) +
         " bytes) replayed in " + seconds + " s\n";
}

std::string PortsJson(const NodePorts& ports) {
  return "{\"data\": " + std::to_string(ports.data) + ", \"meta\": " + std::to_string(ports.meta) +
         ", \"http\": " + std::to_string(ports.http) + ", \"pid\": " + std::to_string(getpid()) + "}\n";
}

}  // namespace longbow
