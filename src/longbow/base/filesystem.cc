#include "longbow/base/filesystem.h"

#include <mutex>
#include <utility>

namespace longbow {

Status File::Write(uint64_t offset, std::vector<ConstBytes> pieces, bool sync) {
  return Await([&](IoDone done) { SubmitWrite(offset, std::move(pieces), sync, std::move(done)); });
}

Status File::Sync() {
  return Await([&](IoDone done) { SubmitSync(std::move(done)); });
}

Status File::Read(uint64_t offset, std::span<uint8_t> out) {
  return Await([&](IoDone done) { SubmitRead(offset, out, std::move(done)); });
}

Status File::Await(const std::function<void(IoDone)>& submit) {
  struct Outcome {
    std::mutex mutex;
    bool known = false;  // guarded by mutex
    Status status;       // guarded by mutex
  };
  // Shared: the completion may still hold it when the waiter has already gone on.
  auto outcome = std::make_shared<Outcome>();
  submit([outcome](Status status) {
    std::lock_guard lock(outcome->mutex);
    outcome->status = std::move(status);
    outcome->known = true;
  });
  WaitUntil([&] {
    std::lock_guard lock(outcome->mutex);
    return outcome->known;
  });
  std::lock_guard lock(outcome->mutex);
  return outcome->status;
}

Result<std::string> FileSystem::ReadFile(std::string_view path) {
  LB_ASSIGN_OR_RETURN(std::unique_ptr<File> file, Open(path, OpenMode::kRead));
  LB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::string content(size, '\0');
  LB_RETURN_NOT_OK(file->Read(0, {reinterpret_cast<uint8_t*>(content.data()), content.size()}));
  return content;
}

Status FileSystem::ReplaceFile(std::string_view path, std::string_view content) {
  const std::string beside = std::string(path) + ".new";
  // What an interrupted replacement left behind.
  LB_ASSIGN_OR_RETURN(const bool left_over, Exists(beside));
  if (left_over) LB_RETURN_NOT_OK(Remove(beside));
  {
    LB_ASSIGN_OR_RETURN(std::unique_ptr<File> file, Open(beside, OpenMode::kCreate));
    LB_RETURN_NOT_OK(
        file->Write(0, {{reinterpret_cast<const uint8_t*>(content.data()), content.size()}}, false));
    LB_RETURN_NOT_OK(file->Sync());
  }
  LB_RETURN_NOT_OK(Rename(beside, path));
  const size_t slash = path.rfind('/');
  return SyncDirectory(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash));
}

Result<std::vector<std::string>> SplitPath(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos ||
        slash == path.size() - 1) {
      return InvalidArgument(
          "path has a part that is empty, '.' or '..': expected names separated by '/', "
          "relative to the data directory");
    }
    parts.emplace_back(part);
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

}  // namespace longbow
