#include "longbow/protocol/filter_json.h"

#include <nlohmann/json.hpp>
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

// low and high, or an object of gt, gte, lt, lte: then several conditions.
Result<FilterTree> ReadRange(const JsonObject& object, std::string column, element value) {
  if (value.is_array()) {
    FilterTree tree{Operator::kBetween, std::move(column), {}, {}};
    if (simdjson::dom::array(value).size() != 2)
      return object.Wrong("value", "two values, low and high", value);
    for (element item : simdjson::dom::array(value)) {
      if (item.is_null()) {
        tree.values.emplace_back();
      } else {
        LB_ASSIGN_OR_RETURN(tree.values.emplace_back(), ReadValue(object, item));
      }
    }
    return tree;
  }
  if (!value.is_object()) return object.Wrong("value", "[low, high] or an object of gt, gte, lt, lte", value);
  FilterTree all{Operator::kAnd, "", {}, {}};
  for (const auto field : simdjson::dom::object(value)) {
    const auto op = filter::OperatorFromName(field.key);
    if (!op.ok() || op->op < Operator::kLess || op->op > Operator::kGreaterEqual) {
      return object.Invalid("filter on '" + column + "': a range has gt, gte, lt and lte, not '" +
                            std::string(field.key.substr(0, 64)) + "'");
    }
    if (field.value.is_null()) continue;
    FilterTree bound{op->op, column, {}, {}};
    LB_ASSIGN_OR_RETURN(bound.values.emplace_back(), ReadValue(object, field.value));
    all.children.push_back(std::move(bound));
  }
  if (all.children.empty()) return FilterTree{Operator::kBetween, std::move(column), {{}, {}}, {}};
  return all.children.size() == 1 ? std::move(all.children[0]) : std::move(all);
}

// Whether a null test was switched round by its value: {"op": "exists", "value": false}.
Result<bool> ReadsFalse(const JsonObject& object) {
  const auto value = object.Find("value");
  bool truth = true;
  if (value && value->get(truth) != simdjson::SUCCESS)
    return object.Wrong("value", "true, false or nothing", *value);
  return !truth;
}

Result<FilterTree> ReadOperands(const JsonObject& object, Operator op, std::string column) {
  FilterTree tree{op, std::move(column), {}, {}};
  if (OperandsOf(op) == filter::Operands::kNone) {
    LB_ASSIGN_OR_RETURN(const bool turned, ReadsFalse(object));
    if (turned) tree.op = op == Operator::kIsNull ? Operator::kIsNotNull : Operator::kIsNull;
    return tree;
  }
  const auto value = object.Find("value");
  if (!value) {
    return object.Invalid("filter on '" + tree.column +
                          "' has no \"value\"; the operator \"is null\" finds nulls");
  }
  if (OperandsOf(op) == filter::Operands::kTwo) return ReadRange(object, std::move(tree.column), *value);
  if (OperandsOf(op) == filter::Operands::kAny) {
    LB_ASSIGN_OR_RETURN(tree.values, ReadList(object, *value));
  } else {
    LB_ASSIGN_OR_RETURN(tree.values.emplace_back(), ReadValue(object, *value));
  }
  return tree;
}

Result<FilterTree> ReadComparison(const JsonObject& object, std::string column) {
  std::string name;
  LB_RETURN_NOT_OK(object.Read("op", &name));
  if (name.empty()) LB_RETURN_NOT_OK(object.Read("operator", &name));
  if (name.empty()) return object.Invalid("filter on '" + column + "' has no \"op\" or \"operator\"");
  LB_ASSIGN_OR_RETURN(const auto written, filter::OperatorFromName(name));
  if (OperandsOf(written.op) == filter::Operands::kChildren) {
    return object.Invalid("filter operator '" + name +
                          "' joins filters: write {\"logic\": ..., \"filters\": [...]}");
  }
  LB_ASSIGN_OR_RETURN(auto tree, ReadOperands(object, written.op, std::move(column)));
  if (!written.negated) return tree;
  return FilterTree{Operator::kNot, "", {}, {std::move(tree)}};
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
  if (members.empty() && !(logic && nested)) {
    return object.Invalid("a filter has neither \"field\" nor \"filters\"");
  }
  if (members.empty() && logic == Operator::kNot) {
    return object.Invalid("filter logic NOT has nothing to negate: \"filters\" is empty");
  }
  if (logic == Operator::kOr && members.size() == 1 && !nested) {
    return object.Invalid("filter logic OR joins filters: write {\"logic\": \"OR\", \"filters\": [...]}");
  }
  return Join(logic.value_or(Operator::kAnd), std::move(members));
}

Result<std::optional<FilterTree>> ReadUnder(const JsonObject& object, std::string_view key) {
  const auto value = object.Find(key);
  if (!value) return std::nullopt;
  std::string_view text;
  if (value->get(text) == simdjson::SUCCESS) {
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return std::nullopt;
    LB_ASSIGN_OR_RETURN(auto tree, filter::ParseFilter(text));
    return std::optional<FilterTree>(std::move(tree));
  }
  TermCount count;
  if (value->is_object()) {
    const simdjson::dom::object filter(*value);
    if (filter.size() == 0) return std::nullopt;
    LB_ASSIGN_OR_RETURN(auto tree, ReadFilter(JsonObject(filter, object.what()), 1, &count));
    return std::optional<FilterTree>(std::move(tree));
  }
  if (!value->is_array()) return object.Wrong(key, "an array of filters, or text", *value);
  LB_ASSIGN_OR_RETURN(auto members, ReadMembers(object, *value, 1, &count));
  if (members.empty()) return std::nullopt;
  return std::optional<FilterTree>(Join(Operator::kAnd, std::move(members)));
}

nlohmann::json ToJson(const filter::Value& value) {
  return std::visit(
      [](const auto& v) -> nlohmann::json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>) {
          return nullptr;
        } else {
          return v;
        }
      },
      value);
}

nlohmann::json ToJson(const FilterTree& tree) {
  using filter::Operands;
  nlohmann::json out;
  const Operands operands = OperandsOf(tree.op);
  if (operands == Operands::kChildren) {
    out["logic"] = filter::OperatorName(tree.op);
    out["filters"] = nlohmann::json::array();
    for (const FilterTree& child : tree.children) out["filters"].push_back(ToJson(child));
    return out;
  }
  out["field"] = tree.column;
  out["op"] = filter::OperatorName(tree.op);
  if (operands == Operands::kAny || operands == Operands::kTwo) {
    out["value"] = nlohmann::json::array();
    for (const auto& value : tree.values) out["value"].push_back(ToJson(value));
  } else if (!tree.values.empty()) {
    out["value"] = ToJson(tree.values[0]);
  }
  return out;
}

}  // namespace

Result<std::optional<FilterTree>> ReadFilters(const JsonObject& object) {
  LB_ASSIGN_OR_RETURN(auto many, ReadUnder(object, "filters"));
  LB_ASSIGN_OR_RETURN(auto one, ReadUnder(object, "filter"));
  return AllOf(std::move(many), std::move(one));
}

std::string WriteFilter(const FilterTree& tree) {
  return ToJson(tree).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
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
