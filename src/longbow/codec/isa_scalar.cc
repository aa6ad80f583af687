// Kernels that any processor runs.
#include "longbow/codec/code_kernel_table.h"

// What x86-64 and AArch64 always have.
#define LONGBOW_CODE_VECTOR 16

namespace longbow::codec {
namespace {

#include "longbow/codec/native_vector-inl.h"
#include "longbow/codec/rooms-inl.h"

int32_t Dot(const int8_t* a, const int8_t* b, int32_t, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += int32_t{a[i]} * b[i];
  return sum;
}

void BlockSums(const uint8_t* block, uint32_t bits, const uint8_t* entries, size_t n, float* sums) {
  uint32_t chosen[kBlock] = {};
  const uint8_t* plane = block;
  for (uint32_t bit = 0; bit < bits; ++bit) {
    for (size_t group = 0; group < n / 16; ++group, plane += 64) {
      const uint8_t* table = entries + group * 128;
      for (size_t i = 0; i < kBlock; ++i) {
        chosen[i] += (uint32_t{table[plane[i] & 15]} + table[64 + (plane[i] >> 4)] +
                      table[32 + (plane[32 + i] & 15)] + table[96 + (plane[32 + i] >> 4)])
                     << bit;
      }
    }
  }
  for (size_t i = 0; i < kBlock; ++i) sums[i] = static_cast<float>(chosen[i]);
}

uint32_t NearTotalsOfOne(const uint8_t* block, uint32_t bits, const uint8_t* entries, size_t n,
                         const Rooms& rooms, const float* constants, const float* inverses) {
  uint32_t totals[kBlock] = {};
  for (uint32_t bit = 0; bit < bits; ++bit) {
    const uint8_t* plane = block + bit * BlockBytes(n, 1);
    const uint8_t* table = entries + bit * TableBytes(n);
    for (size_t group = 0; group < n / 16; ++group, plane += 64, table += 128) {
      for (size_t i = 0; i < kBlock; ++i) {
        totals[i] += uint32_t{table[plane[i] & 15]} + table[64 + (plane[i] >> 4)] +
                     table[32 + (plane[32 + i] & 15)] + table[96 + (plane[32 + i] >> 4)];
      }
    }
  }
  uint32_t near = 0;
  for (uint32_t i = 0; i < kBlock; ++i) {
    const float room = inverses[i] * (rooms.room - constants[i] * rooms.inverse_step) + rooms.spare;
    const uint32_t most = !(room < 255) ? 255 : room > 0 ? static_cast<uint32_t>(room) : 0;
    near |= static_cast<uint32_t>((totals[i] < 255 ? totals[i] : 255) <= most) << i;
  }
  return near;
}

template <size_t kQueries>
void NearTotals(const uint8_t* block, uint32_t bits, const RoomsOf<kQueries>& queries, size_t n,
                const float* constants, const float* inverses, uint32_t* near) {
  for (size_t q = 0; q < kQueries; ++q)
    near[q] = NearTotalsOfOne(block, bits, queries.entries[q], n, queries.rooms[q], constants, inverses);
}

uint32_t NotAbove(const float* x, float limit) {
  uint32_t bits = 0;
  for (uint32_t i = 0; i < 16; ++i) bits |= static_cast<uint32_t>(x[i] <= limit) << i;
  return bits;
}

uint32_t SignBits(NativeInt x) {
  uint32_t bits = 0;
  for (size_t i = 0; i < kNativeLanes; ++i) bits |= (static_cast<uint32_t>(x[i]) >> 31) << i;
  return bits;
}

void StoreBytes(uint8_t* to, NativeInt x) {
  for (size_t i = 0; i < kNativeLanes; ++i) to[i] = static_cast<uint8_t>(x[i]);
}

#include "longbow/codec/code_kernels-inl.h"

}  // namespace

constexpr CodeKernels kScalarCodeKernels = StampKernels("scalar");

}  // namespace longbow::codec
