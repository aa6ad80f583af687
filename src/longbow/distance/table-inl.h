// Stamps metric x element type into a table. Included by an instruction set's file inside its unnamed
// namespace, after its Float32Lanes and Float64Lanes.

#include "longbow/distance/finite-inl.h"
#include "longbow/distance/kernel-inl.h"
#include "longbow/distance/metrics/metrics-inl.h"

template <typename Lanes, typename Element, typename M>
constexpr KernelSet Stamp() {
  using K = Kernel<Lanes, Element, M>;
  return {&K::Rows, &K::Gather, &K::Tile};
}

template <typename M>
constexpr void StampMetric(KernelTable& table) {
  KernelSet* sets = table.sets[static_cast<int>(M::kMetric)];
  const auto at = [sets](ElementType type) -> KernelSet& { return sets[static_cast<int>(type)]; };
  at(ElementType::kFloat16) = Stamp<Float32Lanes, Half, M>();
  at(ElementType::kFloat32) = Stamp<Float32Lanes, float, M>();
  at(ElementType::kInt8) = Stamp<Float32Lanes, int8_t, M>();
  at(ElementType::kUInt8) = Stamp<Float32Lanes, uint8_t, M>();
  at(ElementType::kInt16) = Stamp<Float32Lanes, int16_t, M>();
  at(ElementType::kUInt16) = Stamp<Float32Lanes, uint16_t, M>();
  at(ElementType::kFloat64) = Stamp<Float64Lanes, double, M>();
  at(ElementType::kInt32) = Stamp<Float64Lanes, int32_t, M>();
  at(ElementType::kUInt32) = Stamp<Float64Lanes, uint32_t, M>();
  at(ElementType::kInt64) = Stamp<Float64Lanes, int64_t, M>();
  at(ElementType::kUInt64) = Stamp<Float64Lanes, uint64_t, M>();
  // The real part of the Hermitian product is the dot product of the interleaved parts.
  at(ElementType::kComplex64) = at(ElementType::kFloat32);
  at(ElementType::kComplex128) = at(ElementType::kFloat64);
}

constexpr KernelTable StampTable() {
  KernelTable table{};
  table.finite16 = &NoneAllOnes<uint16_t, 0x7c00>;
  table.finite32 = &NoneAllOnes<uint32_t, 0x7f800000>;
  table.finite64 = &NoneAllOnes<uint64_t, 0x7ff0000000000000>;
  ForEachMetric([&table](auto metric) { StampMetric<decltype(metric)>(table); });
  return table;
}
