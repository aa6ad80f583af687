// Payloads of log records made smaller, and back: docs/formats/log.md.
#pragma once

#include <arrow/util/compression.h>

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "longbow/base/buffer_chain.h"
#include "longbow/base/status.h"
#include "longbow/storage/commit_log.h"
#include "longbow/storage/log_format.h"

namespace longbow::storage {

// Below this a record is not worth a frame.
inline constexpr int64_t kLeastCompressed = 1024;

struct CompressionScratch;  // where one compression works

// Guarded. Its buffers are used again; as many exist as threads ever compressed at once.
class RecordCompressor {
 public:
  struct Smaller {
    RecordCodec codec = RecordCodec::kPlain;
    BufferChain payload;
  };

  explicit RecordCompressor(LogCompression choice);
  ~RecordCompressor();

  // `payload` as it is to be stored; nothing when it is to be stored as it is. `asked` lets kAuto look at it.
  std::optional<Smaller> Compress(const BufferChain& payload, bool asked);

 private:
  using ScratchPtr = std::unique_ptr<CompressionScratch>;

  std::optional<RecordCodec> CodecFor(const BufferChain& payload, bool asked,
                                      CompressionScratch* scratch) const;
  ScratchPtr Take();
  void GiveBack(ScratchPtr scratch);

  const LogCompression choice_;
  std::mutex mutex_;
  std::vector<ScratchPtr> idle_;  // guarded by mutex_
};

// The payload that `record`, whose checksums were found right, was appended with. Corruption when it does not
// come out; shares what is plain.
Result<BufferChain> DecompressRecord(const RecordHeader& record, BufferChain payload);

}  // namespace longbow::storage
