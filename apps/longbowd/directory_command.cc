#include "directory_command.h"

#include <sys/stat.h>

#include <cstdio>

#include "longbow/base/environment.h"
#include "longbow/engine/directory_check.h"
#include "longbow/engine/engine.h"
#include "longbow/engine/node_identity.h"
#include "longbow/storage/object_store.h"
#include "longbow/storage/snapshot_copy.h"

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

Status CheckThere(const Settings& settings) {
  struct stat info {};
  if (stat(settings.data_path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return Status::OK();
  return NotFound("data directory ", settings.data_path, " does not exist; name it with --data-path");
}

void PrintCopy(const storage::CopyReport& report) {
  std::printf("copied %lld files, %lld bytes; %lld files, %lld bytes were there; %lld older ones removed\n",
              static_cast<long long>(report.files), static_cast<long long>(report.bytes),
              static_cast<long long>(report.files_there), static_cast<long long>(report.bytes_there),
              static_cast<long long>(report.removed));
  std::printf("the copy is the snapshot of sequence %llu\n",
              static_cast<unsigned long long>(report.sequence));
}

// Ends what S3 needed, whatever came of it.
struct StoresClosed {
  ~StoresClosed() { storage::CloseObjectStores(); }
};

}  // namespace

Result<DirectoryVerdict> CheckDirectory(const Settings& settings, bool repair) {
  LB_RETURN_NOT_OK(CheckThere(settings));
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

Status ExportDirectory(const Settings& settings, const std::string& place) {
  LB_RETURN_NOT_OK(CheckThere(settings));
  LB_ASSIGN_OR_RETURN(const auto files,
                      MakePosixFileSystem(settings.data_path, static_cast<int>(settings.io_threads)));
  LB_ASSIGN_OR_RETURN(const std::string node, engine::ReadNodeId(files.get()));
  const StoresClosed closed;
  LB_ASSIGN_OR_RETURN(const auto store, storage::OpenObjectStore(place));
  LB_ASSIGN_OR_RETURN(const auto report, storage::ExportSnapshot(files.get(), node, store.get()));
  PrintCopy(report);
  return Status::OK();
}

Status ImportDirectory(const Settings& settings, const std::string& place) {
  const StoresClosed closed;
  LB_ASSIGN_OR_RETURN(const auto store, storage::OpenObjectStore(place));
  LB_ASSIGN_OR_RETURN(const auto files,
                      MakePosixFileSystem(settings.data_path, static_cast<int>(settings.io_threads)));
  // No server may begin with half of it.
  LB_ASSIGN_OR_RETURN(const auto lock, files->Lock(engine::kDirectoryLock, "longbowd --import"));
  LB_ASSIGN_OR_RETURN(const auto report, storage::ImportSnapshot(store.get(), files.get()));
  PrintCopy(report);
  return Status::OK();
}

}  // namespace longbow
