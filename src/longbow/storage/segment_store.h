// The files of a log's directory: segments in use, segments prepared ahead, spare space. Knows no records.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "longbow/base/filesystem.h"
#include "longbow/base/random.h"
#include "longbow/storage/commit_log.h"
#include "longbow/storage/log_format.h"

namespace longbow::storage {

// One file of the log, open. The header is immutable, `bytes` is its owner's.
struct Segment {
  SegmentHeader header;
  std::string path;
  uint64_t bytes = 0;  // of the file
  std::unique_ptr<File> file;
};

struct SegmentStoreOptions {
  std::string directory;
  uint64_t segment_bytes = 0;
  uint64_t generation = 0;
  uint64_t max_spares = 0;  // made ahead of need; of used ones as many are kept as the log was long
};

// Thread-safe. Calls block on the disk.
class SegmentStore {
 public:
  SegmentStore(FileSystem* files, Random* random, SegmentStoreOptions options)
      : files_(files),
        random_(random),
        options_(std::move(options)),
        room_{.segment_bytes = options_.segment_bytes},
        kept_(options_.max_spares) {}

  // For what is prepared and released from now on.
  void SetRoom(const LogRoom& room);

  // The segments of this generation, ascending. Called once, first.
  Result<std::vector<std::shared_ptr<Segment>>> Open();

  // A new segment with the highest number so far: allocated, its header and its name durable. Nothing when
  // segments above it were released meanwhile; ask again. ResourceExhausted when the disk has no space for
  // it.
  Result<std::shared_ptr<Segment>> Prepare(uint64_t base, Sequence base_sequence, bool cut);

  // Makes spares of segments, durably, one after the other in the order given. None may be read or written
  // any more.
  Status Recycle(const std::vector<uint64_t>& numbers);
  // The same for every segment below `number`, oldest first.
  Status RecycleBelow(uint64_t number);

  // One step of making a spare whose every block was written once: overwriting is several times faster than
  // writing for the first time. True when there is nothing more to do.
  Result<bool> FillSpare();

  uint64_t live() const { return live_count_.load(std::memory_order_relaxed); }  // segments
  uint64_t spares() const { return spare_count_.load(std::memory_order_relaxed); }

 private:
  struct Spare {
    uint64_t number = 0, bytes = 0;
  };
  struct Filling {
    uint64_t number = 0;
    uint64_t offset = 0, bytes = 0;
    std::unique_ptr<File> file;
  };

  // Spares that the room has space for beside so many segments.
  uint64_t MostSpares(uint64_t live) const;
  std::string PathOf(const std::string& name) const { return options_.directory + "/" + name; }
  Result<std::shared_ptr<Segment>> OpenSegment(uint64_t number);
  Result<std::unique_ptr<File>> CreateSpare(uint64_t number, uint64_t bytes);
  Status KeepSparesFor(uint64_t released);
  Status RemoveSparesBeyondRoom();
  Status RecycleLocked(uint64_t number);
  void Count();

  FileSystem* const files_;
  Random* const random_;
  const SegmentStoreOptions options_;
  mutable std::mutex mutex_;              // held for renames, never while bytes are written
  uint64_t next_number_ = 1;              // guarded by mutex_
  uint64_t floor_ = 0;                    // guarded by mutex_: segments below it are released
  LogRoom room_;                          // guarded by mutex_
  uint64_t kept_;                         // guarded by mutex_: spares beyond which segments are removed
  std::vector<Spare> spares_;             // guarded by mutex_
  std::map<uint64_t, std::string> live_;  // guarded by mutex_: names of segments
  std::atomic<uint64_t> live_count_ = 0, spare_count_ = 0;
  Filling filling_;  // confined to the caller of FillSpare
};

}  // namespace longbow::storage
