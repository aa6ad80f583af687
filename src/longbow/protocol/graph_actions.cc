#include "longbow/protocol/graph_actions.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "longbow/protocol/actions.h"
#include "longbow/protocol/json_document.h"

namespace longbow::protocol {
namespace {

using nlohmann::json;

Result<JsonDocument> ParseBody(std::string_view body) {
  return JsonDocument::Parse(body.empty() ? std::string_view("{}") : body, kMaxActionBodyBytes,
                             "action body");
}

Status ReadDataset(const JsonObject& object, std::string* dataset) {
  LB_RETURN_NOT_OK(object.Read("name", dataset));
  LB_RETURN_NOT_OK(object.Read("dataset", dataset));
  return dataset->empty() ? object.Invalid("expected \"dataset\" to be a dataset's name") : Status::OK();
}

Status ReadNode(const JsonObject& object, std::string_view key, std::string* node) {
  std::optional<std::string> text;
  LB_RETURN_NOT_OK(object.ReadKey(key, &text));
  if (!text) return object.Invalid("expected \"" + std::string(key) + "\" to be the key of a row");
  *node = *std::move(text);
  return Status::OK();
}

Result<engine::NewEdge> ReadEdge(const JsonObject& object) {
  engine::NewEdge edge;
  double weight = 1;
  LB_RETURN_NOT_OK(object.Read("predicate", &edge.predicate));
  if (edge.predicate.empty()) return object.Invalid("expected \"predicate\" to be a word such as \"cites\"");
  LB_RETURN_NOT_OK(ReadNode(object, "subject", &edge.subject));
  LB_RETURN_NOT_OK(ReadNode(object, "object", &edge.object));
  LB_RETURN_NOT_OK(object.Read("weight", &weight));
  edge.weight = static_cast<float>(weight);
  if (!std::isfinite(edge.weight))
    return object.Invalid("field 'weight': expected a number that fits float32");
  return edge;
}

json KeyJson(const engine::Key& key, engine::KeyKind kind) {
  if (kind == engine::KeyKind::kString) return key.text;
  if (kind == engine::KeyKind::kSigned) return static_cast<int64_t>(key.number);
  return key.number;
}

std::string Dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace

Result<AddEdgesBody> ReadAddEdges(std::string_view body) {
  LB_ASSIGN_OR_RETURN(auto document, ParseBody(body));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  AddEdgesBody out;
  LB_RETURN_NOT_OK(ReadDataset(object, &out.dataset));
  const auto list = object.Find("edges");
  if (!list) {
    LB_ASSIGN_OR_RETURN(out.edges.emplace_back(), ReadEdge(object));
    return out;
  }
  if (!list->is_array()) return object.Wrong("edges", "an array of objects", *list);
  for (simdjson::dom::element item : simdjson::dom::array(*list)) {
    if (!item.is_object()) return object.Wrong("edges", "an array of objects", item);
    LB_ASSIGN_OR_RETURN(out.edges.emplace_back(),
                        ReadEdge(JsonObject(simdjson::dom::object(item), object.what())));
  }
  if (out.edges.empty()) return object.Invalid("expected \"edges\" to hold edges");
  return out;
}

Result<TraversalBody> ReadTraversal(std::string_view body) {
  LB_ASSIGN_OR_RETURN(auto document, ParseBody(body));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  TraversalBody out;
  LB_RETURN_NOT_OK(ReadDataset(object, &out.dataset));
  LB_RETURN_NOT_OK(ReadNode(object, "start", &out.start));
  int64_t hops = 0;
  double decay = 0;
  LB_RETURN_NOT_OK(object.Read("max_hops", &hops));
  LB_RETURN_NOT_OK(object.Read("decay", &decay));
  if (hops > 0) out.options.max_hops = hops;
  if (decay != 0) out.options.decay = decay;
  LB_RETURN_NOT_OK(object.Read("incoming", &out.options.incoming));
  LB_RETURN_NOT_OK(object.Read("weighted", &out.options.weighted));
  return out;
}

std::string PathsJson(const std::vector<query::EdgePath>& paths, engine::KeyKind kind) {
  json out = json::array();
  for (const query::EdgePath& path : paths) {
    json nodes = json::array(), edges = json::array();
    for (const engine::Key& node : path.nodes) nodes.push_back(KeyJson(node, kind));
    for (const engine::Edge& edge : path.edges) {
      edges.push_back({{"Subject", KeyJson(edge.subject, kind)},
                       {"Predicate", edge.predicate},
                       {"Object", KeyJson(edge.object, kind)},
                       {"Weight", edge.weight}});
    }
    out.push_back({{"Nodes", std::move(nodes)}, {"Edges", std::move(edges)}, {"Score", path.score}});
  }
  return Dump(out);
}

std::string EdgeStatsJson(const query::EdgeStats& stats) {
  return Dump({{"edge_count", stats.edges},
               {"community_count", stats.communities},
               {"predicates", stats.predicates}});
}

}  // namespace longbow::protocol
