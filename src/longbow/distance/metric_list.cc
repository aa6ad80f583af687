#include "longbow/distance/metric_list.h"

#include <array>

namespace longbow::distance {
namespace {

struct ElementRow {
  std::string_view name;
  uint8_t scalar_bytes;
  uint8_t scalars;
  QueryType query;
};

// In the order of ElementType.
constexpr std::array<ElementRow, kElementTypes> kElements{{
    {"float16", 2, 1, QueryType::kFloat32},
    {"float32", 4, 1, QueryType::kFloat32},
    {"float64", 8, 1, QueryType::kFloat64},
    {"int8", 1, 1, QueryType::kFloat32},
    {"int16", 2, 1, QueryType::kFloat32},
    {"int32", 4, 1, QueryType::kFloat64},
    {"int64", 8, 1, QueryType::kFloat64},
    {"uint8", 1, 1, QueryType::kFloat32},
    {"uint16", 2, 1, QueryType::kFloat32},
    {"uint32", 4, 1, QueryType::kFloat64},
    {"uint64", 8, 1, QueryType::kFloat64},
    {"complex64", 4, 2, QueryType::kFloat32},
    {"complex128", 8, 2, QueryType::kFloat64},
}};

#include "longbow/distance/element-inl.h"
#include "longbow/distance/metrics/metrics-inl.h"

const ElementRow& Row(ElementType type) { return kElements[static_cast<size_t>(type)]; }

}  // namespace

QueryType QueryTypeOf(ElementType type) { return Row(type).query; }
size_t ScalarBytes(ElementType type) { return Row(type).scalar_bytes; }
int ScalarsPerElement(ElementType type) { return Row(type).scalars; }
std::string_view ElementTypeName(ElementType type) { return Row(type).name; }

std::optional<ElementType> ElementTypeFromName(std::string_view name) {
  for (size_t i = 0; i < kElements.size(); ++i) {
    if (kElements[i].name == name) return static_cast<ElementType>(i);
  }
  return std::nullopt;
}

std::string_view MetricName(Metric metric) {
  std::string_view name;
  VisitMetric(metric, [&](auto m) { name = m.kNames[0]; });
  return name;
}

std::optional<Metric> MetricFromName(std::string_view name) {
  std::optional<Metric> found;
  ForEachMetric([&](auto m) {
    for (const char* known : m.kNames) {
      if (known == name) found = m.kMetric;
    }
  });
  return found;
}

}  // namespace longbow::distance
