// Kernels for AVX-512 F, BW, DQ and VL. Ragged tails are masked loads, which touch no masked byte.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "longbow/distance/kernel_table.h"

namespace longbow::distance {
namespace {

#include "longbow/distance/element-inl.h"

struct Float32Lanes {
  using Scalar = float;
  using Vector = __m512;
  static constexpr size_t kLanes = 16;
  static constexpr size_t kRowBlock = 8, kTileQueries = 4, kTileRows = 4;

  struct Tail {
    LONGBOW_INLINE Tail(size_t count, bool) : mask(static_cast<__mmask16>((1u << count) - 1)) {}
    __mmask16 mask;
  };

  LONGBOW_INLINE static Vector Zero() { return _mm512_setzero_ps(); }
  LONGBOW_INLINE static Vector Sub(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
  LONGBOW_INLINE static Vector MulAdd(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }

  LONGBOW_INLINE static Vector Load(Of<float>, const std::byte* p) { return _mm512_loadu_ps(p); }
  LONGBOW_INLINE static Vector LoadTail(Of<float>, const std::byte* p, const Tail& tail) {
    return _mm512_maskz_loadu_ps(tail.mask, p);
  }
  LONGBOW_INLINE static Vector Load(Of<Half>, const std::byte* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  LONGBOW_INLINE static Vector LoadTail(Of<Half>, const std::byte* p, const Tail& tail) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(tail.mask, p));
  }
  LONGBOW_INLINE static Vector Load(Of<int8_t>, const std::byte* p) { return Signed(Load16(p)); }
  LONGBOW_INLINE static Vector LoadTail(Of<int8_t>, const std::byte* p, const Tail& tail) {
    return Signed(_mm_maskz_loadu_epi8(tail.mask, p));
  }
  LONGBOW_INLINE static Vector Load(Of<uint8_t>, const std::byte* p) { return Unsigned(Load16(p)); }
  LONGBOW_INLINE static Vector LoadTail(Of<uint8_t>, const std::byte* p, const Tail& tail) {
    return Unsigned(_mm_maskz_loadu_epi8(tail.mask, p));
  }
  LONGBOW_INLINE static Vector Load(Of<int16_t>, const std::byte* p) { return Signed(Load32(p)); }
  LONGBOW_INLINE static Vector LoadTail(Of<int16_t>, const std::byte* p, const Tail& tail) {
    return Signed(_mm256_maskz_loadu_epi16(tail.mask, p));
  }
  LONGBOW_INLINE static Vector Load(Of<uint16_t>, const std::byte* p) { return Unsigned(Load32(p)); }
  LONGBOW_INLINE static Vector LoadTail(Of<uint16_t>, const std::byte* p, const Tail& tail) {
    return Unsigned(_mm256_maskz_loadu_epi16(tail.mask, p));
  }

  LONGBOW_INLINE static void ReduceFour(Vector a, Vector b, Vector c, Vector d, float* out) {
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    const __m512 low = _mm512_shuffle_ps(ab, cd, _MM_SHUFFLE(1, 0, 1, 0));
    const __m512 high = _mm512_shuffle_ps(ab, cd, _MM_SHUFFLE(3, 2, 3, 2));
    const __m512 sum = _mm512_add_ps(low, high);
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(sum), _mm512_extractf32x8_ps(sum, 1));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
  }

 private:
  LONGBOW_INLINE static __m128i Load16(const std::byte* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  LONGBOW_INLINE static __m256i Load32(const std::byte* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  LONGBOW_INLINE static Vector Signed(__m128i x) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(x)); }
  LONGBOW_INLINE static Vector Unsigned(__m128i x) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(x)); }
  LONGBOW_INLINE static Vector Signed(__m256i x) { return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(x)); }
  LONGBOW_INLINE static Vector Unsigned(__m256i x) { return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(x)); }
};

struct Float64Lanes {
  using Scalar = double;
  using Vector = __m512d;
  static constexpr size_t kLanes = 8;
  static constexpr size_t kRowBlock = 8, kTileQueries = 4, kTileRows = 4;

  struct Tail {
    LONGBOW_INLINE Tail(size_t count, bool) : mask(static_cast<__mmask8>((1u << count) - 1)) {}
    __mmask8 mask;
  };

  LONGBOW_INLINE static Vector Zero() { return _mm512_setzero_pd(); }
  LONGBOW_INLINE static Vector Sub(Vector a, Vector b) { return _mm512_sub_pd(a, b); }
  LONGBOW_INLINE static Vector MulAdd(Vector a, Vector b, Vector c) { return _mm512_fmadd_pd(a, b, c); }

  LONGBOW_INLINE static Vector Load(Of<double>, const std::byte* p) { return _mm512_loadu_pd(p); }
  LONGBOW_INLINE static Vector LoadTail(Of<double>, const std::byte* p, const Tail& tail) {
    return _mm512_maskz_loadu_pd(tail.mask, p);
  }
  LONGBOW_INLINE static Vector Load(Of<int32_t>, const std::byte* p) { return _mm512_cvtepi32_pd(Load32(p)); }
  LONGBOW_INLINE static Vector LoadTail(Of<int32_t>, const std::byte* p, const Tail& tail) {
    return _mm512_cvtepi32_pd(_mm256_maskz_loadu_epi32(tail.mask, p));
  }
  LONGBOW_INLINE static Vector Load(Of<uint32_t>, const std::byte* p) {
    return _mm512_cvtepu32_pd(Load32(p));
  }
  LONGBOW_INLINE static Vector LoadTail(Of<uint32_t>, const std::byte* p, const Tail& tail) {
    return _mm512_cvtepu32_pd(_mm256_maskz_loadu_epi32(tail.mask, p));
  }
  LONGBOW_INLINE static Vector Load(Of<int64_t>, const std::byte* p) {
    return _mm512_cvtepi64_pd(_mm512_loadu_si512(p));
  }
  LONGBOW_INLINE static Vector LoadTail(Of<int64_t>, const std::byte* p, const Tail& tail) {
    return _mm512_cvtepi64_pd(_mm512_maskz_loadu_epi64(tail.mask, p));
  }
  LONGBOW_INLINE static Vector Load(Of<uint64_t>, const std::byte* p) {
    return _mm512_cvtepu64_pd(_mm512_loadu_si512(p));
  }
  LONGBOW_INLINE static Vector LoadTail(Of<uint64_t>, const std::byte* p, const Tail& tail) {
    return _mm512_cvtepu64_pd(_mm512_maskz_loadu_epi64(tail.mask, p));
  }

  LONGBOW_INLINE static void ReduceFour(Vector a, Vector b, Vector c, Vector d, double* out) {
    const __m256d ab = Fold(_mm512_add_pd(_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)));
    const __m256d cd = Fold(_mm512_add_pd(_mm512_unpacklo_pd(c, d), _mm512_unpackhi_pd(c, d)));
    _mm256_storeu_pd(
        out, _mm256_add_pd(_mm256_permute2f128_pd(ab, cd, 0x20), _mm256_permute2f128_pd(ab, cd, 0x31)));
  }

 private:
  LONGBOW_INLINE static __m256i Load32(const std::byte* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  LONGBOW_INLINE static __m256d Fold(__m512d x) {
    return _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd(x, 1));
  }
};

#include "longbow/distance/table-inl.h"

}  // namespace

constexpr KernelTable kAvx512Kernels = StampTable();

}  // namespace longbow::distance
