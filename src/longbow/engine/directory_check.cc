#include "longbow/engine/directory_check.h"

#include <algorithm>
#include <bit>
#include <map>
#include <optional>

#include "longbow/base/crc32c.h"
#include "longbow/engine/catalog_state.h"
#include "longbow/engine/node_identity.h"
#include "longbow/engine/sealed_block_reader.h"
#include "longbow/engine/stored_layout.h"
#include "longbow/storage/block_store.h"
#include "longbow/storage/log_check.h"
#include "longbow/storage/manifest.h"

namespace longbow::engine {
namespace {

constexpr std::string_view kLogDirectory = "log", kManifest = "manifest";
constexpr uint64_t kMostFrameBytes = uint64_t{1} << 30;

int64_t LiveRows(const storage::BlockEntry& block) {
  int64_t dead = 0;
  for (const char byte : block.dead) dead += std::popcount(static_cast<unsigned char>(byte));
  return int64_t{block.end_row} - block.first_row - dead;
}

// Derived files are sequences of frames: length, CRC32C, payload (docs/formats/graph.md).
Status CheckFrames(FileSystem* files, const std::string& path, int64_t* bytes) {
  LB_ASSIGN_OR_RETURN(const auto file, files->Open(path, OpenMode::kRead));
  LB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::vector<uint8_t> payload;
  for (uint64_t at = 0; at < size;) {
    uint32_t head[2];
    if (size - at < sizeof(head)) return Error(ErrorCode::kCorruption, "it ends early");
    LB_RETURN_NOT_OK(file->Read(at, {reinterpret_cast<uint8_t*>(head), sizeof(head)}));
    at += sizeof(head);
    if (head[0] > kMostFrameBytes || head[0] > size - at) {
      return Error(ErrorCode::kCorruption, "a frame at offset ", at, " is longer than the file");
    }
    payload.resize(head[0]);
    LB_RETURN_NOT_OK(file->Read(at, payload));
    if (ExtendCrc32c(0, payload.data(), payload.size()) != head[1]) {
      return Error(ErrorCode::kCorruption, "the frame at offset ", at, " has another checksum");
    }
    at += head[0];
  }
  *bytes += static_cast<int64_t>(size);
  return size > 0 ? Status::OK() : Error(ErrorCode::kCorruption, "it is empty");
}

// One look at a directory. Confined.
class Inspection {
 public:
  explicit Inspection(const Environment& environment)
      : environment_(environment), files_(environment.files), store_(environment.files) {}

  Status Look() {
    LB_ASSIGN_OR_RETURN(lock_, files_->Lock(kDirectoryLock, "longbowd --verify"));
    LB_ASSIGN_OR_RETURN(const bool has_node, files_->Exists(std::string(kNodeFileName)));
    LB_ASSIGN_OR_RETURN(const bool has_log, files_->Exists(std::string(kLogDirectory)));
    // A copy of a snapshot has neither: it becomes a node at its first start.
    if (has_node || has_log) LookAt(std::string(kNodeFileName), [&] { return ReadNodeId(files_).status(); });
    LookAt(std::string(kManifest), [&] { return LookAtManifest(); });
    if (!manifest_) return Status::OK();
    for (const auto& entry : manifest_->blocks) LookAtBlock(entry);
    for (const auto& entry : manifest_->derived) LookAtDerived(entry);
    LookAt(std::string(kLogDirectory), [&] { return LookAtLog(); });
    return Status::OK();
  }

  // What is damaged and can be had again, or has to be told, is put aside.
  Status PutAside() {
    if (!manifest_ || (bad_blocks_.empty() && bad_derived_.empty())) return Status::OK();
    storage::Manifest kept = *manifest_;
    kept.version += 1;
    std::erase_if(kept.blocks, [&](const auto& entry) { return bad_blocks_.contains(entry.file); });
    std::erase_if(kept.derived, [&](const auto& entry) { return bad_derived_.contains(entry.file); });
    LB_RETURN_NOT_OK(files_->CreateDirectories(storage::BlockStore::kQuarantine));
    // The manifest first: a start never meets a name whose file is gone.
    LB_RETURN_NOT_OK(storage::SaveManifest(files_, kept));
    for (const auto& [number, path] : bad_blocks_) LB_RETURN_NOT_OK(Move(path));
    for (const auto& [number, path] : bad_derived_) {
      for (const auto& name : files_->List(path).ValueOr({})) LB_RETURN_NOT_OK(Move(path + "/" + name));
      (void)files_->Remove(path);
    }
    return files_->SyncDirectory(storage::BlockStore::kQuarantine);
  }

  DirectoryReport TakeReport() { return std::move(report_); }

 private:
  template <typename Look>
  bool LookAt(std::string file, Look&& look) {
    const Status status = look();
    if (status.ok()) return true;
    report_.damage.push_back({std::move(file), status.message(), 0, ""});
    return false;
  }

  Status LookAtManifest() {
    LB_ASSIGN_OR_RETURN(auto manifest, storage::LoadManifest(files_));
    if (!manifest.catalog.empty()) {
      LB_ASSIGN_OR_RETURN(const CatalogState state, DecodeCatalog(manifest.catalog));
      for (const auto& dataset : state.datasets) datasets_[dataset.id] = dataset;
    }
    report_.datasets = static_cast<int64_t>(datasets_.size());
    manifest_ = std::move(manifest);
    return Status::OK();
  }

  void LookAtBlock(const storage::BlockEntry& entry) {
    const std::string path = storage::BlockStore::BlockPath(entry.file);
    const auto dataset = datasets_.find(entry.shard);
    const auto read = [&]() -> Status {
      if (dataset == datasets_.end()) return Error(ErrorCode::kCorruption, "no dataset has its rows");
      LB_ASSIGN_OR_RETURN(const auto reader, SealedBlockReader::Open(
                                                 entry, StoredLayout::Make(dataset->second.schema), &store_));
      int64_t rows = 0;
      for (int group = 0; group < reader->row_groups(); ++group) {
        LB_ASSIGN_OR_RETURN(const SealedRows sealed, reader->Read(group));
        rows += SealedRowCount(sealed);
      }
      if (rows == entry.rows) return Status::OK();
      return Error(ErrorCode::kCorruption, "it holds ", rows, " rows, the manifest says ", entry.rows);
    };
    ++report_.files;
    report_.bytes += static_cast<int64_t>(entry.bytes);
    if (LookAt(path, read)) {
      report_.rows += LiveRows(entry);
      return;
    }
    report_.damage.back().rows = LiveRows(entry);
    if (dataset != datasets_.end()) report_.damage.back().dataset = dataset->second.name;
    bad_blocks_[entry.file] = path;
  }

  void LookAtDerived(const storage::DerivedEntry& entry) {
    const std::string directory = storage::BlockStore::DerivedPath(entry.file);
    const auto names = files_->List(directory);
    if (!names.ok() || names->empty()) {
      report_.damage.push_back({directory, "it is missing; the next start builds it anew", 0, ""});
      bad_derived_[entry.file] = directory;
      return;
    }
    for (const auto& name : *names) {
      ++report_.files;
      const std::string path = directory + "/" + name;
      if (LookAt(path, [&] { return CheckFrames(files_, path, &report_.bytes); })) continue;
      bad_derived_[entry.file] = directory;
    }
  }

  Status LookAtLog() {
    LB_ASSIGN_OR_RETURN(const auto log,
                        storage::CheckLog(files_, environment_.random, std::string(kLogDirectory),
                                          manifest_->log_generation));
    report_.log_records = static_cast<int64_t>(log.records);
    report_.bytes += static_cast<int64_t>(log.bytes);
    if (log.tail_cut) {
      report_.torn_tail = log.cut_file + " at offset " + std::to_string(log.cut_offset) + ", " +
                          std::to_string(log.cut_bytes) + " bytes";
    }
    return Status::OK();
  }

  Status Move(const std::string& path) {
    if (!files_->Exists(path).ValueOr(false)) return Status::OK();
    std::string name = path;
    std::replace(name.begin(), name.end(), '/', '-');
    const std::string to = std::string(storage::BlockStore::kQuarantine) + "/" + name;
    LB_RETURN_NOT_OK(files_->Rename(path, to));
    report_.put_aside.push_back(to);
    return files_->SyncDirectory(path.substr(0, path.rfind('/')));
  }

  const Environment environment_;
  FileSystem* const files_;
  storage::BlockStore store_;
  std::unique_ptr<FileLock> lock_;
  std::optional<storage::Manifest> manifest_;
  std::map<DatasetId, DatasetState> datasets_;
  std::map<uint64_t, std::string> bad_blocks_, bad_derived_;  // path by number
  DirectoryReport report_;
};

}  // namespace

Result<DirectoryReport> VerifyDirectory(const Environment& environment) {
  Inspection inspection(environment);
  LB_RETURN_NOT_OK(inspection.Look());
  return inspection.TakeReport();
}

Result<DirectoryReport> RepairDirectory(const Environment& environment) {
  Inspection inspection(environment);
  LB_RETURN_NOT_OK(inspection.Look());
  LB_RETURN_NOT_OK(inspection.PutAside());
  return inspection.TakeReport();
}

}  // namespace longbow::engine
