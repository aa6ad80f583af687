#include "longbow/protocol/filter_json.h"

#include <string>
#include <utility>
#include <vector>

namespace longbow::protocol {
namespace {

using filter::FilterTree;
using filter::Operator;
using simdjson::dom::element;

// Terms of one tree while it is read, so that a hostile one is refused before it is built.
struct TermCount {
  int terms = 0;
};

Result<FilterTree> ReadFilter(const JsonObject& object, int depth, TermCount* count);

bool TakesList(Operator op) { return op == Operator::kIn || op == Operator::kNotIn; }
bool TakesNothing(Operator op) { return op == Operator::kIsNull || op == Operator::kIsNotNull; }

Result<filter::Value> ReadValue(const JsonObject& object, element value) {
  std::string_view text;
  bool truth = false;
  int64_t integer = 0;
  uint64_t large = 0;
  double real = 0;
  if (value.get(text) == simdjson::SUCCESS) return filter::Value(std::string(text));
  if (value.get(truth) == simdjson::SUCCESS) return filter::Value(truth);
  if (value.get(integer) == simdjson::SUCCESS) return filter::Value(integer);
  if (value.get(large) == simdjson::SUCCESS) return filter::Value(large);
  if (value.get(real) == simdjson::SUCCESS) return filter::Value(real);
  return object.Wrong("value", "a string, a number or a boolean (operator \"is_null\" finds nulls)", value);
}

std::vector<filter::Value> SplitAtCommas(std::string_view text) {
  std::vector<filter::Value> out;
  for (size_t from = 0; from <= text.size();) {
    const size_t comma = std::min(text.find(',', from), text.size());
    std::string_view part = text.substr(from, comma - from);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    out.emplace_back(std::string(part));
    from = comma + 1;
  }
  return out;
}

Result<std::vector<filter::Value>> ReadList(const JsonObject& object, element value) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return SplitAtCommas(text);
  if (!value.is_array()) return object.Wrong("value", "an array", value);
  std::vector<filter::Value> out;
  for (element item : simdjson::dom::array(value)) {
    if (out.size() == static_cast<size_t>(filter::kMaxListValues)) {
      return InvalidArgument(object.what(), ": filter value: at most ", filter::kMaxListValues,
                             " values are allowed");
    }
    LB_ASSIGN_OR_RETURN(out.emplace_back(), ReadValue(object, item));
  }
  return out;
}

Result<FilterTree> ReadComparison(const JsonObject& object, std::string column) {
  FilterTree tree;
  tree.column = std::move(column);
  std::string op;
  LB_RETURN_NOT_OK(object.Read("op", &op));
  if (op.empty()) LB_RETURN_NOT_OK(object.Read("operator", &op));
  if (op.empty()) return object.Invalid("filter on '" + tree.column + "' has no \"op\" or \"operator\"");
  LB_ASSIGN_OR_RETURN(tree.op, filter::OperatorFromName(op));
  if (tree.op == Operator::kAnd || tree.op == Operator::kOr || tree.op == Operator::kNot) {
    return object.Invalid("filter operator '" + op +
                          "' joins filters: write {\"logic\": ..., \"filters\": [...]}");
  }
  if (TakesNothing(tree.op)) return tree;
  const auto value = object.Find("value");
  if (!value) return object.Invalid("filter on '" + tree.column + "' has no \"value\"");
  if (TakesList(tree.op)) {
    LB_ASSIGN_OR_RETURN(tree.values, ReadList(object, *value));
  } else {
    LB_ASSIGN_OR_RETURN(tree.values.emplace_back(), ReadValue(object, *value));
  }
  return tree;
}

Result<std::optional<Operator>> ReadLogic(const JsonObject& object) {
  std::string logic;
  LB_RETURN_NOT_OK(object.Read("logic", &logic));
  if (logic.empty()) return std::nullopt;
  std::string lower = logic;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (lower == "and") return Operator::kAnd;
  if (lower == "or") return Operator::kOr;
  if (lower == "not") return Operator::kNot;
  return object.Invalid("filter logic: expected AND, OR or NOT, got '" + logic + "'");
}

Result<std::vector<FilterTree>> ReadMembers(const JsonObject& object, element list, int depth,
                                            TermCount* count) {
  std::vector<FilterTree> out;
  for (element item : simdjson::dom::array(list)) {
    if (!item.is_object()) return object.Wrong("filters", "filters that are objects", item);
    LB_ASSIGN_OR_RETURN(out.emplace_back(),
                        ReadFilter(JsonObject(simdjson::dom::object(item), object.what()), depth, count));
  }
  return out;
}

FilterTree Join(Operator op, std::vector<FilterTree> members) {
  if (members.size() == 1 && op != Operator::kNot) return std::move(members[0]);
  FilterTree tree;
  if (op == Operator::kNot && members.size() > 1) {
    tree.op = Operator::kNot;
    tree.children.push_back(Join(Operator::kAnd, std::move(members)));
    return tree;
  }
  tree.op = op;
  tree.children = std::move(members);
  return tree;
}

Result<FilterTree> ReadFilter(const JsonObject& object, int depth, TermCount* count) {
  if (depth > filter::kMaxDepth) {
    return InvalidArgument(object.what(), ": filters are nested more than ", filter::kMaxDepth,
                           " levels deep");
  }
  if (++count->terms > filter::kMaxTerms) {
    return InvalidArgument(object.what(), ": more than ", filter::kMaxTerms, " filters");
  }
  LB_ASSIGN_OR_RETURN(const auto logic, ReadLogic(object));
  std::vector<FilterTree> members;
  std::string column;
  LB_RETURN_NOT_OK(object.Read("field", &column));
  if (!column.empty()) {
    LB_ASSIGN_OR_RETURN(members.emplace_back(), ReadComparison(object, std::move(column)));
  }
  const auto nested = object.Find("filters");
  if (nested) {
    if (!nested->is_array()) return object.Wrong("filters", "an array", *nested);
    LB_ASSIGN_OR_RETURN(auto inner, ReadMembers(object, *nested, depth + 1, count));
    for (auto& tree : inner) members.push_back(std::move(tree));
  }
  if (members.empty()) return object.Invalid("a filter has neither \"field\" nor \"filters\"");
  if (logic == Operator::kOr && members.size() == 1 && !nested) {
    return object.Invalid("filter logic OR joins filters: write {\"logic\": \"OR\", \"filters\": [...]}");
  }
  return Join(logic.value_or(Operator::kAnd), std::move(members));
}

}  // namespace

Result<std::optional<FilterTree>> ReadFilters(const JsonObject& object) {
  const auto value = object.Find("filters");
  if (!value) return std::nullopt;
  TermCount count;
  if (value->is_object()) {
    const simdjson::dom::object filter(*value);
    if (filter.size() == 0) return std::nullopt;
    LB_ASSIGN_OR_RETURN(auto tree, ReadFilter(JsonObject(filter, object.what()), 1, &count));
    return std::optional<FilterTree>(std::move(tree));
  }
  if (!value->is_array()) return object.Wrong("filters", "an array of filters", *value);
  LB_ASSIGN_OR_RETURN(auto members, ReadMembers(object, *value, 1, &count));
  if (members.empty()) return std::nullopt;
  return std::optional<FilterTree>(Join(Operator::kAnd, std::move(members)));
}

std::optional<FilterTree> AllOf(std::optional<FilterTree> a, std::optional<FilterTree> b) {
  if (!a) return b;
  if (!b) return a;
  std::vector<FilterTree> both;
  both.push_back(*std::move(a));
  both.push_back(*std::move(b));
  return Join(Operator::kAnd, std::move(both));
}

}  // namespace longbow::protocol
