#include "longbow/storage/snapshot_copy.h"

#include <xxhash.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "longbow/storage/block_store.h"

namespace longbow::storage {
namespace {

constexpr std::string_view kManifest = "manifest", kOwner = "owner", kLog = "log";
// A snapshot taken meanwhile removes files that this one names; then the newer one is copied.
constexpr int kAttempts = 20;

ByteSource From(File* file, uint64_t size) {
  return [file, size, at = uint64_t{0}](std::span<uint8_t> out) mutable -> Result<size_t> {
    const auto n = static_cast<size_t>(std::min<uint64_t>(out.size(), size - at));
    if (n > 0) LB_RETURN_NOT_OK(file->Read(at, out.first(n)));
    at += n;
    return n;
  };
}

// A copy holds no log.
Status CheckWhole(const Manifest& manifest) {
  if (manifest.behind.empty()) return Status::OK();
  return Error(
      ErrorCode::kFailedPrecondition, "the newest rows of ", manifest.behind.size(),
      " datasets are in the log alone, which a copy does not hold: they are fenced; restart the server "
      "or drop them, take a snapshot and copy again");
}

// One run from a directory to a store. Confined.
class Export {
 public:
  Export(FileSystem* files, ObjectStore* store) : files_(files), store_(store) {}

  Result<CopyReport> Run() {
    LB_ASSIGN_OR_RETURN(const Manifest manifest, LoadManifest(files_));
    LB_ASSIGN_OR_RETURN(const std::string bytes, files_->ReadFile(kManifest));
    LB_RETURN_NOT_OK(CheckWhole(manifest));
    for (const BlockEntry& block : manifest.blocks) {
      LB_RETURN_NOT_OK(Copy(BlockStore::BlockPath(block.file), block.bytes));
    }
    for (const DerivedEntry& derived : manifest.derived) {
      const std::string directory = BlockStore::DerivedPath(derived.file);
      LB_ASSIGN_OR_RETURN(const auto names, files_->List(directory));
      for (const auto& name : names) LB_RETURN_NOT_OK(Copy(directory + "/" + name, std::nullopt));
    }
    // What was copied belongs to the manifest that still stands there, or to a newer one: then again.
    LB_ASSIGN_OR_RETURN(const std::string now, files_->ReadFile(kManifest));
    if (now != bytes) return NotFound("manifest: it was replaced meanwhile");
    LB_RETURN_NOT_OK(store_->PutText(kManifest, bytes));
    report_.sequence = manifest.snapshot_sequence;
    LB_RETURN_NOT_OK(RemoveUnnamed());
    return report_;
  }

 private:
  // Numbers of files are never used twice, so a name that is there means the same bytes.
  Status Copy(const std::string& path, std::optional<uint64_t> expected) {
    LB_ASSIGN_OR_RETURN(const auto file, files_->Open(path, OpenMode::kRead));
    LB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    if (expected && size != *expected) {
      return Error(ErrorCode::kCorruption, path, " has ", size, " bytes, the manifest says ", *expected,
                   "; see longbowd --verify");
    }
    named_.insert(path);
    LB_ASSIGN_OR_RETURN(const auto there, store_->Size(path));
    if (there == size) {
      report_.files_there += 1;
      report_.bytes_there += static_cast<int64_t>(size);
      return Status::OK();
    }
    LB_RETURN_NOT_OK(store_->Put(path, From(file.get(), size)));
    report_.files += 1;
    report_.bytes += static_cast<int64_t>(size);
    return Status::OK();
  }

  Status RemoveUnnamed() {
    for (const std::string_view directory : {BlockStore::kBlocks, BlockStore::kDerived}) {
      LB_ASSIGN_OR_RETURN(const auto names, store_->List(directory));
      for (const auto& name : names) {
        if (named_.contains(name)) continue;
        LB_RETURN_NOT_OK(store_->Remove(name));
        report_.removed += 1;
      }
    }
    return Status::OK();
  }

  FileSystem* const files_;
  ObjectStore* const store_;
  CopyReport report_;
  std::set<std::string> named_;
};

Status CheckOwner(const std::string& owner, ObjectStore* store) {
  LB_ASSIGN_OR_RETURN(const auto known, store->Size(kOwner));
  if (!known) return store->PutText(kOwner, owner);
  LB_ASSIGN_OR_RETURN(const std::string other, store->GetText(kOwner));
  if (other == owner) return Status::OK();
  return Error(ErrorCode::kFailedPrecondition, "the place holds a copy of another data directory (node ",
               other.substr(0, 64), ", this one is ", owner, "); name another place");
}

// One run from a store to a directory. Confined.
class Import {
 public:
  Import(ObjectStore* store, FileSystem* files) : store_(store), files_(files) {}

  Result<CopyReport> Run() {
    LB_RETURN_NOT_OK(CheckEmpty());
    LB_RETURN_NOT_OK(Fetch(std::string(kManifest), std::string(kPending), std::nullopt));
    LB_ASSIGN_OR_RETURN(const std::string bytes, files_->ReadFile(kPending));
    LB_ASSIGN_OR_RETURN(const Manifest manifest, LoadManifest(files_, kPending));
    LB_RETURN_NOT_OK(CheckWhole(manifest));
    BlockStore blocks(files_);
    LB_RETURN_NOT_OK(blocks.Open(manifest));
    for (const BlockEntry& block : manifest.blocks) LB_RETURN_NOT_OK(FetchBlock(block, &blocks));
    for (const DerivedEntry& derived : manifest.derived) {
      const std::string directory = BlockStore::DerivedPath(derived.file);
      LB_RETURN_NOT_OK(files_->CreateDirectories(directory));
      LB_ASSIGN_OR_RETURN(const auto names, store_->List(directory));
      for (const auto& name : names) LB_RETURN_NOT_OK(Fetch(name, name, std::nullopt));
      LB_RETURN_NOT_OK(files_->SyncDirectory(directory));
    }
    LB_RETURN_NOT_OK(blocks.SyncNames());
    LB_RETURN_NOT_OK(files_->ReplaceFile(kManifest, bytes));
    LB_RETURN_NOT_OK(files_->Remove(kPending));
    report_.sequence = manifest.snapshot_sequence;
    return report_;
  }

 private:
  static constexpr std::string_view kPending = "manifest.import";

  Status CheckEmpty() {
    for (const std::string_view name : {kManifest, kLog}) {
      LB_ASSIGN_OR_RETURN(const bool exists, files_->Exists(name));
      if (!exists) continue;
      return Error(ErrorCode::kFailedPrecondition, "the data directory holds '", name,
                   "' already; name one that is new");
    }
    return Status::OK();
  }

  Status FetchBlock(const BlockEntry& block, BlockStore* blocks) {
    if (blocks->OpenBlock(block).ok()) {
      report_.files_there += 1;
      report_.bytes_there += static_cast<int64_t>(block.bytes);
      return Status::OK();
    }
    const std::string path = BlockStore::BlockPath(block.file);
    return Fetch(path, path, block.checksum);
  }

  Status Fetch(const std::string& name, const std::string& path, std::optional<uint64_t> checksum) {
    LB_ASSIGN_OR_RETURN(const bool left, files_->Exists(path));
    if (left) LB_RETURN_NOT_OK(files_->Remove(path));
    LB_ASSIGN_OR_RETURN(const auto file, files_->Open(path, OpenMode::kCreate));
    const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> hash(XXH3_createState(),
                                                                               XXH3_freeState);
    XXH3_64bits_reset(hash.get());
    uint64_t at = 0;
    LB_RETURN_NOT_OK(store_->Get(name, [&](std::span<const uint8_t> bytes) -> Status {
      XXH3_64bits_update(hash.get(), bytes.data(), bytes.size());
      LB_RETURN_NOT_OK(file->Write(at, {{bytes.data(), bytes.size()}}, /*sync=*/false));
      at += bytes.size();
      return Status::OK();
    }));
    if (checksum && XXH3_64bits_digest(hash.get()) != *checksum) {
      return Error(ErrorCode::kCorruption, "object ", name,
                   " is not what the copy's manifest says: another checksum; copy the snapshot again");
    }
    report_.files += 1;
    report_.bytes += static_cast<int64_t>(at);
    return file->Sync();
  }

  ObjectStore* const store_;
  FileSystem* const files_;
  CopyReport report_;
};

}  // namespace

Result<CopyReport> ExportSnapshot(FileSystem* files, const std::string& owner, ObjectStore* store) {
  LB_ASSIGN_OR_RETURN(const bool taken, files->Exists(kManifest));
  if (!taken) return NotFound("the data directory holds no snapshot yet: take one (action ForceSnapshot)");
  LB_RETURN_NOT_OK(CheckOwner(owner, store));
  for (int attempt = 1;; ++attempt) {
    auto report = Export(files, store).Run();
    if (report.ok() || CodeOf(report.status()) != ErrorCode::kNotFound || attempt == kAttempts) return report;
  }
}

Result<CopyReport> ImportSnapshot(ObjectStore* store, FileSystem* files) {
  LB_ASSIGN_OR_RETURN(const auto there, store->Size(kManifest));
  if (!there) return NotFound("there is no copy of a snapshot: no object '", kManifest, "'");
  return Import(store, files).Run();
}

}  // namespace longbow::storage
