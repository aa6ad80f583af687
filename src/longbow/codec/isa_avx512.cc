// Kernels for AVX-512 F, BW, DQ and VL.
#include <immintrin.h>

#include "longbow/codec/code_kernel_table.h"

#define LONGBOW_CODE_VECTOR 64

namespace longbow::codec {
namespace {

#include "longbow/codec/native_vector-inl.h"
#include "longbow/codec/rooms-inl.h"

int32_t Dot(const int8_t* a, const int8_t* b, int32_t, size_t n) {
  __m512i sum = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += 32) {
    const __m512i x = _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i)));
    const __m512i y = _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i)));
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(x, y));
  }
  return _mm512_reduce_add_epi32(sum);
}

#include "longbow/codec/avx512_block-inl.h"
#include "longbow/codec/code_kernels-inl.h"

}  // namespace

constexpr CodeKernels kAvx512CodeKernels = StampKernels("avx512");

}  // namespace longbow::codec
