#include "directory_command.h"

#include <sys/stat.h>

#include <cstdio>

#include "longbow/base/environment.h"
#include "longbow/engine/directory_check.h"

namespace longbow {
namespace {

void PrintDamage(const engine::Damage& damage) {
  std::printf("damaged: %s: %s\n", damage.file.c_str(), damage.what.c_str());
  if (damage.rows > 0) {
    std::printf("  %lld rows of dataset %s are only in this file\n", static_cast<long long>(damage.rows),
                damage.dataset.c_str());
  }
}

void PrintReport(const engine::DirectoryReport& report) {
  std::printf(
      "looked at %lld files and the log, %lld bytes: %lld datasets, %lld rows in blocks, %lld log records\n",
      static_cast<long long>(report.files), static_cast<long long>(report.bytes),
      static_cast<long long>(report.datasets), static_cast<long long>(report.rows),
      static_cast<long long>(report.log_records));
  if (!report.torn_tail.empty()) {
    std::printf("the log ends in a write that was never acknowledged (%s); the next start cuts it\n",
                report.torn_tail.c_str());
  }
  for (const auto& damage : report.damage) PrintDamage(damage);
  for (const auto& path : report.put_aside) std::printf("put aside: %s\n", path.c_str());
}

// What repairing cannot make good: rows in blocks, and files that it leaves alone.
bool StaysDamaged(const engine::Damage& damage) {
  return damage.rows > 0 || !damage.file.starts_with("derived/");
}

}  // namespace

Result<DirectoryVerdict> CheckDirectory(const Settings& settings, bool repair) {
  struct stat info {};
  if (stat(settings.data_path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return NotFound("data directory ", settings.data_path, " does not exist; name it with --data-path");
  }
  LB_ASSIGN_OR_RETURN(const auto files,
                      MakePosixFileSystem(settings.data_path, static_cast<int>(settings.io_threads)));
  Environment environment;
  environment.files = files.get();
  environment.clock = SystemClock();
  environment.random = SystemRandom();
  LB_ASSIGN_OR_RETURN(const auto report,
                      repair ? engine::RepairDirectory(environment) : engine::VerifyDirectory(environment));
  PrintReport(report);
  bool damaged = false;
  for (const auto& damage : report.damage) damaged = damaged || !repair || StaysDamaged(damage);
  std::printf(damaged ? "damaged\n" : "sound\n");
  return damaged ? DirectoryVerdict::kDamaged : DirectoryVerdict::kSound;
}

}  // namespace longbow
