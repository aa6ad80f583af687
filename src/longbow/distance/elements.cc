// What does not depend on an instruction set: looking at stored scalars and preparing queries.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "longbow/distance/kernels.h"

namespace longbow::distance {
namespace {

#include "longbow/distance/element-inl.h"
#include "longbow/distance/metrics/metrics-inl.h"

const std::byte* At(const void* scalars, size_t bytes) {
  return static_cast<const std::byte*>(scalars) + bytes;
}

template <typename Element>
void Widen(const void* scalars, size_t count, double* out) {
  for (size_t i = 0; i < count; ++i) {
    out[i] = static_cast<double>(LoadUnaligned<Element>(At(scalars, i * sizeof(Element))));
  }
}

template <>
void Widen<Half>(const void* scalars, size_t count, double* out) {
  for (size_t i = 0; i < count; ++i)
    out[i] = HalfToFloat(LoadUnaligned<uint16_t>(At(scalars, i * sizeof(Half))));
}

// `kMagnitude`: all bits but a float's sign.
template <typename Bits, Bits kMagnitude>
bool AllZero(const void* scalars, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if ((LoadUnaligned<Bits>(At(scalars, i * sizeof(Bits))) & kMagnitude) != 0) return false;
  }
  return true;
}

// Scales to unit length; the largest magnitude is divided out first so that no square overflows or vanishes.
bool Normalize(std::span<const double> query, auto&& emit) {
  double largest = 0;
  for (double x : query) largest = std::max(largest, std::abs(x));
  if (!(largest > 0)) return false;
  double squares = 0;
  for (double x : query) squares += (x / largest) * (x / largest);
  const double length = std::sqrt(squares);
  for (size_t i = 0; i < query.size(); ++i) emit(i, query[i] / largest / length);
  return true;
}

template <typename Scalar>
bool Prepare(bool unit, std::span<const double> query, void* out) {
  bool finite = true;
  const auto emit = [&](size_t i, double x) {
    const Scalar value = static_cast<Scalar>(x);
    finite &= std::isfinite(value);
    std::memcpy(static_cast<std::byte*>(out) + i * sizeof(Scalar), &value, sizeof(Scalar));
  };
  for (double x : query) finite &= std::isfinite(x);
  if (!finite) return false;
  if (unit) return Normalize(query, emit);
  for (size_t i = 0; i < query.size(); ++i) emit(i, query[i]);
  return finite;
}

}  // namespace

bool PrepareQuery(Metric metric, ElementType type, std::span<const double> query, void* out) {
  bool unit = false;
  VisitMetric(metric, [&](auto m) { unit = m.kUnitQuery; });
  return QueryTypeOf(type) == QueryType::kFloat32 ? Prepare<float>(unit, query, out)
                                                  : Prepare<double>(unit, query, out);
}

bool IsZero(ElementType type, const void* scalars, size_t count) {
  switch (type) {
    case ElementType::kFloat16:
      return AllZero<uint16_t, 0x7fff>(scalars, count);
    case ElementType::kFloat32:
    case ElementType::kComplex64:
      return AllZero<uint32_t, 0x7fffffff>(scalars, count);
    case ElementType::kFloat64:
    case ElementType::kComplex128:
      return AllZero<uint64_t, 0x7fffffffffffffff>(scalars, count);
    default:
      return AllZero<uint8_t, 0xff>(scalars, count * ScalarBytes(type));
  }
}

void ToDouble(ElementType type, const void* scalars, size_t count, double* out) {
  switch (type) {
    case ElementType::kFloat16:
      return Widen<Half>(scalars, count, out);
    case ElementType::kFloat32:
    case ElementType::kComplex64:
      return Widen<float>(scalars, count, out);
    case ElementType::kFloat64:
    case ElementType::kComplex128:
      return Widen<double>(scalars, count, out);
    case ElementType::kInt8:
      return Widen<int8_t>(scalars, count, out);
    case ElementType::kInt16:
      return Widen<int16_t>(scalars, count, out);
    case ElementType::kInt32:
      return Widen<int32_t>(scalars, count, out);
    case ElementType::kInt64:
      return Widen<int64_t>(scalars, count, out);
    case ElementType::kUInt8:
      return Widen<uint8_t>(scalars, count, out);
    case ElementType::kUInt16:
      return Widen<uint16_t>(scalars, count, out);
    case ElementType::kUInt32:
      return Widen<uint32_t>(scalars, count, out);
    case ElementType::kUInt64:
      return Widen<uint64_t>(scalars, count, out);
  }
}

}  // namespace longbow::distance
