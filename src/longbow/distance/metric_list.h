// The metrics and the element types a vector can have. A new metric is a line here and a file in metrics/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace longbow::distance {

enum class Metric : uint8_t { kL2, kCosine, kInnerProduct };
inline constexpr int kMetrics = 3;

enum class ElementType : uint8_t {
  kFloat16,
  kFloat32,
  kFloat64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt8,
  kUInt16,
  kUInt32,
  kUInt64,
  kComplex64,
  kComplex128,  // interleaved real and imaginary parts: two stored scalars an element
};
inline constexpr int kElementTypes = 13;

// What a query is converted to before its distances to rows of `type` are taken: float32 where that loses
// nothing the kernels would keep, float64 for types wider than 24 bits of mantissa.
enum class QueryType : uint8_t { kFloat32, kFloat64 };
QueryType QueryTypeOf(ElementType type);

size_t ScalarBytes(ElementType type);                // of one stored scalar: 4 for complex64
int ScalarsPerElement(ElementType type);             // 2 for complex, else 1
std::string_view ElementTypeName(ElementType type);  // numpy's names: "float32" ...
std::optional<ElementType> ElementTypeFromName(std::string_view name);
std::string_view MetricName(Metric metric);  // "l2", "cosine", "ip"
// Also the names that clients send: euclidean, dot_product, dot, inner_product, ip.
std::optional<Metric> MetricFromName(std::string_view name);

}  // namespace longbow::distance
