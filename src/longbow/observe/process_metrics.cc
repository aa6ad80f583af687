#include "longbow/observe/process_metrics.h"

#include <dirent.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/memory_ledger.h"
#include "longbow/observe/prometheus.h"

namespace longbow::observe {
namespace {

// The fields of /proc/self/stat (proc(5)), numbered from 3 as the state is, behind the name in brackets.
std::vector<std::string> StatFields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const size_t bracket = line.rfind(')');
  std::vector<std::string> fields;
  if (bracket == std::string::npos) return fields;
  std::istringstream rest(line.substr(bracket + 1));
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

double Field(const std::vector<std::string>& fields, size_t number) {
  const size_t at = number - 3;
  return at < fields.size() ? std::strtod(fields[at].c_str(), nullptr) : 0;
}

double BootTimeSeconds() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("btime ", 0) == 0) return std::strtod(line.c_str() + 6, nullptr);
  }
  return 0;
}

double CountOpenFiles() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  int64_t entries = 0;
  while (readdir(directory) != nullptr) ++entries;
  closedir(directory);
  return static_cast<double>(entries - 3);  // ".", ".." and the directory itself
}

// A number alone in a file; `otherwise` when there is none ("max", or no such file).
int64_t NumberIn(const std::string& path, int64_t otherwise) {
  std::ifstream file(path);
  int64_t value = 0;
  return file >> value ? value : otherwise;
}

// The least number in the files called `name` of a group and of those that it lies in.
int64_t TightestIn(const std::string& root, std::string group, const std::string& name) {
  int64_t limit = std::numeric_limits<int64_t>::max();
  while (!group.empty() && group.back() == '/') group.pop_back();
  for (;; group.resize(group.rfind('/'))) {
    limit = std::min(limit, NumberIn(root + group + "/" + name, limit));
    if (group.find('/') == std::string::npos) return limit;
  }
}

bool Lists(std::string_view controllers, std::string_view wanted) {
  for (std::string_view left = controllers; !left.empty();) {
    const size_t comma = left.find(',');
    if (left.substr(0, comma) == wanted) return true;
    left = comma == std::string_view::npos ? std::string_view() : left.substr(comma + 1);
  }
  return false;
}

}  // namespace

int64_t CgroupLimitBytes(const std::string& membership, const std::string& root) {
  // Version 1 of a container that sees its own group as the root, whatever the path is called outside.
  int64_t limit = TightestIn(root + "/memory", "", "memory.limit_in_bytes");
  std::ifstream lines(membership);
  for (std::string line; std::getline(lines, line);) {  // number:controllers:path
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1),
                      group = line.substr(second + 1);
    if (controllers.empty()) limit = std::min(limit, TightestIn(root, group, "memory.max"));  // version 2
    if (Lists(controllers, "memory")) {
      limit = std::min(limit, TightestIn(root + "/memory", group, "memory.limit_in_bytes"));
    }
  }
  return limit;
}

int64_t AvailableMemoryBytes() {
  const int64_t ram = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGE_SIZE);
  return std::min(ram, CgroupLimitBytes("/proc/self/cgroup", "/sys/fs/cgroup"));
}

void AddProcessMetrics(PrometheusText& text) {
  const std::vector<std::string> fields = StatFields();
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const double page = static_cast<double>(sysconf(_SC_PAGE_SIZE));
  const double threads = Field(fields, 20);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  text.AddUnprefixed(MetricType::kCounter, "process_cpu_seconds_total", "User and system CPU time spent.",
                     (Field(fields, 14) + Field(fields, 15)) / ticks);
  text.AddUnprefixed(MetricType::kGauge, "process_resident_memory_bytes", "Resident memory.",
                     Field(fields, 24) * page);
  text.AddUnprefixed(MetricType::kGauge, "process_virtual_memory_bytes", "Virtual memory.",
                     Field(fields, 23));
  text.AddUnprefixed(MetricType::kGauge, "process_open_fds", "Open file descriptors.", CountOpenFiles());
  text.AddUnprefixed(MetricType::kGauge, "process_max_fds", "File descriptors that may be open at once.",
                     static_cast<double>(files.rlim_cur));
  text.AddUnprefixed(MetricType::kGauge, "process_start_time_seconds",
                     "When the process started, since 1970 UTC.",
                     BootTimeSeconds() + Field(fields, 22) / ticks);
  text.AddUnprefixed(MetricType::kGauge, "process_threads", "Threads of the process.", threads);
  text.AddUnprefixed(MetricType::kGauge, "go_goroutines", "Alias of process_threads, for old dashboards.",
                     threads);
}

void AddMemoryMetrics(PrometheusText& text, const MemoryLedger& ledger) {
  const double used = static_cast<double>(ledger.used());
  const double limit = static_cast<double>(ledger.hard_limit());
  for (size_t i = 0; i < static_cast<size_t>(MemoryUse::kCount); ++i) {
    const auto use = static_cast<MemoryUse>(i);
    text.VisitValue("memory_used_bytes", "Memory on the ledger, by what it is used for.",
                    {{"use", std::string(MemoryUseName(use))}}, static_cast<double>(ledger.used(use)));
  }
  text.VisitValue("memory_reserved_bytes", "Memory on the ledger in all.", {}, used);
  text.VisitValue("memory_soft_limit_bytes", "Above this ingest is slowed.", {},
                  static_cast<double>(ledger.soft_limit()));
  text.VisitValue("memory_limit_bytes", "Above this requests that need memory are refused.", {}, limit);
  text.Visit("memory_limit_rejects_total", "Requests refused because the memory limit was reached.", {},
             ledger.refusals());
  const int level = limit > 0 && used >= limit ? 2 : ledger.above_soft_limit() ? 1 : 0;
  text.VisitValue("memory_pressure_level", "0 below the soft limit, 1 above it, 2 at the limit.", {}, level);
  text.VisitValue("memory_heap_in_use_bytes", "Allocated from malloc, its own large mappings included.", {},
                  [] {
                    const struct mallinfo2 heap = mallinfo2();
                    return static_cast<double>(heap.uordblks + heap.hblkhd);
                  }());
}

}  // namespace longbow::observe
