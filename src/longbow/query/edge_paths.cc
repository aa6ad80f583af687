#include "longbow/query/edge_paths.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace longbow::query {
namespace {

using engine::EdgeReader;

// One step beyond an earlier one; a path is read backwards from its last step.
struct Step {
  uint32_t node = 0;
  uint32_t from = 0;  // the step before, in the list of steps; of the start itself
  engine::EdgeStore::Link link;
  double score = 1;
};

Status CheckOptions(const TraversalOptions& options) {
  if (options.max_hops < 1) return InvalidArgument("max_hops: expected 1 or more, got ", options.max_hops);
  if (!(options.decay > 0) || !std::isfinite(options.decay)) {
    return InvalidArgument("decay: expected a number above 0, got ", options.decay);
  }
  return Status::OK();
}

bool Contains(const std::vector<Step>& steps, uint32_t at, uint32_t node) {
  while (steps[at].node != node && at != 0) at = steps[at].from;
  return steps[at].node == node;
}

EdgePath ToPath(const EdgeReader& reader, const std::vector<Step>& steps, uint32_t at, bool incoming) {
  EdgePath path;
  path.score = steps[at].score;
  for (; at != 0; at = steps[at].from) {
    const engine::Key& here = reader.key(steps[at].node);
    const engine::Key& before = reader.key(steps[steps[at].from].node);
    path.nodes.push_back(here);
    path.edges.push_back({incoming ? here : before, reader.predicates()[steps[at].link.predicate],
                          incoming ? before : here, steps[at].link.weight});
  }
  path.nodes.push_back(reader.key(steps[0].node));
  std::reverse(path.nodes.begin(), path.nodes.end());
  std::reverse(path.edges.begin(), path.edges.end());
  return path;
}

uint32_t RootOf(std::vector<uint32_t>& parents, uint32_t node) {
  while (parents[node] != node) node = parents[node] = parents[parents[node]];
  return node;
}

}  // namespace

Result<std::vector<EdgePath>> FindPaths(const engine::EdgeStore& edges, const engine::Key& start,
                                        const TraversalOptions& options) {
  LB_RETURN_NOT_OK(CheckOptions(options));
  const EdgeReader reader(edges);
  const auto first = reader.Find(start);
  if (!first) return std::vector<EdgePath>{};
  std::vector<Step> steps = {{*first, 0, {}, 1}};
  size_t level = 0;  // where the longest paths so far begin
  for (int64_t hop = 0; hop < options.max_hops && level < steps.size(); ++hop) {
    const size_t end = steps.size();
    for (size_t at = std::exchange(level, end); at < end; ++at) {
      const uint32_t node = steps[at].node;
      for (const auto& link : options.incoming ? reader.In(node) : reader.Out(node)) {
        if (Contains(steps, static_cast<uint32_t>(at), link.node)) continue;
        if (steps.size() > kMaxPaths) {
          return Error(ErrorCode::kResourceExhausted, "more than ", kMaxPaths, " paths within ",
                       options.max_hops, " hops: ask for fewer hops");
        }
        const double weight = options.weighted ? link.weight : 1.0;
        steps.push_back(
            {link.node, static_cast<uint32_t>(at), link, steps[at].score * weight * options.decay});
      }
    }
  }
  std::vector<EdgePath> paths;
  paths.reserve(steps.size() - 1);
  for (uint32_t at = 1; at < steps.size(); ++at) paths.push_back(ToPath(reader, steps, at, options.incoming));
  std::stable_sort(paths.begin(), paths.end(),
                   [](const EdgePath& a, const EdgePath& b) { return a.score > b.score; });
  return paths;
}

EdgeStats CountEdges(const engine::EdgeStore& edges) {
  const EdgeReader reader(edges);
  EdgeStats stats;
  stats.edges = reader.edges();
  stats.predicates = reader.predicates();
  std::sort(stats.predicates.begin(), stats.predicates.end());
  std::vector<uint32_t> parents(reader.nodes());
  std::iota(parents.begin(), parents.end(), 0);
  stats.communities = reader.nodes();
  for (uint32_t node = 0; node < reader.nodes(); ++node) {
    for (const auto& link : reader.Out(node)) {
      const uint32_t a = RootOf(parents, node), b = RootOf(parents, link.node);
      if (a == b) continue;
      parents[a] = b;
      --stats.communities;
    }
  }
  return stats;
}

}  // namespace longbow::query
