#include "longbow/storage/segment_store.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

namespace longbow::storage {
namespace {

constexpr uint64_t kFillStep = uint64_t{4} << 20;
constexpr uint64_t kZeroBytes = uint64_t{1} << 20;
const uint8_t kZeros[kZeroBytes] = {};

std::vector<ConstBytes> Zeros(uint64_t n) {
  std::vector<ConstBytes> pieces;
  for (; n > 0; n -= pieces.back().size) pieces.push_back({kZeros, std::min(n, kZeroBytes)});
  return pieces;
}

}  // namespace

Result<std::vector<std::shared_ptr<Segment>>> SegmentStore::Open() {
  LB_RETURN_NOT_OK(files_->CreateDirectories(options_.directory));
  LB_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_->List(options_.directory));
  std::vector<std::shared_ptr<Segment>> segments;
  std::lock_guard lock(mutex_);
  for (const std::string& name : names) {
    if (const auto spare = ParseSpareName(name)) {
      next_number_ = std::max(next_number_, *spare + 1);
      LB_ASSIGN_OR_RETURN(auto file, files_->Open(PathOf(name), OpenMode::kRead));
      LB_ASSIGN_OR_RETURN(const uint64_t bytes, file->Size());
      spares_.push_back({*spare, bytes});
    } else if (const auto number = ParseSegmentName(name)) {
      next_number_ = std::max(next_number_, *number + 1);
      LB_ASSIGN_OR_RETURN(std::shared_ptr<Segment> segment, OpenSegment(*number));
      if (segment->header.generation < options_.generation) continue;
      if (segment->header.generation > options_.generation) {
        return Error(ErrorCode::kFailedPrecondition, "log segment ", segment->path, ": generation ",
                     segment->header.generation, ", expected at most ", options_.generation,
                     "; the manifest is older than the log: restore the manifest");
      }
      live_[*number] = name;
      segments.push_back(std::move(segment));
    }
  }
  Count();
  return segments;
}

Result<std::shared_ptr<Segment>> SegmentStore::OpenSegment(uint64_t number) {
  auto segment = std::make_shared<Segment>();
  segment->path = PathOf(SegmentName(number));
  LB_ASSIGN_OR_RETURN(segment->file, files_->Open(segment->path, OpenMode::kReadWrite));
  LB_ASSIGN_OR_RETURN(segment->bytes, segment->file->Size());
  std::vector<uint8_t> block(std::min(segment->bytes, kSegmentHeaderBytes));
  if (!block.empty()) LB_RETURN_NOT_OK(segment->file->Read(0, block));
  LB_ASSIGN_OR_RETURN(segment->header, DecodeSegmentHeader(block, segment->path));
  if (segment->header.number != number) {
    return Error(ErrorCode::kCorruption, "log segment ", segment->path,
                 ": the header at offset 0 belongs to segment ", segment->header.number,
                 "; restore the file from a copy");
  }
  return segment;
}

void SegmentStore::SetRoom(const LogRoom& room) {
  std::lock_guard lock(mutex_);
  room_ = room;
  room_.segment_bytes = std::clamp(room.segment_bytes, 2 * kSegmentHeaderBytes, options_.segment_bytes);
}

uint64_t SegmentStore::MostSpares(uint64_t live) const {
  const uint64_t segments = room_.most_bytes / room_.segment_bytes;
  return segments > live ? segments - live : 0;
}

Result<std::unique_ptr<File>> SegmentStore::CreateSpare(uint64_t number, uint64_t bytes) {
  LB_ASSIGN_OR_RETURN(const uint64_t free, files_->FreeBytes());
  if (free < bytes) {
    return Error(ErrorCode::kResourceExhausted, "disk full: the log needs ", bytes,
                 " bytes for its next segment and ", free, " are free; writes resume when there is space");
  }
  const std::string path = PathOf(SpareName(number));
  LB_ASSIGN_OR_RETURN(std::unique_ptr<File> file, files_->Open(path, OpenMode::kCreate));
  if (const Status allocated = file->Allocate(bytes); !allocated.ok()) {
    file.reset();
    LB_RETURN_NOT_OK(files_->Remove(path));
    return WithContext(allocated, "log");
  }
  return file;
}

Result<std::shared_ptr<Segment>> SegmentStore::Prepare(uint64_t base, Sequence base_sequence, bool cut) {
  auto segment = std::make_shared<Segment>();
  Spare spare;
  {
    std::lock_guard lock(mutex_);
    spare.bytes = room_.segment_bytes;
    segment->header = {.number = next_number_++,
                       .generation = options_.generation,
                       .salt = random_->Next(),
                       .base = base,
                       .base_sequence = base_sequence,
                       .cut = cut};
    if (!spares_.empty()) {
      spare = {spares_.back().number, std::max(spares_.back().bytes, room_.segment_bytes)};
      spares_.pop_back();
      Count();
    }
  }
  const uint64_t number = segment->header.number;
  if (spare.number == 0) {
    spare.number = number;
    LB_ASSIGN_OR_RETURN(segment->file, CreateSpare(spare.number, spare.bytes));
  } else {
    LB_ASSIGN_OR_RETURN(segment->file, files_->Open(PathOf(SpareName(spare.number)), OpenMode::kReadWrite));
    if (const Status allocated = segment->file->Allocate(spare.bytes); !allocated.ok()) {
      std::lock_guard lock(mutex_);
      spares_.push_back(spare);
      Count();
      return WithContext(allocated, "log");
    }
  }
  LB_ASSIGN_OR_RETURN(segment->bytes, segment->file->Size());
  const std::vector<uint8_t> block = EncodeSegmentHeader(segment->header);
  LB_RETURN_NOT_OK(segment->file->Write(0, {{block.data(), block.size()}}, /*sync=*/true));

  std::lock_guard lock(mutex_);
  if (number < floor_) {
    spares_.push_back(spare);
    Count();
    return nullptr;
  }
  segment->path = PathOf(SegmentName(number));
  LB_RETURN_NOT_OK(files_->Rename(PathOf(SpareName(spare.number)), segment->path));
  live_[number] = SegmentName(number);
  Count();  // also when the sync fails: it is there
  LB_RETURN_NOT_OK(files_->SyncDirectory(options_.directory));
  return segment;
}

Status SegmentStore::Recycle(const std::vector<uint64_t>& numbers) {
  std::lock_guard lock(mutex_);
  for (const uint64_t number : numbers) LB_RETURN_NOT_OK(RecycleLocked(number));
  return Status::OK();
}

Status SegmentStore::RecycleBelow(uint64_t number) {
  std::lock_guard lock(mutex_);
  floor_ = std::max(floor_, number);
  const auto released = std::distance(live_.begin(), live_.lower_bound(number));
  LB_RETURN_NOT_OK(KeepSparesFor(static_cast<uint64_t>(released)));
  while (!live_.empty() && live_.begin()->first < number)
    LB_RETURN_NOT_OK(RecycleLocked(live_.begin()->first));
  return Status::OK();
}

// The log will soon be as long again as it was when it was cut; half of what it does not need any more
// goes each time.
Status SegmentStore::KeepSparesFor(uint64_t released) {
  if (options_.max_spares == 0) return Status::OK();
  LB_ASSIGN_OR_RETURN(const uint64_t free, files_->FreeBytes());
  kept_ = std::max({options_.max_spares, released, (kept_ + released) / 2});
  if (free / 4 < kept_ * room_.segment_bytes) kept_ = options_.max_spares;  // others need the space
  kept_ = std::min(kept_, MostSpares(live_.size() - released));
  return RemoveSparesBeyondRoom();
}

Status SegmentStore::RemoveSparesBeyondRoom() {
  const auto goes = [&](const Spare& spare) { return spare.bytes != room_.segment_bytes; };
  std::stable_partition(spares_.begin(), spares_.end(), std::not_fn(goes));
  while (!spares_.empty() && (spares_.size() > kept_ || goes(spares_.back()))) {
    LB_RETURN_NOT_OK(files_->Remove(PathOf(SpareName(spares_.back().number))));
    spares_.pop_back();
  }
  Count();
  return Status::OK();
}

// The directory is synced after each: otherwise a crash could undo the first of two renames and not the
// second, and the log would have a hole.
Status SegmentStore::RecycleLocked(uint64_t number) {
  const std::string path = PathOf(SegmentName(number));
  LB_ASSIGN_OR_RETURN(auto file, files_->Open(path, OpenMode::kRead));
  LB_ASSIGN_OR_RETURN(const uint64_t bytes, file->Size());
  file.reset();
  const bool keep = bytes == room_.segment_bytes && spares_.size() < kept_;
  if (keep) {
    LB_RETURN_NOT_OK(files_->Rename(path, PathOf(SpareName(number))));
  } else {
    LB_RETURN_NOT_OK(files_->Remove(path));
  }
  LB_RETURN_NOT_OK(files_->SyncDirectory(options_.directory));
  live_.erase(number);
  if (keep) spares_.push_back({number, bytes});
  Count();
  return Status::OK();
}

Result<bool> SegmentStore::FillSpare() {
  if (filling_.file == nullptr) {
    LB_ASSIGN_OR_RETURN(const uint64_t free, files_->FreeBytes());
    // Speed is not worth the last of the space.
    {
      std::lock_guard lock(mutex_);
      if (free / 4 < options_.max_spares * room_.segment_bytes) return true;
      if (spares_.size() >= std::min(options_.max_spares, MostSpares(live_.size()))) return true;
      filling_.number = next_number_++;
      filling_.bytes = room_.segment_bytes;
    }
    filling_.offset = 0;
    LB_ASSIGN_OR_RETURN(filling_.file, CreateSpare(filling_.number, filling_.bytes));
  }
  const uint64_t n = std::min(kFillStep, filling_.bytes - filling_.offset);
  LB_RETURN_NOT_OK(filling_.file->Write(filling_.offset, Zeros(n), /*sync=*/true));
  filling_.offset += n;
  if (filling_.offset < filling_.bytes) return false;
  filling_.file.reset();
  std::lock_guard lock(mutex_);
  spares_.push_back({filling_.number, filling_.bytes});
  Count();
  return spares_.size() >= std::min(options_.max_spares, MostSpares(live_.size()));
}

void SegmentStore::Count() {
  live_count_.store(live_.size(), std::memory_order_relaxed);
  spare_count_.store(spares_.size(), std::memory_order_relaxed);
}

}  // namespace longbow::storage
