// Kernels for AVX-512 with VNNI.
#include <immintrin.h>

#include "longbow/codec/code_kernel_table.h"

#define LONGBOW_CODE_VECTOR 64

namespace longbow::codec {
namespace {

#include "longbow/codec/native_vector-inl.h"
#include "longbow/codec/rooms-inl.h"

// The instruction multiplies unsigned by signed: a + 128 by b, and 128 * sum_b is taken off.
int32_t Dot(const int8_t* a, const int8_t* b, int32_t sum_b, size_t n) {
  const __m512i bias = _mm512_set1_epi8(-128);
  __m512i even = _mm512_setzero_si512(), odd = even;
  size_t i = 0;
  for (; i + 128 <= n; i += 128) {
    even = _mm512_dpbusd_epi32(even, _mm512_xor_si512(_mm512_loadu_si512(a + i), bias),
                               _mm512_loadu_si512(b + i));
    odd = _mm512_dpbusd_epi32(odd, _mm512_xor_si512(_mm512_loadu_si512(a + i + 64), bias),
                              _mm512_loadu_si512(b + i + 64));
  }
  if (i < n) {
    even = _mm512_dpbusd_epi32(even, _mm512_xor_si512(_mm512_loadu_si512(a + i), bias),
                               _mm512_loadu_si512(b + i));
  }
  return _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd)) - 128 * sum_b;
}

#include "longbow/codec/avx512_block-inl.h"
#include "longbow/codec/code_kernels-inl.h"

}  // namespace

constexpr CodeKernels kAvx512VnniCodeKernels = StampKernels("avx512vnni");

}  // namespace longbow::codec
