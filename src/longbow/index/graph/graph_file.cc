#include "longbow/index/graph/graph_file.h"

#include <cstring>
#include <string>

#include "longbow/base/check.h"
#include "longbow/base/crc32c.h"

namespace longbow::index {
namespace {

constexpr char kMagic[8] = "LBGRAPH", kEnd[] = "LBGRAEND";
constexpr uint32_t kVersion = 2, kFirstVersion = 1;
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

class FrameReader {
 public:
  FrameReader(File* file, uint64_t size) : file_(file), size_(size) {}
  Result<std::string> Next() {
    uint32_t head[2];
    if (size_ - at_ < sizeof(head)) return Damage("it ends early");
    LB_RETURN_NOT_OK(file_->Read(at_, {reinterpret_cast<uint8_t*>(head), sizeof(head)}));
    at_ += sizeof(head);
    if (head[0] > kMostFrameBytes || head[0] > size_ - at_) return Damage("a frame is longer than the file");
    std::string payload(head[0], '\0');
    LB_RETURN_NOT_OK(file_->Read(at_, {reinterpret_cast<uint8_t*>(payload.data()), payload.size()}));
    at_ += payload.size();
    if (ExtendCrc32c(0, payload.data(), payload.size()) != head[1]) return Damage("a checksum differs");
    return payload;
  }
  static Status Damage(std::string_view what) {
    return Error(ErrorCode::kCorruption, "graph file: ", what, "; build the index anew");
  }

 private:
  File* const file_;
  const uint64_t size_;
  uint64_t at_ = 0;
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
  Put(&out, graph.entry_count());
  for (uint32_t i = 0; i < graph.entry_count(); ++i)
    Put(&out, graph.entry(i).slot.load(std::memory_order_relaxed));
  Put(&out, calibration.measured());
  for (float x : graph.space().centre()) Put(&out, x);
  return out;
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
  const size_t node_at = out->size();
  out->append(reinterpret_cast<const char*>(&header), graph.layout().bytes);
  std::memset(out->data() + node_at, 0, sizeof(header.version));
  return true;
}

Result<LoadedGraph> ReadHead(const IndexInput& input, std::string_view payload, std::vector<Slot>* entries,
                             Slot* slots) {
  Cursor in(payload);
  char magic[8] = {};
  in.Take(magic, sizeof(magic));
  if (std::memcmp(magic, kMagic, sizeof(magic)) != 0) return FrameReader::Damage("not a graph file");
  const auto version = in.Take<uint32_t>();
  if (version < kFirstVersion || version > kVersion) {
    return FrameReader::Damage("format version " + std::to_string(version) + ", known are 1 and 2");
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
  if (!fits) return FrameReader::Damage("it is of another column");
  if (degree == 0 || degree % codec::kBlock != 0 || degree > kMaxDegree || bits > codec::kMaxBits ||
      own >= codec::kVectorCodes || entry_count > Graph::kEntries) {
    return FrameReader::Damage("its head makes no sense");
  }
  for (uint32_t i = 0; i < entry_count; ++i) entries->push_back(in.Take<Slot>());
  in.Take(&loaded.measured,
          version == kFirstVersion ? sizeof(loaded.measured.recall) : sizeof(loaded.measured));
  std::vector<float> centre(scalars);
  in.Take(centre.data(), centre.size() * sizeof(float));
  if (in.ran_short() || in.left() > 0) return FrameReader::Damage("its head has another length");
  loaded.space = std::make_unique<GraphSpace>(input.metric, input.store, seed, std::move(centre));
  loaded.graph = std::make_unique<Graph>(loaded.space.get(), degree, bits,
                                         static_cast<codec::VectorCode>(own), input.ledger);
  return loaded;
}

Status ReadNodes(std::string_view payload, Slot slots, std::vector<bool>* present, LoadedGraph* loaded) {
  Cursor in(payload);
  while (in.left() > 0) {
    const Slot slot = in.Take<Slot>();
    const auto count = in.Take<uint32_t>();
    if (slot >= slots || (*present)[slot] || count == 0 || count > in.left() / sizeof(RowOrdinal)) {
      return FrameReader::Damage("a node makes no sense");
    }
    std::vector<RowOrdinal> rows(count);
    in.Take(rows.data(), count * sizeof(RowOrdinal));
    in.Take(static_cast<void*>(&loaded->graph->header(slot)), loaded->graph->layout().bytes);
    if (in.ran_short()) return FrameReader::Damage("a node is cut off");
    (*present)[slot] = true;
    loaded->rows.emplace_back(slot, std::move(rows));
  }
  return Status::OK();
}

// What the bytes say about edges is not trusted further than this.
void MendEdges(Graph& graph, const std::vector<bool>& present) {
  // Counted side by side: in the nodes, each would be a line of memory far from the last one.
  std::vector<int32_t> in_edges(graph.size());
  for (Slot slot = 0; slot < graph.size(); ++slot) {
    for (uint32_t i = 0; i < graph.layout().degree; ++i) {
      const Slot to = graph.ids(slot)[i].load(std::memory_order_relaxed);
      const bool used = (graph.header(slot).used.load(std::memory_order_relaxed) >> i & 1) != 0;
      NodeHeader& header = graph.header(slot);
      header.used.store(header.used.load(std::memory_order_relaxed) & ~(uint64_t{1} << i),
                        std::memory_order_relaxed);
      if (!used || to >= present.size() || to == slot || !present[to]) {
        graph.ClearEdge(slot, i);
      } else {
        graph.RestoreEdge(slot, i);
        ++in_edges[to];
      }
    }
  }
  for (Slot slot = 0; slot < graph.size(); ++slot) {
    graph.header(slot).in_edges.store(in_edges[slot], std::memory_order_relaxed);
  }
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
  LB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  FrameReader reader(file.get(), size);
  std::vector<Slot> entries;
  Slot slots = 0;
  LB_ASSIGN_OR_RETURN(const std::string head, reader.Next());
  LB_ASSIGN_OR_RETURN(LoadedGraph loaded, ReadHead(input, head, &entries, &slots));
  if (size / loaded.graph->layout().bytes < loaded.rows.size()) return FrameReader::Damage("it is too short");
  loaded.graph->Extend(slots);
  std::vector<bool> present(slots);
  for (;;) {
    LB_ASSIGN_OR_RETURN(const std::string payload, reader.Next());
    if (payload.size() == 16 && payload.compare(0, 8, kEnd, 8) == 0) {
      uint64_t nodes;
      std::memcpy(&nodes, payload.data() + 8, sizeof(nodes));
      if (nodes != loaded.rows.size()) return FrameReader::Damage("nodes are missing");
      break;
    }
    LB_RETURN_NOT_OK(ReadNodes(payload, slots, &present, &loaded));
  }
  MendEdges(*loaded.graph, present);
  for (Slot slot = 0; slot < slots; ++slot) {
    if (!present[slot]) loaded.graph->FreeNode(slot);
  }
  uint32_t entry = 0;
  for (Slot slot : entries) {
    if (slot < slots && present[slot]) loaded.graph->ReplaceEntry(entry++, slot);
  }
  if (entry == 0 && !loaded.rows.empty()) loaded.graph->ReplaceEntry(0, loaded.rows[0].first);
  return loaded;
}

}  // namespace longbow::index
