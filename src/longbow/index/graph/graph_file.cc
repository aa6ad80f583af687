#include "longbow/index/graph/graph_file.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include "longbow/base/check.h"
#include "longbow/base/crc32c.h"
#include "longbow/base/shared_work.h"

namespace longbow::index {
namespace {

constexpr char kMagic[8] = "LBGRAPH", kEnd[] = "LBGRAEND";
constexpr size_t kEndBytes = 16;
constexpr uint32_t kVersion = 3, kFirstVersion = 1;
constexpr uint32_t kInnerProductVersion = 3;         // since which edges follow the metric
constexpr size_t kFrameBytes = size_t{1} << 20;      // a frame of nodes is ended beyond
constexpr size_t kMostFrameBytes = size_t{1} << 30;  // a longer one is damage
static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

std::string PathIn(std::string_view directory, std::string_view name) {
  return directory.empty() ? std::string(name) : std::string(directory) + "/" + std::string(name);
}

template <typename T>
void Put(std::string* out, const T& value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

// Frames one behind the other. Confined.
class FrameWriter {
 public:
  explicit FrameWriter(File* file) : file_(file) {}
  Status Write(const std::string& payload) {
    LB_CHECK(payload.size() <= kMostFrameBytes);
    const uint32_t head[2] = {static_cast<uint32_t>(payload.size()),
                              ExtendCrc32c(0, payload.data(), payload.size())};
    const auto bytes = [](const void* p, size_t n) { return ConstBytes{static_cast<const uint8_t*>(p), n}; };
    LB_RETURN_NOT_OK(file_->Write(at_, {bytes(head, sizeof(head)), bytes(payload.data(), payload.size())},
                                  /*sync=*/false));
    at_ += sizeof(head) + payload.size();
    return Status::OK();
  }

 private:
  File* const file_;
  uint64_t at_ = 0;
};

Status Damage(std::string_view what) {
  return Error(ErrorCode::kCorruption, "graph file: ", what, "; build the index anew");
}

// Where the frames of a file lie. Immutable.
class Frames {
 public:
  static Result<Frames> Find(File* file) {
    Frames frames(file);
    LB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    for (uint64_t at = 0; at < size;) {
      uint32_t head[2];
      if (size - at < sizeof(head)) return Damage("it ends early");
      LB_RETURN_NOT_OK(file->Read(at, {reinterpret_cast<uint8_t*>(head), sizeof(head)}));
      at += sizeof(head);
      if (head[0] > kMostFrameBytes || head[0] > size - at) return Damage("a frame is longer than the file");
      frames.frames_.push_back({at, head[0], head[1]});
      at += head[0];
    }
    if (frames.count() == 0) return Damage("it is empty");
    return frames;
  }
  size_t count() const { return frames_.size(); }
  Status Read(size_t i, std::string* payload) const {
    payload->resize(frames_[i].bytes);
    auto* const out = reinterpret_cast<uint8_t*>(payload->data());
    LB_RETURN_NOT_OK(file_->Read(frames_[i].at, {out, payload->size()}));
    if (ExtendCrc32c(0, out, payload->size()) != frames_[i].checksum) return Damage("a checksum differs");
    return Status::OK();
  }

 private:
  struct Frame {
    uint64_t at;
    uint32_t bytes, checksum;
  };
  explicit Frames(File* file) : file_(file) {}

  File* file_;
  std::vector<Frame> frames_;
};

// Takes values off the front of a payload; a value that is not there is zero and noted. Confined.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : left_(bytes) {}
  template <typename T>
  T Take() {
    T value{};
    Take(&value, sizeof(T));
    return value;
  }
  void Take(void* out, size_t size) {
    if (left_.size() < size) {
      short_ = true;
      left_ = {};
      return;
    }
    std::memcpy(out, left_.data(), size);
    left_.remove_prefix(size);
  }
  size_t left() const { return left_.size(); }
  bool ran_short() const { return short_; }

 private:
  std::string_view left_;
  bool short_ = false;
};

std::string Head(const Graph& graph, const RecallCalibration& calibration, const IndexInput& input,
                 RowOrdinal indexed_end) {
  std::string out(kMagic, sizeof(kMagic));
  Put(&out, kVersion);
  Put(&out, static_cast<uint8_t>(input.metric));
  Put(&out, static_cast<uint8_t>(input.store->type()));
  Put(&out, static_cast<uint8_t>(graph.layout().own));
  Put(&out, uint8_t{0});
  Put(&out, static_cast<uint32_t>(input.store->scalars()));
  Put(&out, static_cast<uint32_t>(graph.layout().n));
  Put(&out, graph.layout().degree);
  Put(&out, graph.layout().bits);
  Put(&out, input.seed);
  Put(&out, indexed_end);
  Put(&out, graph.size());
  const uint32_t entries = graph.entry_count();  // more may come meanwhile
  Put(&out, entries);
  for (uint32_t i = 0; i < entries; ++i) Put(&out, graph.entry(i).slot.load(std::memory_order_relaxed));
  Put(&out, calibration.measured());
  for (float x : graph.space().centre()) Put(&out, x);
  return out;
}

// As it lies in memory, but unlocked. Its lock does not keep others from counting edges to it.
void AppendHeader(const NodeHeader& header, std::string* out) {
  const size_t begin = out->size();
  const auto put = [out](const auto& field) { Put(out, field.load(std::memory_order_relaxed)); };
  Put(out, uint32_t{0});
  put(header.row);
  put(header.used);
  put(header.kept);
  put(header.scale);
  put(header.square);
  put(header.sum);
  put(header.bias);
  put(header.in_edges);
  put(header.lost);
  out->resize(begin + sizeof(header));
}

// False when the node stands for no row.
bool AppendNode(const Graph& graph, const RowChains& chains, Slot slot, std::string* out) {
  NodeHeader& header = graph.header(slot);
  NodeLock lock(header);
  const RowOrdinal first = header.row.load(std::memory_order_relaxed);
  if (first == kNoRow) return false;
  Put(out, slot);
  const size_t count_at = out->size();
  uint32_t count = 0;
  Put(out, count);
  for (RowOrdinal row = first; row != kNoRow; row = chains.next(row), ++count) Put(out, row);
  std::memcpy(out->data() + count_at, &count, sizeof(count));
  AppendHeader(header, out);
  out->append(reinterpret_cast<const char*>(&header + 1), graph.layout().bytes - sizeof(header));
  return true;
}

Result<LoadedGraph> ReadHead(const IndexInput& input, std::string_view payload, std::vector<Slot>* entries,
                             Slot* slots) {
  Cursor in(payload);
  char magic[8] = {};
  in.Take(magic, sizeof(magic));
  if (std::memcmp(magic, kMagic, sizeof(magic)) != 0) return Damage("not a graph file");
  const auto version = in.Take<uint32_t>();
  if (version < kFirstVersion || version > kVersion) {
    return Damage("format version " + std::to_string(version) + ", known are 1 to 3");
  }
  const auto metric = in.Take<uint8_t>(), type = in.Take<uint8_t>();
  const auto own = in.Take<uint8_t>();
  in.Take<uint8_t>();
  const auto scalars = in.Take<uint32_t>(), n = in.Take<uint32_t>(), degree = in.Take<uint32_t>(),
             bits = in.Take<uint32_t>();
  const auto seed = in.Take<uint64_t>();
  LoadedGraph loaded;
  loaded.indexed_end = in.Take<RowOrdinal>();
  *slots = in.Take<Slot>();
  const auto entry_count = in.Take<uint32_t>();
  const bool fits = metric == static_cast<uint8_t>(input.metric) &&
                    type == static_cast<uint8_t>(input.store->type()) && scalars == input.store->scalars() &&
                    n == codec::PaddedDim(scalars);
  if (!fits) return Damage("it is of another column");
  if (input.metric == distance::Metric::kInnerProduct && version < kInnerProductVersion) {
    return Damage("its edges were made by distance, not by inner product");
  }
  if (degree == 0 || degree % codec::kBlock != 0 || degree > kMaxDegree || bits > codec::kMaxBits ||
      own >= codec::kVectorCodes || entry_count > Graph::kEntries) {
    return Damage("its head makes no sense");
  }
  for (uint32_t i = 0; i < entry_count; ++i) entries->push_back(in.Take<Slot>());
  in.Take(&loaded.measured,
          version == kFirstVersion ? sizeof(loaded.measured.recall) : sizeof(loaded.measured));
  std::vector<float> centre(scalars);
  in.Take(centre.data(), centre.size() * sizeof(float));
  if (in.ran_short() || in.left() > 0) return Damage("its head has another length");
  loaded.space = std::make_unique<GraphSpace>(input.metric, input.store, seed, std::move(centre));
  loaded.graph = std::make_unique<Graph>(loaded.space.get(), degree, bits,
                                         static_cast<codec::VectorCode>(own), input.ledger);
  return loaded;
}

// Reads the nodes, on several threads, and looks their edges through: what the bytes say about them is not
// trusted further.
class NodeReader {
 public:
  // All frames but the first and the last are of nodes.
  NodeReader(const Frames& frames, Slot slots, LoadedGraph* loaded)
      : frames_(frames), slots_(slots), loaded_(loaded), present_(slots) {}

  Status Run(Executor* executor) {
    WorkTogether(executor, kHelpers, [this] { ReadFrames(); });
    LB_RETURN_NOT_OK(first_error_);
    if (loaded_->nodes < slots_) WorkTogether(executor, kHelpers, [this] { DropEdgesToAbsent(); });
    SetInEdges();
    return Status::OK();
  }
  bool present(Slot slot) const { return slot < slots_ && present_[slot].load(std::memory_order_relaxed); }

 private:
  static constexpr int kHelpers = 7;
  static constexpr Slot kSlotsAtATime = 16384;

  // What one thread has read. The edges to each slot are counted side by side: in the nodes, each would be a
  // line of memory far from the last one.
  struct Part {
    LoadedRows rows;
    std::vector<int32_t> in_edges;
  };

  void ReadFrames() {
    Part part;
    std::string payload;
    Status status;
    for (size_t i; status.ok() && (i = next_frame_.fetch_add(1)) + 1 < frames_.count();) {
      part.in_edges.resize(slots_);
      status = frames_.Read(i, &payload);
      for (Cursor in(payload); status.ok() && in.left() > 0;) status = ReadNode(&in, &part);
    }
    std::lock_guard lock(mutex_);
    if (first_error_.ok()) first_error_ = status;
    if (part.in_edges.empty()) return;
    loaded_->nodes += part.rows.nodes.size();
    loaded_->rows.push_back(std::move(part.rows));
    in_edges_.push_back(std::move(part.in_edges));
  }

  Status ReadNode(Cursor* in, Part* part) {
    const Slot slot = in->Take<Slot>();
    const auto count = in->Take<uint32_t>();
    if (slot >= slots_ || count == 0 || count > in->left() / sizeof(RowOrdinal) ||
        present_[slot].exchange(true, std::memory_order_relaxed)) {
      return Damage("a node makes no sense");
    }
    Graph& graph = *loaded_->graph;
    auto& rows = part->rows.rows;
    rows.resize(rows.size() + count);
    in->Take(rows.data() + rows.size() - count, count * sizeof(RowOrdinal));
    in->Take(static_cast<void*>(&graph.header(slot)), graph.layout().bytes);
    if (in->ran_short()) return Damage("a node is cut off");
    part->rows.nodes.push_back({slot, count});
    graph.header(slot).row.store(kNoRow, std::memory_order_relaxed);
    for (uint32_t i = 0; i < graph.layout().degree; ++i) {
      const Slot to = graph.ids(slot)[i].load(std::memory_order_relaxed);
      const bool used = (graph.header(slot).used.load(std::memory_order_relaxed) >> i & 1) != 0;
      if (used && to < slots_ && to != slot) {
        ++part->in_edges[to];
      } else {
        graph.DropUncountedEdge(slot, i);
      }
    }
    return Status::OK();
  }

  void DropEdgesToAbsent() {
    const Graph& graph = *loaded_->graph;
    for (;;) {
      const uint64_t first = looked_through_.fetch_add(kSlotsAtATime);
      if (first >= slots_) return;
      const auto end = static_cast<Slot>(std::min<uint64_t>(slots_, first + kSlotsAtATime));
      for (auto slot = static_cast<Slot>(first); slot < end; ++slot) {
        if (!present(slot)) continue;
        for (uint32_t i = 0; i < graph.layout().degree; ++i) {
          if (!present(graph.ids(slot)[i].load(std::memory_order_relaxed))) {
            loaded_->graph->DropUncountedEdge(slot, i);
          }
        }
      }
    }
  }

  void SetInEdges() {
    for (Slot slot = 0; slot < slots_; ++slot) {
      int32_t edges = 0;
      for (const auto& part : in_edges_) edges += part[slot];
      if (present(slot)) loaded_->graph->header(slot).in_edges.store(edges, std::memory_order_relaxed);
    }
  }

  const Frames& frames_;
  const Slot slots_;
  LoadedGraph* const loaded_;
  std::vector<std::atomic<bool>> present_;  // by slot
  std::atomic<size_t> next_frame_{1};
  std::atomic<uint64_t> looked_through_{0};
  std::mutex mutex_;  // of what follows, and of *loaded_ but for the nodes
  Status first_error_;
  std::vector<std::vector<int32_t>> in_edges_;  // parts of the counts, by slot
};

Status CheckEnd(std::string_view payload, uint64_t nodes) {
  Cursor in(payload);
  if (payload.size() != kEndBytes || !payload.starts_with(kEnd)) return Damage("its end is missing");
  in.Take<uint64_t>();
  return in.Take<uint64_t>() == nodes ? Status::OK() : Damage("nodes are missing");
}

}  // namespace

Status SaveGraph(const Graph& graph, const RowChains& chains, const RecallCalibration& calibration,
                 const IndexInput& input, RowOrdinal indexed_end, FileSystem* files,
                 std::string_view directory) {
  const std::string path = PathIn(directory, "graph"), fresh = PathIn(directory, "graph.new");
  LB_ASSIGN_OR_RETURN(const bool left_over, files->Exists(fresh));
  if (left_over) LB_RETURN_NOT_OK(files->Remove(fresh));
  {
    LB_ASSIGN_OR_RETURN(auto file, files->Open(fresh, OpenMode::kCreate));
    FrameWriter writer(file.get());
    const Slot size = graph.size();
    LB_RETURN_NOT_OK(writer.Write(Head(graph, calibration, input, indexed_end)));
    std::string payload;
    uint64_t nodes = 0;
    for (Slot slot = 0; slot < size; ++slot) {
      nodes += AppendNode(graph, chains, slot, &payload);
      if (payload.size() < kFrameBytes) continue;
      LB_RETURN_NOT_OK(writer.Write(payload));
      payload.clear();
    }
    if (!payload.empty()) LB_RETURN_NOT_OK(writer.Write(payload));
    std::string end(kEnd, 8);
    Put(&end, nodes);
    LB_RETURN_NOT_OK(writer.Write(end));
    LB_RETURN_NOT_OK(file->Sync());
  }
  LB_RETURN_NOT_OK(files->Rename(fresh, path));
  return files->SyncDirectory(directory);
}

Result<LoadedGraph> LoadGraph(const IndexInput& input, FileSystem* files, std::string_view directory) {
  LB_ASSIGN_OR_RETURN(auto file, files->Open(PathIn(directory, "graph"), OpenMode::kRead));
  LB_ASSIGN_OR_RETURN(const Frames frames, Frames::Find(file.get()));
  std::vector<Slot> entries;
  Slot slots = 0;
  std::string payload;
  LB_RETURN_NOT_OK(frames.Read(0, &payload));
  LB_ASSIGN_OR_RETURN(LoadedGraph loaded, ReadHead(input, payload, &entries, &slots));
  Graph& graph = *loaded.graph;
  graph.Extend(slots);
  NodeReader nodes(frames, slots, &loaded);
  LB_RETURN_NOT_OK(nodes.Run(input.builders));
  LB_RETURN_NOT_OK(frames.Read(frames.count() - 1, &payload));
  LB_RETURN_NOT_OK(CheckEnd(payload, loaded.nodes));
  for (Slot slot = 0; slot < slots; ++slot) {
    if (nodes.present(slot)) continue;
    graph.SetRow(slot, kNoRow);
    graph.ClearEdges(slot);
    graph.FreeNode(slot);
  }
  uint32_t entry = 0;
  for (Slot slot : entries) {
    if (nodes.present(slot)) graph.ReplaceEntry(entry++, slot);
  }
  for (Slot slot = 0; entry == 0 && slot < slots; ++slot) {
    if (nodes.present(slot)) graph.ReplaceEntry(entry++, slot);
  }
  return loaded;
}

}  // namespace longbow::index
