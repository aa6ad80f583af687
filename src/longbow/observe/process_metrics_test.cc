#include "longbow/observe/process_metrics.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "longbow/base/memory_ledger.h"
#include "longbow/observe/prometheus.h"

namespace longbow::observe {
namespace {

// The value of the sample called `name`, -1 when there is none.
double ValueOf(const std::string& text, const std::string& name) {
  const size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
}

std::string ProcessText() {
  PrometheusText text;
  AddProcessMetrics(text);
  return text.Render();
}

TEST(ProcessMetrics, AreThoseOfThisProcess) {
  const std::string text = ProcessText();
  EXPECT_GT(ValueOf(text, "process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(ValueOf(text, "process_virtual_memory_bytes"), ValueOf(text, "process_resident_memory_bytes"));
  EXPECT_GE(ValueOf(text, "process_open_fds"), 3);
  EXPECT_GE(ValueOf(text, "process_max_fds"), ValueOf(text, "process_open_fds"));
  EXPECT_GE(ValueOf(text, "process_cpu_seconds_total"), 0);
  const double now = static_cast<double>(time(nullptr));
  EXPECT_LE(ValueOf(text, "process_start_time_seconds"), now + 5);
  EXPECT_GT(ValueOf(text, "process_start_time_seconds"), now - 86400);
}

TEST(ProcessMetrics, GoroutinesAreThreads) {
  const double before = ValueOf(ProcessText(), "go_goroutines");
  std::string with_thread;
  std::thread([&] { with_thread = ProcessText(); }).join();
  EXPECT_EQ(ValueOf(with_thread, "go_goroutines"), before + 1);
  EXPECT_EQ(ValueOf(with_thread, "process_threads"), before + 1);
}

TEST(ProcessMetrics, CountOpenFiles) {
  const double before = ValueOf(ProcessText(), "process_open_fds");
  const int copy = dup(0);
  ASSERT_GE(copy, 0);
  EXPECT_EQ(ValueOf(ProcessText(), "process_open_fds"), before + 1);
  close(copy);
}

TEST(ProcessMetrics, AvailableMemoryIsPositiveAndAtMostRam) {
  EXPECT_GT(AvailableMemoryBytes(), 0);
  EXPECT_LE(AvailableMemoryBytes(), int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGE_SIZE));
}

// A tree of control groups as the kernel shows it.
class Cgroups : public testing::Test {
 protected:
  Cgroups() {
    char name[] = "/tmp/longbow_cgroup_XXXXXX";
    root_ = mkdtemp(name);
  }
  ~Cgroups() override { std::filesystem::remove_all(root_); }
  void File(const std::string& path, const std::string& content) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << content;
  }
  int64_t Limit() const { return CgroupLimitBytes((root_ / "membership").string(), root_.string()); }

  std::filesystem::path root_;
};

TEST_F(Cgroups, OfVersionTwoLimitWhatLiesInThem) {
  File("membership", "0::/a/b\n");
  EXPECT_EQ(Limit(), std::numeric_limits<int64_t>::max());
  File("a/b/memory.max", "max\n");
  File("a/memory.max", "1000\n");
  EXPECT_EQ(Limit(), 1000);
  File("a/b/memory.max", "900\n");
  EXPECT_EQ(Limit(), 900);
}

TEST_F(Cgroups, OfVersionOneLimitWhatLiesInThem) {
  File("membership", "12:cpu,cpuacct:/other\n4:memory:/a/b\n1:name=systemd:/memory\n0::/\n");
  File("memory/memory.limit_in_bytes", "9223372036854771712\n");
  File("memory/a/memory.limit_in_bytes", "2000\n");
  File("memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
  File("memory/other/memory.limit_in_bytes", "10\n");
  EXPECT_EQ(Limit(), 2000);
  File("memory/a/b/memory.limit_in_bytes", "1500\n");
  EXPECT_EQ(Limit(), 1500);
}

TEST_F(Cgroups, OfVersionOneAreFoundWhereTheContainerIsTheRoot) {
  File("membership", "4:cpuset,memory:/docker/0123\n");
  File("memory/memory.limit_in_bytes", "3000\n");
  EXPECT_EQ(Limit(), 3000);
}

TEST(MemoryMetrics, FollowTheLedger) {
  MemoryLedger ledger(1000, 2000);
  const auto text = [&] {
    PrometheusText out;
    AddMemoryMetrics(out, ledger);
    return out.Render();
  };
  EXPECT_EQ(ValueOf(text(), "longbow_memory_pressure_level"), 0);
  EXPECT_EQ(ValueOf(text(), "longbow_memory_limit_bytes"), 2000);
  const MemoryReservation rows = ledger.ReserveAlways(MemoryUse::kRows, 1500);
  const std::string use =
      "longbow_memory_used_bytes{use=\"" + std::string(MemoryUseName(MemoryUse::kRows)) + "\"}";
  EXPECT_EQ(ValueOf(text(), use), 1500);
  EXPECT_EQ(ValueOf(text(), "longbow_memory_reserved_bytes"), 1500);
  EXPECT_EQ(ValueOf(text(), "longbow_memory_pressure_level"), 1);
  const MemoryReservation log = ledger.ReserveAlways(MemoryUse::kLog, 500);
  EXPECT_EQ(ValueOf(text(), "longbow_memory_pressure_level"), 2);
}

}  // namespace
}  // namespace longbow::observe
