// Kernels that any processor runs.
#include "longbow/codec/code_kernel_table.h"

namespace longbow::codec {
namespace {

int32_t Dot(const int8_t* a, const int8_t* b, int32_t, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += int32_t{a[i]} * b[i];
  return sum;
}

void AddBlockSums(const uint8_t* plane, const uint8_t* entries, size_t n, float weight, float* sums) {
  uint32_t chosen[kBlock] = {};
  for (size_t group = 0; group < n / 16; ++group, plane += 64, entries += 128) {
    for (size_t i = 0; i < kBlock; ++i) {
      chosen[i] += uint32_t{entries[plane[i] & 15]} + entries[64 + (plane[i] >> 4)] +
                   entries[32 + (plane[32 + i] & 15)] + entries[96 + (plane[32 + i] >> 4)];
    }
  }
  for (size_t i = 0; i < kBlock; ++i) sums[i] += weight * static_cast<float>(chosen[i]);
}

#include "longbow/codec/code_kernels-inl.h"

}  // namespace

constexpr CodeKernels kScalarCodeKernels = StampKernels("scalar");

}  // namespace longbow::codec
