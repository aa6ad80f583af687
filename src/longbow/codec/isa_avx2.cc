// Kernels for AVX2.
#include <immintrin.h>

#include "longbow/codec/code_kernel_table.h"

#define LONGBOW_CODE_VECTOR 32

namespace longbow::codec {
namespace {

#include "longbow/codec/native_vector-inl.h"
#include "longbow/codec/rooms-inl.h"

LONGBOW_CODE_INLINE __m256i LoadInts(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

// Products of pairs fit 16 bits, as codes reach from -127 to 127.
LONGBOW_CODE_INLINE __m256i PairProducts(const int8_t* a, const int8_t* b) {
  const __m256i x = LoadInts(a), y = LoadInts(b);
  return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(y, x)),
                           _mm256_set1_epi16(1));
}

int32_t Dot(const int8_t* a, const int8_t* b, int32_t, size_t n) {
  __m256i sum = _mm256_setzero_si256(), sum2 = sum;
  for (size_t i = 0; i < n; i += 64) {
    sum = _mm256_add_epi32(sum, PairProducts(a + i, b + i));
    sum2 = _mm256_add_epi32(sum2, PairProducts(a + i + 32, b + i + 32));
  }
  sum = _mm256_add_epi32(sum, sum2);
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
  return _mm_cvtsi128_si32(half);
}

constexpr size_t kGroupsATurn = 64;  // 4 * 64 * 255 fits 16 bits

// Sums of the entries chosen by 32 codes, in 16 bits: lanes of `both` take a byte of even place and 256 times
// one of odd place; the odd ones are summed beside and taken out at the end.
struct Sums16 {
  __m256i both = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
};

LONGBOW_CODE_INLINE void AddHalfGroup(const uint8_t* plane, const uint8_t* entries, Sums16* sums) {
  const __m256i low = _mm256_set1_epi8(15), code = LoadInts(plane);
  const __m256i a = _mm256_shuffle_epi8(LoadInts(entries), _mm256_and_si256(code, low));
  const __m256i b =
      _mm256_shuffle_epi8(LoadInts(entries + 64), _mm256_and_si256(_mm256_srli_epi16(code, 4), low));
  const __m256i two = _mm256_add_epi8(a, b);  // entries have 7 bits
  sums->both = _mm256_add_epi16(sums->both, two);
  sums->odd = _mm256_add_epi16(sums->odd, _mm256_srli_epi16(two, 8));
}

LONGBOW_CODE_INLINE void AddGroups(const uint8_t* plane, const uint8_t* entries, size_t groups,
                                   Sums16* sums) {
  Sums16 first = *sums, second;
  for (size_t group = 0; group < groups; ++group, plane += 64, entries += 128) {
    AddHalfGroup(plane, entries, &first);
    AddHalfGroup(plane + 32, entries + 32, &second);
  }
  sums->both = _mm256_add_epi16(first.both, second.both);
  sums->odd = _mm256_add_epi16(first.odd, second.odd);
}

LONGBOW_CODE_INLINE void AddWeighted(__m128i eight, __m256 weight, float* sums) {
  const __m256 x = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(eight));
  _mm256_store_ps(sums, _mm256_fmadd_ps(x, weight, _mm256_load_ps(sums)));  // exact: whole numbers
}

LONGBOW_CODE_INLINE void AddWeighted(const Sums16& of, float weight, float* sums) {
  const __m256i even = _mm256_sub_epi16(of.both, _mm256_slli_epi16(of.odd, 8));
  const __m256i first = _mm256_unpacklo_epi16(even, of.odd), second = _mm256_unpackhi_epi16(even, of.odd);
  const __m256 w = _mm256_set1_ps(weight);
  AddWeighted(_mm256_castsi256_si128(first), w, sums);
  AddWeighted(_mm256_castsi256_si128(second), w, sums + 8);
  AddWeighted(_mm256_extracti128_si256(first, 1), w, sums + 16);
  AddWeighted(_mm256_extracti128_si256(second, 1), w, sums + 24);
}

LONGBOW_CODE_INLINE void BlockSums(const uint8_t* block, uint32_t bits, const uint8_t* entries, size_t n,
                                   float* sums) {
  for (size_t i = 0; i < kBlock; i += 8) _mm256_store_ps(sums + i, _mm256_setzero_ps());
  const size_t groups = n / 16;
  if (4 * groups * 127 * ((1u << bits) - 1) < 65536) {  // of all planes, weighted
    Sums16 all;
    for (size_t plane = 0; plane < bits; ++plane) {  // ascending, as memory is best read
      const __m128i by = _mm_cvtsi32_si128(static_cast<int>(plane));
      Sums16 some;
      AddGroups(block + plane * groups * 64, entries, groups, &some);
      all.both = _mm256_add_epi16(all.both, _mm256_sll_epi16(some.both, by));
      all.odd = _mm256_add_epi16(all.odd, _mm256_sll_epi16(some.odd, by));
    }
    return AddWeighted(all, 1, sums);
  }
  float weight = 1;
  for (size_t plane = 0; plane < bits; ++plane, weight *= 2) {
    for (size_t done = 0; done < groups; done += kGroupsATurn) {
      const size_t turn = groups - done < kGroupsATurn ? groups - done : kGroupsATurn;
      Sums16 some;
      AddGroups(block + (plane * groups + done) * 64, entries + done * 128, turn, &some);
      AddWeighted(some, weight, sums);
    }
  }
}

LONGBOW_CODE_INLINE __m256i AddEntries(__m256i totals, const uint8_t* entries, __m256i code) {
  return _mm256_adds_epu8(totals, _mm256_shuffle_epi8(LoadInts(entries), code));
}

constexpr size_t kAhead = 4096;  // the processor fetches less far ahead; 8 % of a scan

template <size_t kQueries>
LONGBOW_CODE_INLINE void NearTotals(const uint8_t* block, uint32_t bits, const RoomsOf<kQueries>& queries,
                                    size_t n, const float* constants, const float* inverses, uint32_t* near) {
  const __m256i low = _mm256_set1_epi8(15);
  __m256i totals[kQueries], others[kQueries];  // two sums each, so that one need not wait for the other
  for (size_t q = 0; q < kQueries; ++q) totals[q] = others[q] = _mm256_setzero_si256();
  for (size_t at = 0; at < bits * BlockBytes(n, 1); at += 64) {
    if constexpr (kQueries == 1) __builtin_prefetch(block + at + kAhead);
    const __m256i a = LoadInts(block + at), b = LoadInts(block + at + 32);
    const __m256i low_a = _mm256_and_si256(a, low), high_a = _mm256_and_si256(_mm256_srli_epi16(a, 4), low);
    const __m256i low_b = _mm256_and_si256(b, low), high_b = _mm256_and_si256(_mm256_srli_epi16(b, 4), low);
#pragma GCC unroll 4
    for (size_t q = 0; q < kQueries; ++q) {
      const uint8_t* entries = queries.entries[q] + 2 * at;
      totals[q] = AddEntries(AddEntries(totals[q], entries, low_a), entries + 64, high_a);
      others[q] = AddEntries(AddEntries(others[q], entries + 32, low_b), entries + 96, high_b);
    }
  }
  for (size_t q = 0; q < kQueries; ++q) {
    near[q] =
        NotAbove(_mm256_adds_epu8(totals[q], others[q]), BlockRooms(queries.rooms[q], constants, inverses));
  }
}

LONGBOW_CODE_INLINE uint32_t SignBits(NativeInt x) {
  return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(x)));
}

LONGBOW_CODE_INLINE void StoreBytes(uint8_t* to, NativeInt x) {
  const __m256i ints = _mm256_and_si256(reinterpret_cast<__m256i>(x), _mm256_set1_epi32(255));
  const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(ints), _mm256_extracti128_si256(ints, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(halves, halves));
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
