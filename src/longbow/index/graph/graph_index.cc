#include "longbow/index/graph/graph_index.h"

#include <algorithm>
#include <cmath>

#include "longbow/base/check.h"
#include "longbow/index/flat/flat_index.h"
#include "longbow/index/flat/flat_scan.h"
#include "longbow/index/graph/graph_audit.h"
#include "longbow/index/graph/graph_search.h"

namespace longbow::index {
namespace {

constexpr uint32_t kLeastRowsForCodes = 512, kLeastRowsForWalk = 1000;  // below, a scan is as fast and exact
// Where looking at much costs little, and a few rows measured say little about the next query.
constexpr uint32_t kSmallGraph = 20000, kLeastEfWhenSmall = 128;
// Measured with bench/ann_bench walk, scan and filters.
constexpr double kNanosAQuery = 3000, kNanosAHop = 200, kNanosAHopByte = 0.15, kNanosAHopDim = 0.1,
                 kNanosAFilteredHop = 30, kNanosAPassing = 80;
constexpr double kVisitsAnUnwanted = 2.2;     // row that is nearer than the last one wanted
constexpr double kOwnCodesAHop = 12;          // neighbours not heard of before
constexpr double kLeastFilteredShare = 0.02;  // below, few nodes that pass have neighbours that pass

constexpr double kNanosABlock = 8, kNanosABlockBit = 0.04, kNanosABlockByte = 0.01, kNanosAnExactRow = 5,
                 kNanosAnExactByte = 0.05;
// More is asked for seldom, and then of the graph.
constexpr float kMostRecallOfCodes = 0.985f;

bool MayScan(const RowCodes* codes) { return codes != nullptr && codes->coded_end() >= kLeastRowsForCodes; }
bool MayWalk(const Graph* graph) { return graph != nullptr && graph->size() >= kLeastRowsForWalk; }

}  // namespace

GraphIndex::GraphIndex(const IndexInput& input, GraphOptions options)
    : input_(input),
      kernels_(distance::Kernels(input.metric, input.store->type())),
      builder_(input, options) {}

GraphIndex::~GraphIndex() = default;

// What is asked for lies among the k / share nearest of all, about.
WalkLength GraphIndex::LengthFor(const Effort& effort, uint32_t k, double share) const {
  if (effort.ef > 0) {
    const auto ef = static_cast<uint32_t>(std::min<double>(std::max(effort.ef, k) / share, kMostK));
    return {ef, 0, ef};
  }
  const WalkLength length = builder_.calibration().LengthFor(effort.recall, k);
  const Graph* graph = builder_.graph();
  const bool small = graph != nullptr && graph->size() < kSmallGraph;
  if (!small && share == 1) return length;
  const double more = std::min<double>(kVisitsAnUnwanted * k * (1 / share - 1), kMostK);
  const uint32_t ef =
      (small ? std::max(length.ef, kLeastEfWhenSmall) : length.ef) + static_cast<uint32_t>(more);
  return {ef, 0, ef};
}

// Nanoseconds to visit a node.
double GraphIndex::HopNanos(const Graph& graph) const {
  const NodeLayout& layout = graph.layout();
  const double own_codes = layout.bits > 0 ? 0 : kOwnCodesAHop * static_cast<double>(layout.own_bytes());
  return kNanosAHop + kNanosAHopByte * (static_cast<double>(layout.read_bytes()) + own_codes) +
         kNanosAHopDim * static_cast<double>(layout.n);
}

// That cost as much as a scan would.
uint32_t GraphIndex::MostVisits(const SearchSpec& spec) const {
  SearchShape shape;
  shape.k = spec.k.empty() ? 0 : *std::max_element(spec.k.begin(), spec.k.end());
  shape.rows = VisibleRows(spec);
  shape.held = HeldRows(spec.visibility);
  shape.has_selection = spec.selection != nullptr && spec.selected > 0;
  shape.selected = spec.selected;
  const RowCodes* codes = builder_.codes();
  const double scan = codes == nullptr ? ScanCost(*input_.store, shape).nanos : CodeScanNanos(shape, *codes);
  return static_cast<uint32_t>(std::min(scan / HopNanos(*builder_.graph()), 1e6));
}

// Nanoseconds to scan the codes for one query.
double GraphIndex::CodeScanNanos(const SearchShape& shape, const RowCodes& codes) const {
  const double rows = std::max<double>(static_cast<double>(std::max(shape.rows, shape.held)), 1);
  const double asked = shape.has_selection ? std::max<double>(1, static_cast<double>(shape.selected)) : rows;
  const double blocks = std::min(rows / RowCodes::kRows, asked);
  const double block = kNanosABlock + kNanosABlockBit * static_cast<double>(codes.bits() * codes.n()) +
                       kNanosABlockByte * static_cast<double>(codes.block_bytes());
  const double exact = std::min(asked, 4.0 * shape.k * (1 + std::log(std::max(1.0, asked / shape.k))));
  return kNanosAQuery + rows / RowCodes::kRows + blocks * block +
         exact * (kNanosAnExactRow + kNanosAnExactByte * static_cast<double>(input_.store->row_bytes()));
}

std::vector<MethodCost> GraphIndex::Methods(const SearchShape& shape) const {
  std::vector<MethodCost> methods;
  methods.reserve(4);
  methods.push_back(ScanCost(*input_.store, shape));
  const Graph* graph = builder_.graph();
  const RowCodes* codes = builder_.codes();
  if (MayScan(codes) && shape.effort.recall <= kMostRecallOfCodes) {
    methods.push_back({Method::kCodeScan, shape.queries * CodeScanNanos(shape, *codes), false});
    if (methods.back().nanos < methods.front().nanos) std::swap(methods.front(), methods.back());
  }
  if (!MayWalk(graph) || shape.k > kMostK) return methods;
  if (shape.has_selection && graph->LengthsDiffer()) return methods;  // it may be of short vectors
  const double share =
      shape.has_selection
          ? std::min(1.0, std::max(1.0, double(shape.selected)) / std::max(1.0, double(shape.rows)))
          : 1.0;
  const double hop = HopNanos(*graph);
  const uint32_t hops = LengthFor(shape.effort, shape.k, share).hops;
  methods.push_back({Method::kWalk, shape.queries * (kNanosAQuery + hops * hop), false});
  if (shape.has_selection && share >= kLeastFilteredShare && share < double{kManyPass}) {
    const uint32_t ef = LengthFor(shape.effort, shape.k, 1).ef;
    const GraphWalk::Filtered effort =
        FilteredEffort(ef, shape.k, static_cast<float>(share), graph->layout().bits);
    const double nanos =
        kNanosAQuery + effort.hops * (hop + kNanosAFilteredHop) + effort.keep * kNanosAPassing;
    methods.push_back({Method::kFilteredWalk, shape.queries * nanos, false});
  }
  std::sort(methods.begin(), methods.end(),
            [](const MethodCost& a, const MethodCost& b) { return a.nanos < b.nanos; });
  return methods;
}

uint64_t GraphIndex::methods_version() const {
  const Graph* graph = builder_.graph();
  const uint64_t scanned = MayScan(builder_.codes()) ? 1 : 0, walked = MayWalk(graph) ? 2 : 0;
  const uint64_t large = graph != nullptr && graph->size() >= kSmallGraph ? 4 : 0;
  const uint64_t lengths = graph != nullptr && graph->LengthsDiffer() ? 8 : 0;
  return builder_.calibration().version() * 16 + lengths + large + walked + scanned;
}

std::unique_ptr<SearchScratch> GraphIndex::NewScratch() const { return std::make_unique<GraphScratch>(); }

Status GraphIndex::Search(const SearchSpec& spec, SearchScratch* scratch, SearchHits* hits) const {
  LB_CHECK(spec.k.size() == spec.query_count);
  LB_CHECK(spec.visibility.versions != nullptr);
  auto* mine = dynamic_cast<GraphScratch*>(scratch);
  LB_CHECK(mine != nullptr);
  switch (spec.method) {
    case Method::kExactScan:
    case Method::kSelectionScan:
      FlatScan(input_.store, kernels_, spec, &mine->flat_).Run(hits);
      return Status::OK();
    case Method::kWalk:
    case Method::kCodeScan:
    case Method::kFilteredWalk: {
      const RowOrdinal indexed_end = builder_.indexed_end();
      GraphSearch search(builder_.graph(), builder_.codes(), builder_.chains(), indexed_end, *input_.store,
                         kernels_, spec, mine);
      search.Run(
          hits, [&](uint32_t k, float share) { return LengthFor(spec.effort, k, double{share}); },
          builder_.graph() == nullptr ? 0 : MostVisits(spec));
      return Status::OK();
    }
  }
  return InvalidArgument("graph index: no method ", MethodName(spec.method),
                         "; use one that Methods() offers");
}

Status GraphIndex::Save(FileSystem* files, std::string_view directory) {
  return builder_.Save(files, directory);
}
Status GraphIndex::Load(FileSystem* files, std::string_view directory) {
  return builder_.Load(files, directory);
}

Result<AuditReport> GraphIndex::Audit() const {
  AuditReport report;
  const GraphAccount account = builder_.Account();
  report.settled = account.settled;
  if (const Graph* graph = builder_.graph(); graph != nullptr)
    report = AuditGraph(*graph, builder_.chains(), account);
  const RowOrdinal end = builder_.appended_end();
  report.nodes = 0;
  for (RowOrdinal row = 0; row < end; ++row) report.nodes += input_.store->Present(row) ? 1 : 0;
  report.live = report.nodes - builder_.erased_rows();
  return report;
}

std::vector<IndexGauge> GraphIndex::Gauges() const {
  const auto backlog = static_cast<double>(builder_.appended_end() - builder_.indexed_end());
  const auto dead = static_cast<double>(builder_.dead_nodes());
  const Graph* graph = builder_.graph();
  const double nodes = graph != nullptr ? static_cast<double>(graph->size()) : 0;
  std::vector<IndexGauge> gauges = {
      {"backlog_rows", "Rows appended and not yet indexed", backlog},
      {"dead_nodes", "Nodes of erased rows, still passed through", dead},
      {"dead_share", "Of all nodes, those of erased rows", nodes > 0 ? dead / nodes : 0},
      {"unreachable_nodes", "Nodes no walk could reach when last looked for",
       static_cast<double>(builder_.unreachable_nodes())},
      {"walks_missed", "Walks to a node drawn at random that did not come to it, when last tried",
       static_cast<double>(builder_.walks_missed())},
      {"sweeps", "Times the graph was looked through for dead and unreachable nodes",
       static_cast<double>(builder_.sweeps())},
      {"maintaining", "1 while the graph is looked through", builder_.maintaining() ? 1.0 : 0.0}};
  static constexpr std::string_view kInDegrees[kInDegreeClasses] = {
      "in_edges_0",       "in_edges_1",        "in_edges_2_to_3",   "in_edges_4_to_7",
      "in_edges_8_to_15", "in_edges_16_to_31", "in_edges_32_to_63", "in_edges_64_and_more"};
  for (size_t i = 0; i < kInDegreeClasses; ++i) {
    gauges.push_back({kInDegrees[i], "Nodes with so many edges to them, when last looked through",
                      static_cast<double>(builder_.in_degrees(i))});
  }
  return gauges;
}

int64_t GraphIndex::memory_bytes() const { return builder_.bytes(); }

Result<std::unique_ptr<VectorIndex>> MakeGraphIndex(const IndexInput& input) {
  LB_CHECK(input.store != nullptr);
  LB_RETURN_NOT_OK(CheckCodec(**FindIndexType("graph"), input.codec));
  return std::make_unique<GraphIndex>(input);
}

int64_t GraphRowBytes(distance::Metric metric, size_t scalars, std::string_view codec) {
  return GraphBuilder::RowBytes(metric, scalars, codec) + RowChains::kBytesARow;
}

}  // namespace longbow::index
