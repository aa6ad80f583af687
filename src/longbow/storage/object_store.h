// Whole files under names, somewhere else: what a snapshot is copied to and restored from.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"

namespace longbow::storage {

// Where the next bytes of an object come from; fewer than asked for only at its end.
using ByteSource = std::function<Result<size_t>(std::span<uint8_t> out)>;
// Where they go.
using ByteSink = std::function<Status(std::span<const uint8_t> bytes)>;

// Names are paths without a leading '/'. Thread-safe.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // Nothing when there is no such object.
  virtual Result<std::optional<uint64_t>> Size(std::string_view name) = 0;
  // There is the whole object, durably, on return; until then the one before, or none.
  virtual Status Put(std::string_view name, const ByteSource& source) = 0;
  virtual Status Get(std::string_view name, const ByteSink& sink) = 0;  // NotFound
  virtual Result<std::vector<std::string>> List(
      std::string_view directory) = 0;  // names below it, at any depth
  virtual Status Remove(std::string_view name) = 0;

  // Small objects as a whole.
  Status PutText(std::string_view name, std::string_view text);
  Result<std::string> GetText(std::string_view name);
};

// The store that `uri` means: `s3://[key:secret@]bucket/prefix[?endpoint_override=...&scheme=...&region=...]`
// as Arrow reads it (without a key, as AWS programs find theirs), `file:///path`, or a path.
Result<std::unique_ptr<ObjectStore>> OpenObjectStore(const std::string& uri);

// Ends what S3 needed, before the process does. Does nothing where it was not used.
void CloseObjectStores();

}  // namespace longbow::storage
