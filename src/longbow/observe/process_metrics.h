// What the kernel knows about this process, under the names every Prometheus client library uses.
#pragma once

#include <cstdint>
#include <string>

namespace longbow {
class MemoryLedger;
}

namespace longbow::observe {

class PrometheusText;

// process_resident_memory_bytes, process_virtual_memory_bytes, process_open_fds, process_max_fds,
// process_cpu_seconds_total, process_start_time_seconds, process_threads; and go_goroutines, an alias of
// process_threads that old dashboards and smoke tests look for.
void AddProcessMetrics(PrometheusText& text);

// The ledger's account: in all and by use, its limits, how close it is.
void AddMemoryMetrics(PrometheusText& text, const MemoryLedger& ledger);

// What this process may use: the smaller of the machine's RAM and the limit of the cgroup it runs in.
int64_t AvailableMemoryBytes();
// The tightest limit from the cgroup that `membership` (as /proc/self/cgroup) names up to the root, of both
// versions, whose files lie below `root`; the largest number when there is none.
int64_t CgroupLimitBytes(const std::string& membership, const std::string& root);

}  // namespace longbow::observe
