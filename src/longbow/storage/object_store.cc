#include "longbow/storage/object_store.h"

#include <arrow/buffer.h>
#include <arrow/filesystem/filesystem.h>
#include <arrow/filesystem/s3fs.h>
#include <arrow/io/interfaces.h>

#include <algorithm>
#include <utility>

#include "longbow/base/filesystem.h"

namespace longbow::storage {
namespace {

constexpr size_t kStepBytes = size_t{8} << 20;

// Objects are files below a directory; a new one is written beside its place and renamed.
class DirectoryStore final : public ObjectStore {
 public:
  explicit DirectoryStore(std::unique_ptr<FileSystem> files) : files_(std::move(files)) {}

  Result<std::optional<uint64_t>> Size(std::string_view name) override {
    LB_ASSIGN_OR_RETURN(const bool exists, files_->Exists(name));
    if (!exists) return std::nullopt;
    LB_ASSIGN_OR_RETURN(const auto file, files_->Open(name, OpenMode::kRead));
    LB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    return std::optional(size);
  }

  Status Put(std::string_view name, const ByteSource& source) override {
    const std::string directory = DirectoryOf(name), part = std::string(name) + ".part";
    LB_RETURN_NOT_OK(files_->CreateDirectories(directory));
    LB_ASSIGN_OR_RETURN(const bool left, files_->Exists(part));
    if (left) LB_RETURN_NOT_OK(files_->Remove(part));
    {
      LB_ASSIGN_OR_RETURN(const auto file, files_->Open(part, OpenMode::kCreate));
      std::vector<uint8_t> bytes(kStepBytes);
      for (uint64_t at = 0;;) {
        LB_ASSIGN_OR_RETURN(const size_t n, source(bytes));
        if (n == 0) break;
        LB_RETURN_NOT_OK(file->Write(at, {{bytes.data(), n}}, /*sync=*/false));
        at += n;
      }
      LB_RETURN_NOT_OK(file->Sync());
    }
    LB_RETURN_NOT_OK(files_->Rename(part, name));
    return files_->SyncDirectory(directory);
  }

  Status Get(std::string_view name, const ByteSink& sink) override {
    LB_ASSIGN_OR_RETURN(const auto file, files_->Open(name, OpenMode::kRead));
    LB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    std::vector<uint8_t> bytes(std::min<uint64_t>(size, kStepBytes));
    for (uint64_t at = 0; at < size; at += bytes.size()) {
      bytes.resize(std::min<uint64_t>(size - at, kStepBytes));
      LB_RETURN_NOT_OK(file->Read(at, bytes));
      LB_RETURN_NOT_OK(sink(bytes));
    }
    return Status::OK();
  }

  // Two levels are all that a copy has.
  Result<std::vector<std::string>> List(std::string_view directory) override {
    std::vector<std::string> out;
    LB_ASSIGN_OR_RETURN(const bool exists, files_->Exists(directory));
    if (!exists) return out;
    LB_ASSIGN_OR_RETURN(const auto names, files_->List(directory));
    for (const auto& name : names) {
      std::string path = std::string(directory) + "/" + name;
      const auto inside = files_->List(path);
      if (!inside.ok()) {
        out.push_back(std::move(path));
        continue;
      }
      for (const auto& file : *inside) out.push_back(path + "/" + file);
    }
    return out;
  }

  Status Remove(std::string_view name) override {
    LB_RETURN_NOT_OK(files_->Remove(name));
    const std::string directory = DirectoryOf(name);
    const auto left = files_->List(directory);
    if (left.ok() && left->empty() && !directory.empty()) (void)files_->Remove(directory);
    return Status::OK();
  }

 private:
  static std::string DirectoryOf(std::string_view name) {
    const size_t slash = name.rfind('/');
    return slash == std::string_view::npos ? "" : std::string(name.substr(0, slash));
  }

  const std::unique_ptr<FileSystem> files_;
};

// Objects of an S3 bucket below a prefix. An upload shows when it is complete.
class S3Store final : public ObjectStore {
 public:
  S3Store(std::shared_ptr<arrow::fs::FileSystem> files, std::string prefix)
      : files_(std::move(files)), prefix_(std::move(prefix)) {}

  Result<std::optional<uint64_t>> Size(std::string_view name) override {
    LB_ASSIGN_OR_RETURN(const auto info, files_->GetFileInfo(Path(name)));
    if (info.type() != arrow::fs::FileType::File) return std::nullopt;
    return std::optional(static_cast<uint64_t>(info.size()));
  }

  Status Put(std::string_view name, const ByteSource& source) override {
    LB_ASSIGN_OR_RETURN(const auto out, files_->OpenOutputStream(Path(name)));
    const Status status = Copy(source, out.get());
    if (status.ok()) return out->Close();
    (void)out->Abort();
    return status;
  }

  Status Get(std::string_view name, const ByteSink& sink) override {
    auto opened = files_->OpenInputStream(Path(name));
    if (!opened.ok()) {
      LB_ASSIGN_OR_RETURN(const auto size, Size(name));
      return size ? opened.status() : NotFound("object ", Path(name), " does not exist");
    }
    while (true) {
      LB_ASSIGN_OR_RETURN(const auto bytes, (*opened)->Read(static_cast<int64_t>(kStepBytes)));
      if (bytes->size() == 0) return (*opened)->Close();
      LB_RETURN_NOT_OK(sink({bytes->data(), static_cast<size_t>(bytes->size())}));
    }
  }

  Result<std::vector<std::string>> List(std::string_view directory) override {
    arrow::fs::FileSelector selector;
    selector.base_dir = Path(directory);
    selector.recursive = true;
    selector.allow_not_found = true;
    LB_ASSIGN_OR_RETURN(const auto infos, files_->GetFileInfo(selector));
    std::vector<std::string> out;
    for (const auto& info : infos) {
      if (info.type() == arrow::fs::FileType::File) out.push_back(info.path().substr(prefix_.size() + 1));
    }
    return out;
  }

  Status Remove(std::string_view name) override { return files_->DeleteFile(Path(name)); }

 private:
  std::string Path(std::string_view name) const { return prefix_ + "/" + std::string(name); }

  static Status Copy(const ByteSource& source, arrow::io::OutputStream* out) {
    std::vector<uint8_t> bytes(kStepBytes);
    while (true) {
      LB_ASSIGN_OR_RETURN(const size_t n, source(bytes));
      if (n == 0) return Status::OK();
      LB_RETURN_NOT_OK(out->Write(bytes.data(), static_cast<int64_t>(n)));
    }
  }

  const std::shared_ptr<arrow::fs::FileSystem> files_;
  const std::string prefix_;
};

}  // namespace

Status ObjectStore::PutText(std::string_view name, std::string_view text) {
  size_t at = 0;
  return Put(name, [&](std::span<uint8_t> out) -> Result<size_t> {
    const size_t n = std::min(out.size(), text.size() - at);
    std::copy_n(text.data() + at, n, out.data());
    at += n;
    return n;
  });
}

Result<std::string> ObjectStore::GetText(std::string_view name) {
  std::string text;
  LB_RETURN_NOT_OK(Get(name, [&](std::span<const uint8_t> bytes) {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return Status::OK();
  }));
  return text;
}

Result<std::unique_ptr<ObjectStore>> OpenObjectStore(const std::string& uri) {
  constexpr std::string_view kS3 = "s3://", kFile = "file://";
  if (uri.starts_with(kS3)) {
    LB_RETURN_NOT_OK(arrow::fs::EnsureS3Initialized());
    std::string prefix;
    LB_ASSIGN_OR_RETURN(auto files, arrow::fs::FileSystemFromUri(uri, &prefix));
    while (prefix.ends_with('/')) prefix.pop_back();
    return std::make_unique<S3Store>(std::move(files), std::move(prefix));
  }
  if (uri.find("://") != std::string::npos && !uri.starts_with(kFile)) {
    return InvalidArgument("'", uri.substr(0, uri.find("://") + 3),
                           "...': expected s3://bucket/prefix, file:///directory or a directory");
  }
  const std::string path = uri.starts_with(kFile) ? uri.substr(kFile.size()) : uri;
  if (path.empty()) return InvalidArgument("the name of the directory is empty");
  LB_ASSIGN_OR_RETURN(auto files, MakePosixFileSystem(path, /*io_threads=*/2));
  return std::make_unique<DirectoryStore>(std::move(files));
}

void CloseObjectStores() {
  if (arrow::fs::IsS3Initialized() && !arrow::fs::IsS3Finalized()) (void)arrow::fs::FinalizeS3();
}

}  // namespace longbow::storage
