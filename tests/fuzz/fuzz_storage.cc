// Bytes of a data directory: frames of compressed records, logs with some bytes changed, manifests, catalogs.
// The first byte says which.
#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/engine/catalog_state.h"
#include "longbow/storage/commit_log.h"
#include "longbow/storage/manifest.h"
#include "longbow/storage/record_compression.h"
#include "simulation/simulated_world.h"

using namespace longbow;

namespace {

constexpr int64_t kMostExpanded = int64_t{1} << 26;
constexpr const char* kSegment = "log/00000000000000000001.log";
constexpr uint64_t kFirstRecord = 4096, kHeaderBytes = 104;  // docs/formats/log.md
constexpr size_t kRecords = 9;

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

std::string PayloadOf(int i) {
  std::string bytes(static_cast<size_t>(i % 3 == 0 ? 2000 : 40), '\0');
  for (size_t at = 0; at < bytes.size(); at += 4)
    bytes[at] = static_cast<char>(at * 7 + static_cast<size_t>(i));
  return bytes;
}

storage::CommitLogOptions Options() {
  storage::CommitLogOptions options;
  options.segment_bytes = 16 << 10;
  options.spare_segments = 0;
  options.compression = storage::LogCompression::kZstd;
  return options;
}

// A disk with a log of some records, each a flush of its own, all but the last proved durable.
const simulation::SimulatedDisk& SoundLog() {
  static const simulation::SimulatedDisk disk = []() -> simulation::SimulatedDisk {
    simulation::SimulatedWorld world(1);
    {
      auto log = *storage::OpenCommitLog(world.environment(), nullptr, Options());
      Require(log->Replay([](const storage::LogRecord&) { return Status::OK(); }).ok(), "a new log opens");
      for (int i = 0; i < static_cast<int>(kRecords); ++i) {
        storage::LogAppend append{.shard = 1, .payload = BufferChain::FromString(PayloadOf(i))};
        Require(log->Append(std::move(append), [](const storage::LogPosition&, const Status&) {}).ok(),
                "it takes records");
        world.RunUntilIdle();
      }
    }
    return world.files().TakeDisk();
  }();
  return disk;
}

// The bytes of its segment.
std::vector<uint8_t> SoundSegment() {
  simulation::SimulatedWorld world(1, SoundLog().Copy());
  const auto file = *world.files().Open(kSegment, OpenMode::kRead);
  std::vector<uint8_t> bytes(*file->Size());
  Require(file->Read(0, bytes).ok(), "a segment is read");
  return bytes;
}

// Where its records begin.
std::vector<uint64_t> RecordPlaces(const std::vector<uint8_t>& segment) {
  std::vector<uint64_t> places;
  for (uint64_t at = kFirstRecord; places.size() < kRecords;) {
    Require(std::memcmp(segment.data() + at, "LREC", 4) == 0, "a record follows");
    uint64_t payload = 0;
    std::memcpy(&payload, segment.data() + at + 16, sizeof(payload));
    places.push_back(at);
    at = (at + kHeaderBytes + payload + 7) / 8 * 8;
  }
  return places;
}

// Changes bytes (two of place, one of value) of its first segment. What is replayed is what was written, from
// the front; and a record is only taken for one that was never acknowledged when no whole header behind it is
// left that tells otherwise.
void ReadChangedLog(std::string_view edits) {
  static const std::vector<uint8_t> sound = SoundSegment();
  static const std::vector<uint64_t> places = RecordPlaces(sound);
  simulation::SimulatedWorld world(1, SoundLog().Copy());
  std::vector<uint8_t> changed = sound;
  for (; edits.size() >= 3; edits.remove_prefix(3)) {
    uint16_t place = 0;
    std::memcpy(&place, edits.data(), sizeof(place));
    changed[place % changed.size()] = static_cast<uint8_t>(edits[2]);
  }
  {
    const auto file = *world.files().Open(kSegment, OpenMode::kReadWrite);
    Require(file->Write(0, {{changed.data(), changed.size()}}, /*sync=*/true).ok(), "bytes are changed");
  }
  const auto tells = [&](size_t record) {
    const auto at = static_cast<std::ptrdiff_t>(places[record]);
    return std::equal(sound.begin() + at, sound.begin() + at + static_cast<std::ptrdiff_t>(kHeaderBytes),
                      changed.begin() + at);
  };
  auto log = storage::OpenCommitLog(world.environment(), nullptr, Options());
  if (!log.ok()) return;
  size_t next = 0;
  const auto replayed = (*log)->Replay([&](const storage::LogRecord& record) {
    Require(next < kRecords && (*record.payload.Join())->ToString() == PayloadOf(static_cast<int>(next)),
            "a record is as written");
    ++next;
    return Status::OK();
  });
  for (size_t later = next + 1; replayed.ok() && later < kRecords; ++later) {
    Require(!tells(later), "what is proved durable is replayed or refused");
  }
}

void ReadManifest(std::string bytes) {
  if (bytes.size() < 8) return;
  const uint64_t sum = XXH3_64bits(bytes.data(), bytes.size() - 8);
  std::memcpy(bytes.data() + bytes.size() - 8, &sum, sizeof(sum));
  simulation::SimulatedWorld world(1);
  Require(world.files().ReplaceFile("manifest", bytes).ok(), "a file is written");
  const auto manifest = storage::LoadManifest(&world.files());
  if (manifest.ok()) (void)engine::DecodeCatalog(manifest->catalog);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
    case 1: {
      storage::RecordHeader header;
      header.codec = static_cast<storage::RecordCodec>(1 + data[0] % 5);
      const auto out = storage::DecompressRecord(header, BufferChain::FromString(bytes));
      Require(!out.ok() || out->size() < kMostExpanded, "a frame of a few bytes stays small");
      break;
    }
    case 2:
      ReadChangedLog(bytes);
      break;
    case 3:
      ReadManifest(bytes);
      break;
    default:
      (void)engine::DecodeCatalog(bytes);
  }
  return 0;
}
