// Kernels for AVX2 with FMA and F16C.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "longbow/distance/kernel_table.h"

namespace longbow::distance {
namespace {

#include "longbow/distance/element-inl.h"
#include "longbow/distance/overlapping_tail-inl.h"

LONGBOW_INLINE __m128i Load16(const std::byte* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
LONGBOW_INLINE __m128i Load8(const std::byte* p) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
}
LONGBOW_INLINE __m256i Load32(const std::byte* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

struct Float32Lanes {
  using Scalar = float;
  using Vector = __m256;
  static constexpr size_t kLanes = 8;
  static constexpr size_t kRowBlock = 8, kTileQueries = 2, kTileRows = 4;
  using Tail = OverlappingTail<Float32Lanes>;

  LONGBOW_INLINE static Vector Zero() { return _mm256_setzero_ps(); }
  LONGBOW_INLINE static Vector Sub(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
  LONGBOW_INLINE static Vector MulAdd(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  LONGBOW_INLINE static Vector KeepLast(Vector x, size_t count) {
    alignas(32) static constexpr int32_t kMask[16] = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_and_ps(x, _mm256_loadu_ps(reinterpret_cast<const float*>(kMask + count)));
  }

  LONGBOW_INLINE static Vector Load(Of<float>, const std::byte* p) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(p));
  }
  LONGBOW_INLINE static Vector Load(Of<Half>, const std::byte* p) { return _mm256_cvtph_ps(Load16(p)); }
  LONGBOW_INLINE static Vector Load(Of<int8_t>, const std::byte* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(Load8(p)));
  }
  LONGBOW_INLINE static Vector Load(Of<uint8_t>, const std::byte* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(Load8(p)));
  }
  LONGBOW_INLINE static Vector Load(Of<int16_t>, const std::byte* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(Load16(p)));
  }
  LONGBOW_INLINE static Vector Load(Of<uint16_t>, const std::byte* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(Load16(p)));
  }
  template <typename Element>
  LONGBOW_INLINE static Vector LoadTail(Of<Element> of, const std::byte* p, const Tail& tail) {
    return tail.Load(of, p);
  }

  LONGBOW_INLINE static void ReduceFour(Vector a, Vector b, Vector c, Vector d, float* out) {
    const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    const __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    const __m256 low = _mm256_shuffle_ps(ab, cd, _MM_SHUFFLE(1, 0, 1, 0));
    const __m256 high = _mm256_shuffle_ps(ab, cd, _MM_SHUFFLE(3, 2, 3, 2));
    const __m256 sum = _mm256_add_ps(low, high);
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1)));
  }
};

struct Float64Lanes {
  using Scalar = double;
  using Vector = __m256d;
  static constexpr size_t kLanes = 4;
  static constexpr size_t kRowBlock = 8, kTileQueries = 2, kTileRows = 4;
  using Tail = OverlappingTail<Float64Lanes>;

  LONGBOW_INLINE static Vector Zero() { return _mm256_setzero_pd(); }
  LONGBOW_INLINE static Vector Sub(Vector a, Vector b) { return _mm256_sub_pd(a, b); }
  LONGBOW_INLINE static Vector MulAdd(Vector a, Vector b, Vector c) { return _mm256_fmadd_pd(a, b, c); }
  LONGBOW_INLINE static Vector KeepLast(Vector x, size_t count) {
    alignas(32) static constexpr int64_t kMask[8] = {0, 0, 0, 0, -1, -1, -1, -1};
    return _mm256_and_pd(x, _mm256_loadu_pd(reinterpret_cast<const double*>(kMask + count)));
  }

  LONGBOW_INLINE static Vector Load(Of<double>, const std::byte* p) {
    return _mm256_loadu_pd(reinterpret_cast<const double*>(p));
  }
  LONGBOW_INLINE static Vector Load(Of<int32_t>, const std::byte* p) { return _mm256_cvtepi32_pd(Load16(p)); }
  LONGBOW_INLINE static Vector Load(Of<uint32_t>, const std::byte* p) {
    const __m128i shifted = _mm_xor_si128(Load16(p), _mm_set1_epi32(INT32_MIN));
    return _mm256_add_pd(_mm256_cvtepi32_pd(shifted), _mm256_set1_pd(0x1p31));
  }
  // There is no conversion of 64-bit integers: the halves are placed into mantissas of known exponents, whose
  // constants are subtracted exactly, so that the last addition alone rounds.
  LONGBOW_INLINE static Vector Load(Of<uint64_t>, const std::byte* p) {
    const __m256i x = Load32(p);
    const __m256i high =
        _mm256_or_si256(_mm256_srli_epi64(x, 32), _mm256_castpd_si256(_mm256_set1_pd(0x1p84)));
    const __m256i low = _mm256_blend_epi32(_mm256_castpd_si256(_mm256_set1_pd(0x1p52)), x, 0x55);
    const Vector exact = _mm256_sub_pd(_mm256_castsi256_pd(high), _mm256_set1_pd(0x1p84 + 0x1p52));
    return _mm256_add_pd(exact, _mm256_castsi256_pd(low));
  }
  LONGBOW_INLINE static Vector Load(Of<int64_t>, const std::byte* p) {
    const __m256i x = Load32(p);
    const __m256i shifted = _mm256_xor_si256(_mm256_srli_epi64(x, 32), _mm256_set1_epi64x(0x80000000));
    const __m256i high = _mm256_or_si256(shifted, _mm256_castpd_si256(_mm256_set1_pd(0x1p84)));
    const __m256i low = _mm256_blend_epi32(_mm256_castpd_si256(_mm256_set1_pd(0x1p52)), x, 0x55);
    const Vector exact = _mm256_sub_pd(_mm256_castsi256_pd(high), _mm256_set1_pd(0x1p84 + 0x1p63 + 0x1p52));
    return _mm256_add_pd(exact, _mm256_castsi256_pd(low));
  }
  template <typename Element>
  LONGBOW_INLINE static Vector LoadTail(Of<Element> of, const std::byte* p, const Tail& tail) {
    return tail.Load(of, p);
  }

  LONGBOW_INLINE static void ReduceFour(Vector a, Vector b, Vector c, Vector d, double* out) {
    const __m256d ab = _mm256_add_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
    const __m256d cd = _mm256_add_pd(_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
    _mm256_storeu_pd(
        out, _mm256_add_pd(_mm256_permute2f128_pd(ab, cd, 0x20), _mm256_permute2f128_pd(ab, cd, 0x31)));
  }
};

#include "longbow/distance/table-inl.h"

}  // namespace

constexpr KernelTable kAvx2Kernels = StampTable();

}  // namespace longbow::distance
