// Kernels for AVX2.
#include <immintrin.h>

#include "longbow/codec/code_kernel_table.h"

namespace longbow::codec {
namespace {

int32_t Dot(const int8_t* a, const int8_t* b, int32_t, size_t n) {
  __m256i sum = _mm256_setzero_si256();
  for (size_t i = 0; i < n; i += 16) {
    const __m256i x = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a + i)));
    const __m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b + i)));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
  }
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
  return _mm_cvtsi128_si32(half);
}

constexpr size_t kGroupsATurn = 64;  // 4 * 64 * 255 fits 16 bits

LONGBOW_CODE_INLINE __m256i Look(const uint8_t* entries, __m256i index) {
  return _mm256_shuffle_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(entries)), index);
}

LONGBOW_CODE_INLINE void AddWeighted(__m128i eight, __m256 weight, float* sums) {
  const __m256 x = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(eight));
  _mm256_storeu_ps(sums, _mm256_add_ps(_mm256_loadu_ps(sums), _mm256_mul_ps(x, weight)));
}

// Sixteen-bit lanes take a byte of even place and 256 times one of odd place; the odd ones are summed beside
// and taken out at the end.
LONGBOW_CODE_INLINE void AddPlaneSums(const uint8_t* plane, const uint8_t* entries, size_t n, float weight,
                                      float* sums) {
  const __m256i low = _mm256_set1_epi8(15);
  for (size_t left = n / 16; left > 0;) {
    const size_t turn = left < kGroupsATurn ? left : kGroupsATurn;
    left -= turn;
    __m256i both = _mm256_setzero_si256(), odd = both;
    for (size_t group = 0; group < turn; ++group, plane += 64, entries += 128) {
      for (size_t half = 0; half < 2; ++half) {
        const __m256i code = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(plane + 32 * half));
        const __m256i a = Look(entries + 32 * half, _mm256_and_si256(code, low));
        const __m256i b = Look(entries + 64 + 32 * half, _mm256_and_si256(_mm256_srli_epi16(code, 4), low));
        both = _mm256_add_epi16(both, _mm256_add_epi16(a, b));
        odd = _mm256_add_epi16(odd, _mm256_add_epi16(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8)));
      }
    }
    const __m256i even = _mm256_sub_epi16(both, _mm256_slli_epi16(odd, 8));
    const __m256i first = _mm256_unpacklo_epi16(even, odd), second = _mm256_unpackhi_epi16(even, odd);
    const __m256 w = _mm256_set1_ps(weight);
    AddWeighted(_mm256_castsi256_si128(first), w, sums);
    AddWeighted(_mm256_castsi256_si128(second), w, sums + 8);
    AddWeighted(_mm256_extracti128_si256(first, 1), w, sums + 16);
    AddWeighted(_mm256_extracti128_si256(second, 1), w, sums + 24);
  }
}

LONGBOW_CODE_INLINE void BlockSums(const uint8_t* block, uint32_t bits, const uint8_t* entries, size_t n,
                                   float* sums) {
  for (size_t i = 0; i < kBlock; i += 8) _mm256_store_ps(sums + i, _mm256_setzero_ps());
  float weight = 1;
  for (uint32_t bit = 0; bit < bits; ++bit, weight *= 2)
    AddPlaneSums(block + bit * BlockBytes(n, 1), entries, n, weight, sums);
}

LONGBOW_CODE_INLINE uint32_t NotAbove(const float* x, float limit) {
  const __m256 most = _mm256_set1_ps(limit);
  const auto bits = [&](const float* p) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(_mm256_load_ps(p), most, _CMP_LE_OQ)));
  };
  return bits(x) | bits(x + 8) << 8;
}

#include "longbow/codec/code_kernels-inl.h"

}  // namespace

constexpr CodeKernels kAvx2CodeKernels = StampKernels("avx2");

}  // namespace longbow::codec
